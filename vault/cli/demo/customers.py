"""A made-up table of customers, as a company would export it.

Nobody in it is real: names are put together from lists, mail addresses are under a domain that is reserved for
examples (RFC 2606), telephone numbers under ranges that regulators keep free for fiction, and card numbers are those
that the card networks publish for tests. One row has a wrong check digit, as a real export would.
"""

import csv
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from vault.cli.importer.sheet import COLUMNS

COUNT: Final = 300

# 17 and 18 have no common divisor, so no two of 300 customers have one name.
# fmt: off
_FIRST: Final = (
    "Ada", "Bruno", "Chiara", "Dag", "Elif", "Femi", "Greta", "Hugo", "Ines", "Jonas", "Kaya", "Lena", "Milan",
    "Nadia", "Oskar", "Pilar", "Rafael",
)
_LAST: Final = (
    "Aalto", "Berg", "Conti", "Diallo", "Ekberg", "Fontaine", "Grau", "Holm", "Ivers", "Jansen", "Kowal", "Lind",
    "Marek", "Novak", "Okafor", "Petit", "Quist", "Rossi",
)
# fmt: on
# (street, city, region, postal code, country, telephone number)
_PLACES: Final = (
    ("Lindenweg", "Berlin", "", "10115", "DE", "+493023125{:03}"),
    ("Bergstrasse", "Köln", "", "50667", "DE", "+492214710{:03}"),
    ("Mill Lane", "Leeds", "", "LS1 4DY", "GB", "+441134960{:03}"),
    ("Harbour Road", "Glasgow", "", "G1 1XQ", "GB", "+441414960{:03}"),
    ("Rue des Lilas", "Lyon", "", "69001", "FR", "+3319900{:04}"),
    ("Elm Street", "Boston", "MA", "02108", "US", "+161755501{:02}"),
)
_CARDS: Final = ("4111111111111111", "5555555555554444", "4012888888881881", "378282246310005", "6011111111111117")
_WRONG_DIGIT: Final = "4111111111111112"


@dataclass(frozen=True, slots=True)
class Row:
    """One customer, as a line of the table."""

    customer_id: str
    name: str
    street: str
    city: str
    region: str
    postal_code: str
    country_code: str
    phone: str
    email: str
    card_number: str
    card_expiry: str
    card_holder: str


@dataclass(frozen=True, slots=True)
class Table:
    """The customers, and the one row that no vault should take."""

    good: tuple[Row, ...]
    bad: Row

    @property
    def bad_line(self) -> int:
        """The bad row's line in the file; the header is line 1."""
        return len(self.good) + 2

    def write(self, path: Path) -> None:
        """Write it as CSV."""
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows(map(asdict, (*self.good, self.bad)))


def make() -> Table:
    """The same customers each time, but for their cards' expiry, which must lie ahead."""
    year = datetime.now(UTC).year
    rows = [_row(at, year) for at in range(COUNT + 1)]
    return Table(tuple(rows[:COUNT]), rows[COUNT])


def _row(at: int, year: int) -> Row:
    street, city, region, postal_code, country, phone = _PLACES[at % len(_PLACES)]
    first, last = _pick(_FIRST, at), _pick(_LAST, at)
    return Row(
        customer_id=str(100_000 + at),
        name=f"{first} {last}",
        street=f"{street} {at % 90 + 1}",
        city=city,
        region=region,
        postal_code=postal_code,
        country_code=country,
        phone=phone.format(at % 100),
        email=f"{first}.{last}{at}@example.org".lower(),
        card_number=_pick(_CARDS, at) if at < COUNT else _WRONG_DIGIT,
        card_expiry=f"{at % 12 + 1:02}/{year + 1 + at % 4}",
        card_holder=f"{first} {last}",
    )


def _pick(values: Sequence[str], at: int) -> str:
    return values[at % len(values)]
