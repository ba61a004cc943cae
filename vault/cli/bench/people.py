"""Made-up customers, by number: the same number is always the same person.

A contact has five fields, in two audiences (billing may read an address and no phone), so it is stored in two
envelopes; a card has the three fields that a customer types, and the two that follow from its number. Names and streets
differ in length as they do in life.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count

from vault.v1.customer_service_pb2 import CreateCustomerRequest
from vault.v1.records_pb2 import Card, Contact

_GIVEN = ("Ada", "Björn", "Chiamaka", "Dmitri", "Eleni", "Fionnuala", "Guo", "Hannah")
_FAMILY = ("Abu-Jamal", "Brandt", "Castellanos", "Dąbrowska", "Eze", "Fontaine", "Grey")
_STREETS = ("High Street", "Am Alten Bahnhof", "Rue de la République", "Calle Mayor", "Ulica Długa")
_CITIES = ("Bonn", "Llanfairpwllgwyngyll", "Saint-Étienne", "Kraków", "Ely", "A Coruña")
_STEP = 7919
_DIFFERENT = 20_000
_EXPIRY = f"12/{datetime.now(UTC).year + 2}"
CONTACT_FIELDS = ("name", "street", "city", "phone", "email")


def customer_id(number: int) -> str:
    """The id of a customer who is stored before measuring."""
    return f"c{number}"


def card_name(number: int) -> str:
    """The record name of their card."""
    return f"customers/{customer_id(number)}/cards/first"


def scattered(customers: int, first: int = 0) -> Iterator[int]:
    """All numbers, again and again, in an order in which neighbours in time are no neighbours on the disk."""
    return ((first + n) * _STEP % customers for n in count())


def different(customers: int) -> int:
    """For how many of them requests are prepared: all, or as many as are enough to meet the disk's pages at random."""
    return min(customers, _DIFFERENT)


def contact(number: int) -> Contact:
    """Their contact."""
    given, family = _GIVEN[number % len(_GIVEN)], _FAMILY[number % len(_FAMILY)]
    return Contact(
        name=f"{given} {family}",
        street=f"{_STREETS[number % len(_STREETS)]} {number % 300 + 1}",
        city=_CITIES[number % len(_CITIES)],
        phone=f"+49228{number % 10_000_000:07}",
        email=f"{given.lower()}.{number}@example.org".encode("ascii", "ignore").decode(),
    )


def card(number: int) -> Card:
    """Their card."""
    return Card(card_number=_pan(number), expiry=_EXPIRY, holder_name=contact(number).name)


def _pan(number: int) -> str:
    """A number of 16 digits with its check digit (Luhn)."""
    first = f"411111{number % 1_000_000_000:09}"
    doubled = sum(sum(divmod(2 * int(digit), 10)) for digit in first[::2])
    return f"{first}{-(doubled + sum(map(int, first[1::2]))) % 10}"


def newcomer(customer: str, number: int) -> CreateCustomerRequest:
    """A request that creates them under an id, with contact and card."""
    request = CreateCustomerRequest(customer_id=customer, contact=contact(number), cards=[card(number)])
    request.cards[0].record_name = f"customers/{customer}/cards/first"
    return request
