"""What a card must be: checked by whoever sees it in plain, which is the writer before sealing and the reader after.

The vault itself checks only cards that it is given in plain; a sealed card is the writer's word until it is opened.
"""

import re
import unicodedata
from dataclasses import dataclass

from vault.domain.pan import digits_of, is_pan_like, luhn_valid, network_of
from vault.errors import InvalidArgument
from vault.v1.records_pb2 import Card

_EXPIRY = re.compile(r"(0[1-9]|1[0-2])/(2[0-9]{3})", re.ASCII)
_MIN_DIGITS, _MAX_DIGITS = 13, 19


@dataclass(frozen=True, slots=True)
class Month:
    """A calendar month, for comparing with an expiry."""

    year: int
    month: int


def normalize(card: Card, today: Month, prefix: str = "card") -> None:
    """Check a card in plain and bring it into its stored form, in place; `brand` and `last_four` are derived.

    Args:
        card: a Card with its fields in plain.
        today: the current month; an expiry before it is refused.
        prefix: the path of the card in the request, for errors.

    Raises:
        InvalidArgument: a field is missing or breaks its rule; the value is not echoed.
    """
    number = digits_of(card.card_number) or ""
    if not _MIN_DIGITS <= len(number) <= _MAX_DIGITS:
        raise InvalidArgument(f"{prefix}.card_number", "must be 13 to 19 digits")
    if not luhn_valid(number):
        raise InvalidArgument(f"{prefix}.card_number", "must have a right check digit (Luhn)")
    brand = network_of(number)
    if brand is None:
        raise InvalidArgument(f"{prefix}.card_number", "must be of a known card network")
    if card.brand and card.brand != brand:
        raise InvalidArgument(f"{prefix}.brand", "must be the network of the card number, or be left out")
    if card.last_four and card.last_four != number[-4:]:
        raise InvalidArgument(f"{prefix}.last_four", "must be the last four digits of the number, or be left out")
    check_expiry(card.expiry, today, prefix)
    if any(unicodedata.category(c) == "Cc" for c in card.holder_name):
        raise InvalidArgument(f"{prefix}.holder_name", "must not have control characters")
    card.holder_name = " ".join(card.holder_name.split())
    if is_pan_like(card.holder_name):
        raise InvalidArgument(f"{prefix}.holder_name", "must not look like a card number")
    card.card_number, card.brand, card.last_four = number, brand, number[-4:]


def check_expiry(expiry: str, today: Month, prefix: str = "card") -> None:
    """Check `MM/YYYY`, not in the past and not more than 30 years ahead.

    Raises:
        InvalidArgument: it is something else.
    """
    match = _EXPIRY.fullmatch(expiry)
    if not match:
        raise InvalidArgument(f"{prefix}.expiry", "must be MM/YYYY")
    month, year = int(match[1]), int(match[2])
    if (year, month) < (today.year, today.month):
        raise InvalidArgument(f"{prefix}.expiry", "must not be in the past")
    if year > today.year + 30:
        raise InvalidArgument(f"{prefix}.expiry", "must be at most 30 years ahead")


def check_opened(card: Card) -> None:
    """Check what a reader opened against itself: number, brand and last four belong together.

    Only the fields that were opened are looked at.

    Raises:
        InvalidArgument: the writer sealed something that is no card.
    """
    if not card.card_number:
        return
    number = card.card_number
    if digits_of(number) != number or not luhn_valid(number):
        raise InvalidArgument("card.card_number", "is not a card number")
    if card.last_four and card.last_four != number[-4:]:
        raise InvalidArgument("card.last_four", "does not belong to the number")
    if card.brand and card.brand != network_of(number):
        raise InvalidArgument("card.brand", "does not belong to the number")
