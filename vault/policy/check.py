"""What must be true of a policy before the vault starts under it.

A policy is refused as a whole, for one reason at a time, by the path of the line to change. Each function below is one
part of the file, read top to bottom; a part may rely on those above it. Two kinds of mistakes are looked for: gaps,
where something that exists has no rule, and contradictions, where a rule promises what another one breaks; those that
take a look at several parts at once come last, from `contradictions`.

Raises only `ConfigError`.
"""

import re
from collections.abc import Sequence
from fractions import Fraction
from typing import Final, NoReturn

from vault.domain import audience, order_form
from vault.domain.fields import ALL_FIELDS
from vault.errors import ConfigError, InvalidArgument
from vault.policy import contradictions, methods
from vault.policy.contradictions import Refuse
from vault.policy.model import EVERYONE
from vault.policy.retention import KINDS, Retention, duration
from vault.policy.shape import File, KeyTable, PurposeTable, path
from vault.policy.traffic import MOST_EPSILON

_ROLE: Final = re.compile(r"[a-z][a-z0-9_]{0,62}", re.ASCII)
_FINGERPRINT: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
_DECIMAL: Final = re.compile(r"[0-9]{1,2}(\.[0-9]{1,3})?", re.ASCII)
_MAX_SPIFFE_ID: Final = 2048
# A caller's name, as the certificate's reader takes it: no normalisation, so no second spelling of one identity.
# (SPIFFE ID section 2: a trust domain, then segments that are neither empty nor `.` nor `..`.)
_SPIFFE_ID: Final = re.compile(r"spiffe://[a-z0-9._-]{1,255}(/(?!\.{1,2}(/|\Z))[a-zA-Z0-9._-]+)+", re.ASCII)

NO_RECOVERY: Final = "none"


def check(policy: File, file: str, *, require_keys: bool) -> None:
    """Refuse a policy that has a gap or contradicts itself.

    Args:
        policy: the tables of the file.
        file: its name, for errors.
        require_keys: whether each purpose in custody of its caller must pin its key; so at the start of a server.

    Raises:
        ConfigError: the first thing that is wrong.
    """

    def refuse(key: str, why: str) -> NoReturn:
        raise ConfigError(file, key, why)

    _roles(policy, refuse)
    _purposes(policy, refuse)
    _fields(policy, refuse)
    _methods(policy, refuse)
    _callers(policy, refuse)
    _keys(policy, refuse, require_keys=require_keys)
    _limits(policy, refuse)
    retention(policy, file)
    contradictions.check(policy, refuse)
    _traffic(policy, refuse)
    _order_form(policy, refuse)


def _roles(policy: File, refuse: Refuse) -> None:
    for role in policy.roles:
        if role == EVERYONE:
            refuse(path("roles", role), "is a word of the method table, for every role; choose another name")
        if not _ROLE.fullmatch(role):
            refuse(path("roles", role), "must be a role: a-z, then up to 62 of a-z 0-9 _")


def _purposes(policy: File, refuse: Refuse) -> None:
    for name, rule in policy.purposes.items():
        key = path("purposes", name)
        try:
            audience.purpose(name, key)
        except InvalidArgument as error:
            refuse(key, error.rule)
        if not rule.roles:
            refuse(f"{key}.roles", "is empty, so the purpose has no caller; name a role, or remove the purpose")
        _known_roles(policy, rule.roles, f"{key}.roles", refuse)
        _custody_and_condition_agree(rule, key, refuse)


def _custody_and_condition_agree(rule: PurposeTable, key: str, refuse: Refuse) -> None:
    """Aggregates are what is left when nobody has a key; neither makes sense without the other."""
    if rule.custody == "none" and rule.condition != "aggregates":
        refuse(f"{key}.condition", 'must be "aggregates" when custody is "none": without a key no field can be read')
    if rule.custody != "none" and rule.condition == "aggregates":
        refuse(f"{key}.custody", 'must be "none" when the condition is "aggregates": counts need no key')


def _fields(policy: File, refuse: Refuse) -> None:
    for name in ALL_FIELDS:
        if name not in policy.fields:
            refuse(path("fields", name), "is missing: the API protects this field; say who may read it")
    for name, rule in policy.fields.items():
        key = path("fields", name)
        if name not in ALL_FIELDS:
            refuse(key, "is no protected field of the API; remove it, or correct its spelling")
        _audience(policy, rule.audience, f"{key}.audience", refuse)
        for i, purpose in enumerate(rule.audience):
            if rule.caller_only and policy.purposes[purpose].custody == "vault":
                refuse(f"{key}.audience[{i}]", "is in custody of the vault, but the field is caller_only; drop one")


def _audience(policy: File, purposes: Sequence[str], key: str, refuse: Refuse) -> None:
    if not purposes:
        refuse(key, "is empty, so what is written could never be read; name a purpose")
    _distinct(purposes, key, refuse)
    for i, purpose in enumerate(purposes):
        if purpose not in policy.purposes:
            refuse(f"{key}[{i}]", "is an unknown purpose; add it under [purposes], or correct its spelling")
        if policy.purposes[purpose].custody == "none":
            refuse(f"{key}[{i}]", 'has custody "none": it may see counts, never a field; remove it')


def _methods(policy: File, refuse: Refuse) -> None:
    served = methods.served()
    listed = set()
    for service, table in policy.methods.items():
        for name, roles in table.methods.items():
            key = path("methods", service, name)
            method = f"{service}.{name}"
            if method not in served | methods.PLANNED:
                refuse(key, "is no method of the API; remove it, or correct its spelling")
            if not roles and method in served:
                refuse(key, "is empty, so nobody could call the method; name a role")
            _distinct(roles, key, refuse)
            if EVERYONE in roles and len(roles) > 1:
                refuse(key, f'names "{EVERYONE}" and others; keep one of them')
            _known_roles(policy, [r for r in roles if r != EVERYONE], key, refuse)
            listed.add(method)
    for method in sorted(served - listed):
        refuse(path("methods", *method.split(".")), "is missing: the vault serves this method; say who may call it")
    _no_role_is_idle(policy, refuse)


def _no_role_is_idle(policy: File, refuse: Refuse) -> None:
    busy = {role for table in policy.methods.values() for roles in table.methods.values() for role in roles}
    for role in policy.roles:
        if role not in busy:
            refuse(path("roles", role), "has no method of its own under [methods]; give it one, or remove the role")


def _callers(policy: File, refuse: Refuse) -> None:
    for name, rule in policy.callers.items():
        key = path("callers", name)
        if len(name) > _MAX_SPIFFE_ID or not _SPIFFE_ID.fullmatch(name):
            refuse(key, "must be a SPIFFE ID with a path, as spiffe://vault.example/billing")
        if not rule.roles:
            refuse(f"{key}.roles", "is empty; name a role, or remove the caller")
        _known_roles(policy, rule.roles, f"{key}.roles", refuse)


def _limits(policy: File, refuse: Refuse) -> None:
    """A limit of somebody who does not exist is one that somebody else was meant to have."""
    for role in policy.limits.roles:
        if role not in policy.roles:
            refuse(path("limits", "roles", role), "is an unknown role; add it under [roles], or correct its spelling")
    for name in policy.limits.callers:
        if name not in policy.callers:
            refuse(path("limits", "callers", name), "is no caller of this policy; add it under [callers], or remove it")


def retention(policy: File, file: str) -> Retention:
    """The durations of `[retention]`.

    Raises:
        ConfigError: one is none.
    """
    lines = policy.retention.model_dump()
    return Retention(**{kind: duration(lines[kind], file, path("retention", kind)) for kind in KINDS})


def _order_form(policy: File, refuse: Refuse) -> None:
    form = policy.order_form.fields if policy.order_form else []
    _distinct(form, "order_form.fields", refuse)
    for i, name in enumerate(form):
        key = f"order_form.fields[{i}]"
        if not order_form.is_name(name):
            refuse(key, "must be a field's name: a-z, then up to 62 of a-z 0-9 _")
        if order_form.pays(name):
            refuse(key, "is about payment, which the order form must not keep; cards have records of their own")


def _traffic(policy: File, refuse: Refuse) -> None:
    if policy.traffic is None:
        return
    _known_roles(policy, policy.traffic.exact, "traffic.exact", refuse)
    for i, role in enumerate(policy.traffic.exact):
        if not any(rule.custody == "none" and role in rule.roles for rule in policy.purposes.values()):
            refuse(f"traffic.exact[{i}]", 'has no purpose of custody "none", so it asks for no counts; remove it')
    epsilon = policy.traffic.epsilon
    if not (_DECIMAL.fullmatch(epsilon) and 0 < Fraction(epsilon) <= MOST_EPSILON):
        refuse(
            "traffic.epsilon",
            f'must be a decimal in quotes, as "0.5", above 0 and at most {MOST_EPSILON}: more hides nothing',
        )


def _keys(policy: File, refuse: Refuse, *, require_keys: bool) -> None:
    seen: dict[str, str] = {}
    for name, keys in policy.keys.items():
        key = path("keys", name)
        if name not in policy.purposes:
            refuse(key, "is an unknown purpose; remove it, or correct its spelling")
        if policy.purposes[name].custody != "caller":
            refuse(key, "is not in custody of a caller, so there is no key to pin; remove the table")
        _fingerprints(keys, key, seen, refuse)
    for name, rule in policy.purposes.items():
        if require_keys and rule.custody == "caller" and name not in policy.keys:
            refuse(path("keys", name), "is missing: only the caller can open this purpose; pin its key's fingerprint")


def _fingerprints(keys: KeyTable, key: str, seen: dict[str, str], refuse: Refuse) -> None:
    """Each key has one use: a second one would let its holder open what was sealed for the first."""
    for use, fingerprint in (("current", keys.current), ("next", keys.next), ("recovery", keys.recovery)):
        if fingerprint is None or (use == "recovery" and fingerprint == NO_RECOVERY):
            continue
        if not _FINGERPRINT.fullmatch(fingerprint):
            refuse(f"{key}.{use}", "must be a fingerprint: 64 digits of 0-9 a-f")
        if fingerprint in seen:
            refuse(f"{key}.{use}", f"is the same key as {seen[fingerprint]}; each needs one of its own")
        seen[fingerprint] = f"{key}.{use}"


def _known_roles(policy: File, roles: Sequence[str], key: str, refuse: Refuse) -> None:
    _distinct(roles, key, refuse)
    for i, role in enumerate(roles):
        if role not in policy.roles:
            refuse(f"{key}[{i}]", "is an unknown role; add it under [roles], or correct its spelling")


def _distinct(values: Sequence[str], key: str, refuse: Refuse) -> None:
    for i, value in enumerate(values):
        if value in values[:i]:
            refuse(f"{key}[{i}]", "stands there twice; remove one")
