"""What the use cases know of each kind of record: its message, and its protected fields by number."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Generic, TypeVar

from vault.domain import card as card_rules
from vault.domain import contact as contact_rules
from vault.domain.fields import ProtectedField, protected_fields
from vault.v1.records_pb2 import Card, Contact

RecordMessage = Contact | Card
M = TypeVar("M", Contact, Card)


@dataclass(frozen=True, slots=True, eq=False)
class Kind(Generic[M]):
    """One kind of record with protected fields."""

    message: type[M]
    category: str
    check: Callable[[M], None]
    """Of opened fields; raises InvalidArgument."""
    by_name: Mapping[str, ProtectedField] = field(init=False)
    by_number: Mapping[int, ProtectedField] = field(init=False)

    def __post_init__(self) -> None:
        """Read the tables off the descriptor."""
        fields = protected_fields(self.message)
        object.__setattr__(self, "by_name", fields)
        object.__setattr__(self, "by_number", {f.number: f for f in fields.values()})


CONTACT = Kind(Contact, "contact", contact_rules.normalize)
CARD = Kind(Card, "payment", card_rules.check_opened)


@lru_cache(4096)
def wanted(kind: Kind[Any], policy_names: frozenset[str]) -> Mapping[int, ProtectedField]:
    """The protected fields with these policy names, by number."""
    return {n: f for n, f in kind.by_number.items() if f.policy_name in policy_names}
