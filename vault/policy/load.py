"""A policy file becomes a `Policy`, or the vault does not start.

(1) `shape` reads the tables, (2) `check` refuses gaps and contradictions, (3) what is left is turned into rules, which
cannot fail any more. Nothing is defaulted in between: what the policy says is what stands in the file, and its digest
is that of the file's bytes, so that an auditor can name the very text that was in force.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final, TypeVar

from vault.domain.audience import Custody, Purpose, audience_of
from vault.errors import ConfigError
from vault.policy import limits, shape
from vault.policy.check import NO_RECOVERY, check, retention
from vault.policy.limits import Limits, completed
from vault.policy.model import (
    EVERYONE,
    Caller,
    Condition,
    FieldRule,
    KeyRule,
    MethodRule,
    Policy,
    PurposeRule,
    RoleRule,
)
from vault.policy.traffic import SHIPPED, TrafficRule

DEFAULT: Final = Path(__file__).with_name("default.toml")
"""The policy that is shipped; it names no caller and no key."""

_K = TypeVar("_K")
_V = TypeVar("_V")


def load(path: Path, *, require_keys: bool = False) -> Policy:
    """Read a policy file.

    Args:
        path: the file, TOML in UTF-8.
        require_keys: refuse if a purpose in custody of its caller pins no key; a server does.

    Raises:
        ConfigError: the file cannot be read, or is refused: which key, why, and what to do.
    """
    try:
        text = path.read_bytes().decode()
    except OSError as error:
        raise ConfigError(str(path), "", f"cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(str(path), "", "is not UTF-8 text") from None
    return parse(text, str(path), require_keys=require_keys)


def parse(text: str, file: str, *, require_keys: bool = False) -> Policy:
    """Read the text of a policy; `file` is only named in errors. Raises as `load`."""
    tables = shape.read(text, file)
    check(tables, file, require_keys=require_keys)
    return Policy(
        roles=_frozen({role: RoleRule(role, about) for role, about in tables.roles.items()}),
        purposes=_frozen({Purpose(name): _purpose(name, table) for name, table in tables.purposes.items()}),
        fields=_frozen({name: _field(name, table) for name, table in tables.fields.items()}),
        methods=_frozen(_methods(tables)),
        retention=retention(tables, file),
        callers=_frozen({name: Caller(name, frozenset(table.roles)) for name, table in tables.callers.items()}),
        keys=_frozen({Purpose(name): _key(table) for name, table in tables.keys.items()}),
        limits=_limits(tables.limits),
        traffic=_traffic(tables.traffic),
        mail_on_erasure=tables.mail.on_erasure,
        order_form=frozenset(tables.order_form.fields if tables.order_form else ()),
        digest=hashlib.sha256(text.encode()).digest(),
    )


def _purpose(name: str, table: shape.PurposeTable) -> PurposeRule:
    return PurposeRule(
        purpose=Purpose(name),
        custody=Custody(table.custody),
        roles=frozenset(table.roles),
        condition=Condition(table.condition or ""),
        clause=table.clause,
    )


def _field(name: str, table: shape.FieldTable) -> FieldRule:
    return FieldRule(
        field=name,
        audience=audience_of(table.audience),
        members=frozenset(Purpose(p) for p in table.audience),
        caller_only=table.caller_only,
        clause=table.clause,
    )


def _methods(tables: shape.File) -> dict[str, MethodRule]:
    everyone = frozenset(tables.roles)
    return {
        f"{service}.{name}": MethodRule(
            method=f"{service}.{name}",
            roles=everyone if EVERYONE in roles else frozenset(roles),
            clause=table.clause,
        )
        for service, table in tables.methods.items()
        for name, roles in table.methods.items()
    }


def _key(table: shape.KeyTable) -> KeyRule:
    recovery = table.recovery if table.recovery != NO_RECOVERY else None
    return KeyRule(
        current=bytes.fromhex(table.current),
        next=bytes.fromhex(table.next) if table.next else None,
        recovery=bytes.fromhex(recovery) if recovery else None,
    )


def _limits(tables: shape.LimitsTable) -> Limits:
    return Limits(
        default=completed(tables.default.given, limits.DEFAULT),
        unknown=completed(tables.unknown.given, limits.STRANGER),
        roles=_frozen({role: table.given for role, table in tables.roles.items()}),
        callers=_frozen({name: table.given for name, table in tables.callers.items()}),
    )


def _traffic(table: shape.TrafficTable | None) -> TrafficRule:
    if table is None:
        return SHIPPED
    return TrafficRule(frozenset(table.exact), table.k, table.epsilon, table.names_per_hour)


def _frozen(rules: dict[_K, _V]) -> Mapping[_K, _V]:
    return MappingProxyType(rules)
