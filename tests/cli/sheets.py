"""CSV files for the tests of `import`: made here, with the card networks' published test numbers."""

import csv
import io
from collections.abc import Iterable
from pathlib import Path

from vault.cli.importer.sheet import COLUMNS

CARD_NUMBERS = ("4111111111111111", "5555555555554444", "378282246310005")


def row(number: int, **changes: str) -> dict[str, str]:
    """A good row."""
    return {
        "customer_id": f"r{number}",
        "name": f"Customer {number}",
        "street": f"Lange Straße {number}",
        "city": "Bonn",
        "region": "",
        "postal_code": f"{53000 + number}",
        "country_code": "DE",
        "phone": "+49 228 123456",
        "email": f"customer{number}@example.org",
        "card_number": CARD_NUMBERS[number % len(CARD_NUMBERS)],
        "card_expiry": "12/2040",
        "card_holder": f"Customer {number}",
    } | changes


def text(rows: Iterable[dict[str, str]], columns: Iterable[str] = COLUMNS) -> str:
    """The file's text, as Python's writer makes it: lines end in CR LF."""
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, list(columns))
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def write(path: Path, content: str | bytes) -> Path:
    """A file."""
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path
