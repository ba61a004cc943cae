"""Record names (AIP-122): the one place that builds and takes apart `customers/42/cards/7f3a`.

A name stands in every key derivation and every aad, so it has one spelling (`vault.domain.ids`). A record's owner is
its first two segments; the rest is what the log shows, because it names nobody.

An owner is what is erased as one: a customer, a visitor's cookie, or a domain whose mail waits for no known customer.
`_UNDER` is the list of all names there can be: what it does not have is no record.
"""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Final, NewType

from vault.domain.ids import CustomerId, Domain, VisitorId, customer_id, domain, month, new_id, record_id, visitor_id
from vault.errors import InvalidArgument

RecordName = NewType("RecordName", str)
Owner = NewType("Owner", str)


class OwnerKind(StrEnum):
    """Whose records these are; the first segment of their names."""

    CUSTOMER = "customers"
    VISITOR = "visitors"
    """A cookie of the web site; never joined with a customer."""
    DOMAIN = "domains"


def customer_name(customer: CustomerId) -> RecordName:
    """`customers/{c}`."""
    return RecordName(f"customers/{customer}")


def contact_name(customer: CustomerId) -> RecordName:
    """`customers/{c}/contact`."""
    return RecordName(f"customers/{customer}/contact")


def card_name(customer: CustomerId, card: str) -> RecordName:
    """`customers/{c}/cards/{id}`."""
    return RecordName(f"customers/{customer}/cards/{card}")


def account_name(customer: CustomerId) -> RecordName:
    """`customers/{c}/account`."""
    return RecordName(f"customers/{customer}/account")


def log_name(customer: CustomerId, yyyy_mm: str) -> RecordName:
    """`customers/{c}/logs/{yyyy-mm}`."""
    return RecordName(f"customers/{customer}/logs/{yyyy_mm}")


def order_name(customer: CustomerId, order: str) -> RecordName:
    """`customers/{c}/orders/{id}`."""
    return RecordName(f"customers/{customer}/orders/{order}")


def message_name(owner: Owner, message: str) -> RecordName:
    """`customers/{c}/messages/{id}`, or `domains/{d}/messages/{id}`."""
    return RecordName(f"{owner}/messages/{message}")


def form_name(visitor: VisitorId) -> RecordName:
    """`visitors/{id}/form`."""
    return RecordName(f"visitors/{visitor}/form")


def preferences_name(visitor: VisitorId) -> RecordName:
    """`visitors/{id}/preferences`."""
    return RecordName(f"visitors/{visitor}/preferences")


def owner_of(name: RecordName) -> Owner:
    """The first two segments: `customers/42`."""
    return Owner("/".join(name.split("/", 2)[:2]))


def owner_of_customer(customer: CustomerId) -> Owner:
    """`customers/{c}`, as an owner."""
    return Owner(f"customers/{customer}")


def owner_of_visitor(visitor: VisitorId) -> Owner:
    """`visitors/{id}`, as an owner."""
    return Owner(f"visitors/{visitor}")


def owner_of_domain(mail_domain: Domain) -> Owner:
    """`domains/{d}`, as an owner."""
    return Owner(f"domains/{mail_domain}")


def owner_kind(owner: Owner) -> OwnerKind:
    """What kind of owner it is."""
    return OwnerKind(owner.partition("/")[0])


def customer_of(owner: Owner) -> CustomerId:
    """The customer id of an owner `customers/{c}`."""
    return CustomerId(owner.split("/", 1)[1])


def under_owner(name: RecordName) -> str:
    """What the log shows: the name without its first two segments, empty for the customer record."""
    parts = name.split("/", 2)
    return parts[2] if len(parts) == 3 else ""  # noqa: PLR2004 - owner has two segments, the rest is one


_IDS: Final[Mapping[OwnerKind, Callable[[str, str], str]]] = {
    OwnerKind.CUSTOMER: customer_id,
    OwnerKind.VISITOR: visitor_id,
    OwnerKind.DOMAIN: domain,
}
_UNDER: Final[Mapping[OwnerKind, Mapping[str, Callable[[str, str], str] | None]]] = {
    OwnerKind.CUSTOMER: {
        "contact": None,
        "account": None,
        "cards": record_id,
        "logs": month,
        "messages": record_id,
        "orders": record_id,
    },
    OwnerKind.VISITOR: {"form": None, "preferences": None},
    OwnerKind.DOMAIN: {"messages": record_id},
}
"""What stands under each kind of owner: one record, or a collection and how its ids are checked."""


def parse_owner(text: str, field: str = "owner") -> Owner:
    """Check the name of an owner.

    Raises:
        InvalidArgument: `field` is none of `customers/{id}`, `visitors/{id}`, `domains/{domain}`.
    """
    collection, _, rest = text.partition("/")
    if collection not in _IDS:
        raise InvalidArgument(field, "must be customers/{id}, visitors/{id} or domains/{domain}")
    return Owner(f"{collection}/{_IDS[OwnerKind(collection)](rest, field)}")


def parse_name(text: str, field: str = "record_name", collection: str = "") -> RecordName:
    """Check the name of a record of any kind.

    Args:
        text: the name.
        field: names it in errors.
        collection: the one collection (or single record) it must stand in, `cards`; any if left out.

    Raises:
        InvalidArgument: `field` is no such name.
    """
    segments = text.split("/", 2)
    if len(segments) < 3 or segments[0] not in _IDS:  # noqa: PLR2004 - an owner, and what is under it
        raise InvalidArgument(field, _must_be(collection))
    kind, (found, slash, last) = OwnerKind(segments[0]), segments[2].partition("/")
    under = _UNDER[kind]
    if found not in under or collection not in ("", found) or bool(slash) is (under[found] is None):
        raise InvalidArgument(field, _must_be(collection))
    _IDS[kind](segments[1], field)
    if check := under[found]:
        check(last, field)
    return RecordName(text)


def parse_card_name(text: str, field: str = "record_name") -> tuple[CustomerId, RecordName]:
    """Take a card's name apart into customer id and name.

    Raises:
        InvalidArgument: `field` is not the name of a card.
    """
    name = parse_name(text, field, "cards")
    return customer_of(owner_of(name)), name


def parse_order_name(text: str, field: str = "record_name") -> tuple[CustomerId, RecordName]:
    """Take an order's name apart into customer id and name.

    Raises:
        InvalidArgument: `field` is not the name of an order.
    """
    name = parse_name(text, field, "orders")
    return customer_of(owner_of(name)), name


def parse_message_name(text: str, field: str = "record_name") -> tuple[Owner, RecordName]:
    """Take a message's name apart into its owner (a customer or a domain) and name.

    Raises:
        InvalidArgument: `field` is not the name of a message.
    """
    name = parse_name(text, field, "messages")
    return owner_of(name), name


def _must_be(collection: str) -> str:
    for kind, under in _UNDER.items():
        if collection in under:
            return f"must be {kind}/{{id}}/{collection}" + ("/{id}" if under[collection] else "")
    return "must be the name of a record, as customers/{id}/contact"


__all__ = [
    "CustomerId",
    "Domain",
    "Owner",
    "OwnerKind",
    "RecordName",
    "VisitorId",
    "account_name",
    "card_name",
    "contact_name",
    "customer_id",
    "customer_name",
    "customer_of",
    "domain",
    "form_name",
    "log_name",
    "message_name",
    "month",
    "new_id",
    "order_name",
    "owner_kind",
    "owner_of",
    "owner_of_customer",
    "owner_of_domain",
    "owner_of_visitor",
    "parse_card_name",
    "parse_message_name",
    "parse_name",
    "parse_order_name",
    "parse_owner",
    "preferences_name",
    "record_id",
    "under_owner",
    "visitor_id",
]
