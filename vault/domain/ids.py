"""Ids: what may stand between the slashes of a record's name.

Each has one spelling, checked by a full match of ASCII, and no normalisation is applied. None may look like a card
number, because names stand in plain in the database and in the log.
"""

import re
import secrets
from typing import Final, NewType

from vault.domain.pan import is_pan_like
from vault.errors import InvalidArgument

CustomerId = NewType("CustomerId", str)
VisitorId = NewType("VisitorId", str)
Domain = NewType("Domain", str)

_CUSTOMER_ID = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_RECORD_ID = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
_VISITOR_ID = re.compile(r"[0-9a-f]{32}", re.ASCII)
_LABEL = _RECORD_ID
_MONTH = re.compile(r"(?:19[7-9]|[2-9][0-9]{2})[0-9]-(?:0[1-9]|1[0-2])", re.ASCII)
_MOST_OF_A_DOMAIN: Final = 253


def customer_id(text: str, field: str = "customer_id") -> CustomerId:
    """Check a customer id (section 4, forms).

    Raises:
        InvalidArgument: `field` is not 1 to 64 of `A-Za-z0-9_-`, or looks like a card number.
    """
    if not _CUSTOMER_ID.fullmatch(text):
        raise InvalidArgument(field, "must be 1 to 64 characters of A-Z a-z 0-9 _ -")
    if is_pan_like(text):
        raise InvalidArgument(field, "must not look like a card number")
    return CustomerId(text)


def record_id(text: str, field: str) -> str:
    """Check the id of a record under its owner.

    Raises:
        InvalidArgument: `field` is not 1 to 63 of `a-z0-9-` (no dash at the ends), or looks like a card number.
    """
    if not _RECORD_ID.fullmatch(text):
        raise InvalidArgument(field, "must be 1 to 63 characters of a-z 0-9 -, without a dash at either end")
    if is_pan_like(text):
        raise InvalidArgument(field, "must not look like a card number")
    return text


def visitor_id(text: str, field: str = "visitor_id") -> VisitorId:
    """Check the id of a visitor's cookie: 16 random bytes in hex, so that nothing about a person can be one.

    Raises:
        InvalidArgument: `field` is not 32 digits of `0-9a-f`, or looks like a card number.
    """
    if not _VISITOR_ID.fullmatch(text):
        raise InvalidArgument(field, "must be a random cookie id: 16 bytes as 32 digits of 0-9 a-f")
    if is_pan_like(text):
        raise InvalidArgument(field, "must not look like a card number")
    return VisitorId(text)


def domain(text: str, field: str = "domain") -> Domain:
    """Check a mail domain: lower-case A-labels joined by dots, at least two, no address of a machine.

    Raises:
        InvalidArgument: `field` is something else, or looks like a card number.
    """
    labels = text.split(".")
    well = len(text) <= _MOST_OF_A_DOMAIN and len(labels) > 1 and all(_LABEL.fullmatch(label) for label in labels)
    if not well or labels[-1].isdigit():
        raise InvalidArgument(field, "must be a domain in lower case, as example.org; other scripts as xn--")
    if is_pan_like(text):
        raise InvalidArgument(field, "must not look like a card number")
    return Domain(text)


def month(text: str, field: str = "month") -> str:
    """Check a month of a log: `yyyy-mm`, from 1970 on.

    Raises:
        InvalidArgument: `field` is something else.
    """
    if not _MONTH.fullmatch(text):
        raise InvalidArgument(field, "must be a month, as 2026-11")
    return text


def new_id() -> str:
    """Sixteen random bytes in hex; drawn again if its digits pass for a card number, which one in 1,200 does."""
    while is_pan_like(text := secrets.token_hex(16)):
        pass
    return text
