"""What callers get: values as frozen dataclasses whose repr shows no value.

A card or a contact ends up in a log line or an error report by its repr, so the values are left out of it; the record
name and the etag are enough to find it again. Answers that hold no value (receipts, keys, entries) are the API's own
messages.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from operator import attrgetter
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeVar

from vault.crypto.fields import put
from vault.domain.card import check_opened
from vault.domain.fields import ProtectedField, protected_fields
from vault.errors import DataLoss, InvalidArgument, OpenError
from vault.v1.records_pb2 import Account, Card, Contact, Customer, OrderForm, SitePreferences

if TYPE_CHECKING:
    from google.protobuf.timestamp_pb2 import Timestamp


@dataclass(frozen=True, slots=True)
class RecordInfo:
    """A record without its values: what a writer gets back, and a caller without the purpose."""

    record_name: str
    etag: str
    create_time: datetime | None
    update_time: datetime | None


@dataclass(frozen=True, slots=True)
class OpenedCard:
    """A card, opened here; a field that was not asked for or not written is empty."""

    record_name: str
    card_number: str = field(repr=False)
    expiry: str = field(repr=False)
    """`MM/YYYY`."""
    holder_name: str = field(repr=False)
    brand: str = field(repr=False)
    last_four: str = field(repr=False)
    etag: str
    create_time: datetime | None
    update_time: datetime | None


@dataclass(frozen=True, slots=True)
class OpenedContact:
    """A contact; a field that was not asked for, may not be read or was not written is empty."""

    record_name: str
    name: str = field(repr=False)
    street: str = field(repr=False)
    city: str = field(repr=False)
    region: str = field(repr=False)
    postal_code: str = field(repr=False)
    country_code: str = field(repr=False)
    """ISO 3166-1 alpha-2."""
    phone: str = field(repr=False)
    """E.164."""
    email: str = field(repr=False)
    etag: str
    create_time: datetime | None
    update_time: datetime | None


@dataclass(frozen=True, slots=True)
class NewCustomer:
    """A customer to create, in a batch."""

    customer_id: str = ""
    """Chosen by the SDK if empty."""
    contact: Contact | None = field(default=None, repr=False)
    cards: Sequence[Card] = field(default=(), repr=False)


Record = TypeVar("Record", Card, Contact)

_values: Mapping[type[Card | Contact], Callable[[Card | Contact], tuple[object, ...]]] = {
    kind: attrgetter(*protected_fields(kind)) for kind in (Card, Contact)
}


def in_plain(record: Card | Contact) -> bool:
    """Whether a record came with any protected field in plain."""
    return any(_values[type(record)](record))


def info_of(record: Card | Contact | Customer | Account | SitePreferences | OrderForm, record_name: str) -> RecordInfo:
    """The plain part of a record.

    Raises:
        DataLoss: the answer is about another record than the request.
    """
    if record.record_name != record_name:
        raise DataLoss("the answer is about another record")
    return RecordInfo(record_name, record.etag, _time(record.create_time), _time(record.update_time))


def opened_card(plain: Card, opened: Sequence[tuple[ProtectedField, bytes]], record_name: str) -> OpenedCard:
    """A card from its opened fields.

    Args:
        plain: as it came, for etag and times.
        opened: what its envelopes held.
        record_name: as it was asked for.

    Raises:
        DataLoss: number, brand and last four do not belong together, or the answer is about another record.
    """
    card = _filled(plain, opened, record_name)
    try:
        check_opened(card)
    except InvalidArgument as error:
        raise DataLoss(f"the writer sealed something that is no card: {error}") from None
    return OpenedCard(
        record_name,
        card.card_number,
        card.expiry,
        card.holder_name,
        card.brand,
        card.last_four,
        plain.etag,
        _time(plain.create_time),
        _time(plain.update_time),
    )


def opened_contact(plain: Contact, opened: Sequence[tuple[ProtectedField, bytes]], record_name: str) -> OpenedContact:
    """A contact from its opened fields; arguments and errors as `opened_card`."""
    return contact_of(_filled(plain, opened, record_name), plain, record_name)


def contact_of(values: Contact, plain: Contact, record_name: str) -> OpenedContact:
    """A contact whose values are in plain."""
    info = info_of(plain, record_name)
    return OpenedContact(
        record_name,
        values.name,
        values.street,
        values.city,
        values.region,
        values.postal_code,
        values.country_code,
        values.phone,
        values.email,
        info.etag,
        info.create_time,
        info.update_time,
    )


def _filled(plain: Record, opened: Sequence[tuple[ProtectedField, bytes]], record_name: str) -> Record:
    if plain.record_name != record_name:
        raise DataLoss("the answer is about another record")
    record = type(plain)()
    try:
        for each, plaintext in opened:
            put(record, each, plaintext)
    except OpenError:
        raise DataLoss("the record does not open") from None
    return record


def wanted_fields(record: type[Card] | type[Contact], names: Collection[str] | None) -> Mapping[int, ProtectedField]:
    """The protected fields of a record by number: the named ones, or all.

    Raises:
        InvalidArgument: a name is none of its protected fields.
    """
    known = protected_fields(record)
    for name in names or ():
        if name not in known:
            raise InvalidArgument("read_mask", "must name protected fields of the record")
    return MappingProxyType({f.number: f for f in known.values() if names is None or f.name in names})


def _time(stamp: "Timestamp") -> datetime | None:
    if not stamp.seconds:
        return None
    return datetime.fromtimestamp(stamp.seconds + stamp.nanos // 1000 / 1_000_000, UTC)
