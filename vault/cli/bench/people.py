"""Made-up customers, by number: the same number is always the same person.

A contact has five fields, in two audiences (billing may read an address and no phone), so it is stored in two
envelopes; a card has the three fields that a customer types, and the two that follow from its number. Names and streets
differ in length as they do in life.
"""

from datetime import UTC, datetime

from vault.domain.pan import luhn_valid
from vault.v1.customer_service_pb2 import CreateCustomerRequest
from vault.v1.records_pb2 import Card, Contact

_GIVEN = ("Ada", "Björn", "Chiamaka", "Dmitri", "Eleni", "Fionnuala", "Guo", "Hannah")
_FAMILY = ("Abu-Jamal", "Brandt", "Castellanos", "Dąbrowska", "Eze", "Fontaine", "Grey")
_STREETS = ("High Street", "Am Alten Bahnhof", "Rue de la République", "Calle Mayor", "Ulica Długa")
_CITIES = ("Bonn", "Llanfairpwllgwyngyll", "Saint-Étienne", "Kraków", "Ely", "A Coruña")
CONTACT_FIELDS = ("name", "street", "city", "phone", "email")


def customer_id(number: int) -> str:
    """The id of a customer who is stored before measuring."""
    return f"c{number}"


def card_name(number: int) -> str:
    """The record name of their card."""
    return f"customers/{customer_id(number)}/cards/first"


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
    first = f"411111{number % 1_000_000_000:09}"
    digits = next(digits for check in range(10) if luhn_valid(digits := f"{first}{check}"))
    return Card(card_number=digits, expiry=f"12/{datetime.now(UTC).year + 2}", holder_name=contact(number).name)


def newcomer(customer: str, number: int) -> CreateCustomerRequest:
    """A request that creates them under an id, with contact and card."""
    request = CreateCustomerRequest(customer_id=customer, contact=contact(number), cards=[card(number)])
    request.cards[0].record_name = f"customers/{customer}/cards/first"
    return request
