"""People who do not exist, whose every value can be found again wherever it leaks.

Names, phones, addresses and card numbers are drawn from a seeded generator, so a failure repeats. Each is long and odd
enough that it stands nowhere by chance: what a search for it hits is a leak.
"""

import base64
import random
import string
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from vault.domain.pan import luhn_valid
from vault.v1 import records_pb2 as records

_HEAD = 7
"""Bytes; the shortest disguise of a card number, a packed integer, has so many."""


@dataclass(frozen=True, slots=True)
class Person:
    """A customer's data."""

    customer_id: str
    name: str
    street: str
    phone: str
    email: str
    card_number: str
    holder_name: str

    def contact(self) -> records.Contact:
        """The contact, in its stored form."""
        return records.Contact(
            name=self.name,
            street=self.street,
            city="Saint John",
            region="NB",
            postal_code="E2L 4L5",
            country_code="CA",
            phone=self.phone,
            email=self.email,
        )

    def card(self) -> records.Card:
        """The card in plain, as a storefront sends it."""
        return records.Card(card_number=self.card_number, expiry="12/2040", holder_name=self.holder_name)

    def stored_card(self) -> dict[str, str]:
        """What billing must find in the card."""
        return {
            "card_number": self.card_number,
            "expiry": "12/2040",
            "holder_name": self.holder_name,
            "brand": "visa",
            "last_four": self.card_number[-4:],
        }

    def values(self) -> tuple[str, ...]:
        """What must never be found outside."""
        return (self.name, self.street, self.phone, self.email, self.card_number, self.holder_name)


def people(count: int, seed: int = 1, prefix: str = "c") -> list[Person]:
    """The same people for the same seed; ids are `c0`, `c1` and so on."""
    rng = random.Random(seed)
    return [_person(rng, f"{prefix}{i}") for i in range(count)]


def pan(rng: random.Random) -> str:
    """A Visa number: 16 digits that pass Luhn."""
    body = "4" + "".join(rng.choices(string.digits, k=14))
    return next(body + d for d in string.digits if luhn_valid(body + d))


class Scanner:
    """Finds any disguise of many values in one pass over some bytes."""

    def __init__(self, values: Iterable[str]) -> None:
        self._forms: dict[bytes, list[tuple[bytes, str]]] = {}
        for value in values:
            for form in disguises(value):
                self._forms.setdefault(form[:_HEAD], []).append((form, value))
        self.forms = sum(map(len, self._forms.values()))

    def hits(self, raw: bytes) -> list[str]:
        """The values that stand in it."""
        heads = self._forms.keys()
        return [
            value
            for at in range(len(raw) - _HEAD + 1)
            if raw[at : at + _HEAD] in heads
            for form, value in self._forms[raw[at : at + _HEAD]]
            if raw.startswith(form, at)
        ]


def _person(rng: random.Random, customer_id: str) -> Person:
    def word() -> str:
        return "Qz" + "".join(rng.choices(string.ascii_lowercase, k=9))

    return Person(
        customer_id,
        f"{word()} {word().title()}",
        f"{rng.randint(1, 999)} {word()} Street",
        "+1506" + str(rng.randint(2_000_000, 9_999_999)),
        f"{word().lower()}@example.org",
        pan(rng),
        f"{word()} {word()}",
    )


def disguises(value: str) -> Iterator[bytes]:
    """The forms in which a value may lie in a file: raw, hex, base64 at each offset, UTF-16, digits reversed."""
    raw = value.encode()
    yield raw
    yield raw.hex().encode()
    yield raw.hex().upper().encode()
    yield value.encode("utf-16-le")
    yield value.encode("utf-16-be")
    yield raw[::-1]
    for offset in range(3):
        # The middle of the base64 text does not depend on what stands around the value.
        encoded = base64.b64encode(b"\0" * offset + raw)
        yield encoded[4 if offset else 0 : len(encoded) // 4 * 4 - 4]
    digits = value.lstrip("+")
    if digits.isdigit() and len(digits) > 12:  # shorter ones stand in any file by chance
        yield " ".join(digits[i : i + 4] for i in range(0, len(digits), 4)).encode()
        yield int(digits).to_bytes(8, "big").lstrip(b"\0")
        yield int(digits).to_bytes(8, "little").rstrip(b"\0")
        yield bytes.fromhex(digits if len(digits) % 2 == 0 else "0" + digits)
