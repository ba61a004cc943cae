"""The rules of who may read what, written a second time from the design and from policy.toml itself.

Nothing of `vault.policy` is used: the file is read with tomllib, and the rules below are those of the design's text. So
a mistake in the code that decides does not excuse itself here.
"""

import tomllib
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from google.protobuf.descriptor import Descriptor

from vault.v1 import options_pb2, records_pb2
from vault.v1 import status_pb2 as status

DENIED_TEXT = "the policy does not allow this, or it is not there"


class Kind(Enum):
    """How a call, or an item of a batch, must end."""

    READ = "read"
    DENIED = "denied"
    MISSING = "missing"
    """NOT_FOUND, for a purpose without a condition."""
    INVALID = "invalid"


@dataclass(frozen=True, slots=True)
class Expected:
    """What must come of one cell."""

    kind: Kind
    reason: "status.Reason.ValueType" = status.REASON_UNSPECIFIED
    fields: frozenset[str] = frozenset()
    """Names in the message; of a READ."""
    sealed: bool = False
    """Whether they must come as envelopes."""
    clause: str = ""


@dataclass(frozen=True, slots=True)
class Subject:
    """A customer, as far as decisions go."""

    customer_id: str
    known: bool = True
    consents: frozenset[str] = frozenset()
    objections: frozenset[str] = frozenset()
    restricted: bool = False


INVALID = Expected(Kind.INVALID, status.REASON_INVALID_FIELD)


def protected() -> dict[str, tuple[str, ...]]:
    """Category to names of protected fields, from the API's descriptors."""
    found: dict[str, tuple[str, ...]] = {}
    for message in records_pb2.DESCRIPTOR.message_types_by_name.values():
        category = message.GetOptions().Extensions[options_pb2.category]
        names = _protected(message)
        if names:
            found[category] = (*found.get(category, ()), *names)
    return found


def _protected(message: Descriptor) -> tuple[str, ...]:
    return tuple(f.name for f in message.fields if f.GetOptions().Extensions[options_pb2.protected])


@dataclass(slots=True)
class Oracle:
    """The tables of one policy.toml."""

    path: Path
    tables: dict[str, Any] = field(init=False)
    categories: dict[str, tuple[str, ...]] = field(init=False)

    def __post_init__(self) -> None:
        """Read the file."""
        self.tables = tomllib.loads(self.path.read_text())
        self.categories = protected()

    def roles(self, caller: str) -> set[str]:
        """Of a SPIFFE ID."""
        return set(self.tables["callers"].get(caller, {}).get("roles", ()))

    def purposes(self, roles: set[str]) -> set[str]:
        """Those that one of the roles may name."""
        return {name for name, rule in self.tables["purposes"].items() if roles & set(rule["roles"])}

    def call(self, caller: str, method: str) -> Expected | None:
        """Roles decide methods: the refusal, or None."""
        service, _, name = method.partition(".")
        table = self.tables["methods"][service]
        roles = self.roles(caller)
        allowed = roles & set(table[name]) or ("everyone" in table[name] and roles)
        if allowed:
            return None
        return Expected(Kind.DENIED, status.REASON_METHOD_NOT_ALLOWED, clause=table["clause"])

    def named(self, caller: str, purpose: str) -> Expected | str:
        """The purpose that a read is for: the one named, or the only one that the caller has."""
        own = self.purposes(self.roles(caller))
        if not purpose:
            if len(own) > 1:
                return INVALID
            return next(iter(own), Expected(Kind.DENIED, status.REASON_PURPOSE_NOT_ALLOWED))
        if purpose in own:
            return purpose
        rule = self.tables["purposes"].get(purpose, {"clause": ""})
        return Expected(Kind.DENIED, status.REASON_PURPOSE_NOT_ALLOWED, clause=rule["clause"])

    def read(self, caller: str, category: str, mask: tuple[str, ...], purpose: str, subject: Subject) -> Expected:
        """Purposes decide fields: a read of one record, by a caller who may call the method."""
        named = self.named(caller, purpose)
        if isinstance(named, Expected):
            return named
        wanted = mask or self.categories[category]
        if not set(wanted) <= set(self.categories[category]):
            return INVALID
        readable = {name for name in wanted if named in self._field(category, name)["audience"]}
        if not readable or (mask and readable != set(mask)):
            refused = next(name for name in wanted if name not in readable)
            clause = self._field(category, refused)["clause"]
            return Expected(Kind.DENIED, status.REASON_FIELD_NOT_ALLOWED, clause=clause)
        return self._of_customer(named, subject, frozenset(readable))

    def listing(self, caller: str, category: str, mask: tuple[str, ...], purpose: str, subject: Subject) -> Expected:
        """As `read`, for a method that gives names and times to callers without the purpose."""
        own = self.purposes(self.roles(caller))
        audiences = [set(self._field(category, name)["audience"]) for name in self.categories[category]]
        if not mask and not purpose and not any(own & audience for audience in audiences):
            return self._of_customer("", subject, frozenset())
        if not mask and purpose in own and not any(purpose in audience for audience in audiences):
            return self._of_customer(purpose, subject, frozenset())
        return self.read(caller, category, mask, purpose, subject)

    def _field(self, category: str, name: str) -> dict[str, Any]:
        rule: dict[str, Any] = self.tables["fields"][f"{category}.{name}"]
        return rule

    def _of_customer(self, purpose: str, subject: Subject, readable: frozenset[str]) -> Expected:
        """What depends on the customer: one reason for all of it, and one kind per purpose."""
        rule = self.tables["purposes"].get(purpose, {})
        condition = rule.get("condition", "")
        holds = {
            "": True,
            "consent": purpose in subject.consents,
            "objection": purpose not in subject.objections,
        }.get(condition, False)  # nobody has an order yet; a visitor's cookie and aggregates are no customer's
        if subject.known and holds and (not subject.restricted or condition == "order"):
            return Expected(Kind.READ, fields=readable, sealed=rule.get("custody") == "caller")
        kind = Kind.DENIED if condition else Kind.MISSING
        return Expected(kind, status.REASON_CUSTOMER_NOT_AVAILABLE)
