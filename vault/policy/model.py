"""A policy: rules as they stand in the file, and the tables that answer the questions of a call.

A `Policy` is made by `load` only, after `check` found nothing to refuse, so nothing here can fail: an unknown name
has no roles, no purposes and no audience, and is thereby denied. The tables are made once, because the questions come
with each call: may these roles call this method, what may this purpose read, who may read this field.

A policy compares by identity: two loads of the same file are two policies, which lets a decision be remembered per
policy without hashing it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Final

from vault.domain.audience import Audience, Custody, Purpose
from vault.domain.fields import ALL_FIELDS
from vault.policy.limits import NO_TABLES, Limits
from vault.policy.retention import Retention
from vault.policy.traffic import SHIPPED, TrafficRule

EVERYONE: Final = "everyone"
"""Stands in the method table for every role of the policy."""

_NONE: Final[frozenset[str]] = frozenset()


class Condition(Enum):
    """What must hold, besides the policy, for a purpose to be served."""

    NONE = ""
    CONSENT = "consent"
    OBJECTION = "objection"
    ORDER = "order"
    OWN_VISITOR = "own_visitor"
    AGGREGATES = "aggregates"


@dataclass(frozen=True, slots=True)
class RoleRule:
    """What a caller is."""

    role: str
    about: str
    """One sentence for people."""


@dataclass(frozen=True, slots=True)
class PurposeRule:
    """A reason to read."""

    purpose: Purpose
    custody: Custody
    roles: frozenset[str]
    condition: Condition
    clause: str


@dataclass(frozen=True, slots=True)
class FieldRule:
    """Who may read a field."""

    field: str
    """Policy name, `payment.card_number`."""
    audience: Audience
    members: frozenset[Purpose]
    """The purposes of the audience."""
    caller_only: bool
    clause: str


@dataclass(frozen=True, slots=True)
class MethodRule:
    """Who may call a method."""

    method: str
    """`PaymentService.GetCard`."""
    roles: frozenset[str]
    clause: str


@dataclass(frozen=True, slots=True)
class KeyRule:
    """The pinned keys of a purpose in custody of its caller; each is a fingerprint, 32 bytes."""

    current: bytes
    next: bytes | None
    recovery: bytes | None
    """The recovery recipient; None if the policy says that there is none."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls: the SPIFFE ID of its certificate, and the roles that the policy gives it (maybe none)."""

    spiffe_id: str
    roles: frozenset[str]


@dataclass(frozen=True, slots=True, eq=False)
class Policy:
    """The policy in force. Mappings are in the order of the file."""

    roles: Mapping[str, RoleRule]
    purposes: Mapping[Purpose, PurposeRule]
    fields: Mapping[str, FieldRule]
    methods: Mapping[str, MethodRule]
    retention: Retention
    callers: Mapping[str, Caller]
    keys: Mapping[Purpose, KeyRule]
    digest: bytes
    """SHA-256 of the file, 32 bytes."""
    limits: Limits = NO_TABLES
    traffic: TrafficRule = SHIPPED
    mail_on_erasure: str = "deliver"
    """`deliver` or `bounce`: what becomes of mail that waits when its customer is to be erased."""
    order_form: frozenset[str] = frozenset()
    """The fields that the order form requires; no other is kept."""

    _readable: Mapping[str, frozenset[str]] = field(init=False, repr=False)
    _purposes: Mapping[str, frozenset[Purpose]] = field(init=False, repr=False)
    _categories: Mapping[str, tuple[str, ...]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Make the tables."""
        readable = {p: frozenset(f.field for f in self.fields.values() if p in f.members) for p in self.purposes}
        purposes = {r: frozenset(p.purpose for p in self.purposes.values() if r in p.roles) for r in self.roles}
        categories: dict[str, tuple[str, ...]] = {}
        for name in ALL_FIELDS:
            category = name.partition(".")[0]
            categories[category] = (*categories.get(category, ()), name)
        object.__setattr__(self, "_readable", MappingProxyType(readable))
        object.__setattr__(self, "_purposes", MappingProxyType(purposes))
        object.__setattr__(self, "_categories", MappingProxyType(categories))

    def caller(self, spiffe_id: str) -> Caller:
        """The caller with this SPIFFE ID; one whom the policy does not name has no roles."""
        return self.callers.get(spiffe_id) or Caller(spiffe_id, _NONE)

    def roles_of(self, spiffe_id: str) -> frozenset[str]:
        """The roles of a caller; empty if the policy does not name it."""
        caller = self.callers.get(spiffe_id)
        return _NONE if caller is None else caller.roles

    def may_call(self, method: str, roles: frozenset[str]) -> bool:
        """Whether one of the roles may call `PaymentService.GetCard`."""
        rule = self.methods.get(method)
        return rule is not None and not rule.roles.isdisjoint(roles)

    def purposes_of(self, roles: Iterable[str]) -> frozenset[Purpose]:
        """The purposes that these roles may name."""
        return frozenset[Purpose]().union(*(self._purposes.get(role, frozenset()) for role in roles))

    def audience(self, name: str) -> Audience:
        """The audience of a field by its policy name; the one that new values are sealed for.

        Raises:
            KeyError: the API has no such field; names come from its descriptors, never from a request.
        """
        return self.fields[name].audience

    def readable(self, purpose: str) -> frozenset[str]:
        """The policy names of all fields that a purpose may read."""
        return self._readable.get(purpose, _NONE)

    def of_category(self, category: str) -> tuple[str, ...]:
        """The policy names of all protected fields of `payment`, in the order of the API; empty if unknown."""
        return self._categories.get(category, ())
