"""What the use cases know of each kind of record: its message, its protected fields by number, and who may own one.

Every message of records.proto with protected fields has one kind, so that sealing, locking, opening and expiring are
written once. What a kind's records must be is its `check`: it is asked of what somebody else sealed, by its first
reader in the vault, and the writing use case asks the same of what it is given in plain.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, Generic, TypeVar

from vault.domain import card as card_rules
from vault.domain import contact as contact_rules
from vault.domain.fields import Plaintext, ProtectedField, protected_fields
from vault.domain.names import OwnerKind
from vault.v1.records_pb2 import Account, Card, Contact, CustomerLog, OrderForm, SitePreferences
from vault.v1.records_pb2 import Message as MailMessage

RecordMessage = Contact | Card | Account | CustomerLog | OrderForm | SitePreferences | MailMessage
M = TypeVar("M", Contact, Card, Account, CustomerLog, OrderForm, SitePreferences, MailMessage)

_SHORT: Final = 1024
"""Bytes of a padded plaintext that a caller may seal where nothing is long."""
_CUSTOMERS: Final = frozenset({OwnerKind.CUSTOMER})


def _anything(_message: object) -> None:
    """Every value of the right type is one: nobody but the vault seals these."""


@dataclass(frozen=True, slots=True, eq=False)
class Kind(Generic[M]):
    """One kind of record with protected fields."""

    message: type[M]
    category: str
    check: Callable[[M], None]
    """Of opened fields; raises InvalidArgument."""
    owners: frozenset[OwnerKind] = _CUSTOMERS
    """Who may have such records."""
    max_box: int = _SHORT
    """Bytes of the longest padded plaintext that a caller may seal."""
    by_name: Mapping[str, ProtectedField] = field(init=False)
    by_number: Mapping[int, ProtectedField] = field(init=False)
    texts: tuple[str, ...] = field(init=False)
    messages: tuple[str, ...] = field(init=False)
    """Names of its protected fields by how it is asked whether they are there: an empty message is something."""
    customers_only: bool = field(init=False)

    def __post_init__(self) -> None:
        """Read the tables off the descriptor."""
        fields = protected_fields(self.message)
        object.__setattr__(self, "by_name", fields)
        object.__setattr__(self, "by_number", {f.number: f for f in fields.values()})
        messages = tuple(f.name for f in fields.values() if f.plaintext is Plaintext.MESSAGE)
        object.__setattr__(self, "texts", tuple(name for name in fields if name not in messages))
        object.__setattr__(self, "messages", messages)
        object.__setattr__(self, "customers_only", self.owners == _CUSTOMERS)


CONTACT = Kind(Contact, "contact", contact_rules.normalize)
CARD = Kind(Card, "payment", card_rules.check_opened)
ACCOUNT: Kind[Account] = Kind(Account, "account", _anything)
CUSTOMER_LOG: Kind[CustomerLog] = Kind(CustomerLog, "account", _anything)
ORDER_FORM: Kind[OrderForm] = Kind(OrderForm, "order", _anything, frozenset({OwnerKind.CUSTOMER, OwnerKind.VISITOR}))
"""A form as a visitor filled it in, and the order that a customer made of it."""
PREFERENCES: Kind[SitePreferences] = Kind(SitePreferences, "site", _anything, frozenset({OwnerKind.VISITOR}))
MESSAGE: Kind[MailMessage] = Kind(
    MailMessage, "mail", _anything, frozenset({OwnerKind.CUSTOMER, OwnerKind.DOMAIN}), max_box=1 << 18
)
"""A thousand recipients of the longest kind fit into a box."""


@lru_cache(4096)
def names_of(kind: Kind[Any], policy_names: frozenset[str]) -> list[str]:
    """Those of these policy names that are of the kind, sorted, for the log: a category may have several kinds."""
    return sorted(f.policy_name for f in kind.by_number.values() if f.policy_name in policy_names)


@lru_cache(4096)
def wanted(kind: Kind[Any], policy_names: frozenset[str]) -> Mapping[int, ProtectedField]:
    """The protected fields of a kind with these policy names, by number."""
    return {n: f for n, f in kind.by_number.items() if f.policy_name in policy_names}
