"""Record names (AIP-122): the one place that builds and takes apart `customers/42/cards/7f3a`.

A name stands in every key derivation and every aad, so it has one spelling: ids are checked by full-match patterns
of ASCII, and no normalisation is applied. A record's owner is its first two segments; the rest is what the log shows,
because it names nobody.
"""

import re
import secrets
from typing import NewType

from vault.domain.pan import is_pan_like
from vault.errors import InvalidArgument

CustomerId = NewType("CustomerId", str)
RecordName = NewType("RecordName", str)
Owner = NewType("Owner", str)

_CUSTOMER_ID = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_RECORD_ID = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
_CARD_NAME = re.compile(r"customers/([^/]+)/cards/([^/]+)", re.ASCII)


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


def new_id() -> str:
    """Sixteen random bytes in hex; drawn again in the rare case (1 in 10^5) that its digits pass for a card number."""
    while is_pan_like(text := secrets.token_hex(16)):
        pass
    return text


def customer_name(customer: CustomerId) -> RecordName:
    """`customers/{c}`."""
    return RecordName(f"customers/{customer}")


def contact_name(customer: CustomerId) -> RecordName:
    """`customers/{c}/contact`."""
    return RecordName(f"customers/{customer}/contact")


def card_name(customer: CustomerId, card: str) -> RecordName:
    """`customers/{c}/cards/{id}`."""
    return RecordName(f"customers/{customer}/cards/{card}")


def parse_card_name(text: str, field: str = "record_name") -> tuple[CustomerId, RecordName]:
    """Take a card's name apart into customer id and name.

    Raises:
        InvalidArgument: `field` is not the name of a card.
    """
    match = _CARD_NAME.fullmatch(text)
    if not match:
        raise InvalidArgument(field, "must be customers/{customer_id}/cards/{card_id}")
    customer = customer_id(match[1], field)
    return customer, card_name(customer, record_id(match[2], field))


def owner_of(name: RecordName) -> Owner:
    """The first two segments: `customers/42`."""
    return Owner("/".join(name.split("/", 2)[:2]))


def owner_of_customer(customer: CustomerId) -> Owner:
    """`customers/{c}`, as an owner."""
    return Owner(f"customers/{customer}")


def customer_of(owner: Owner) -> CustomerId:
    """The customer id of an owner `customers/{c}`."""
    return CustomerId(owner.split("/", 1)[1])


def under_owner(name: RecordName) -> str:
    """What the log shows: the name without its first two segments, empty for the customer record."""
    parts = name.split("/", 2)
    return parts[2] if len(parts) == 3 else ""  # noqa: PLR2004 - owner has two segments, the rest is one
