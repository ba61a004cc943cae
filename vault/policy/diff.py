"""What a change of the policy would change, in words, and whether it widens a promise.

A promise is widened when more may happen than before: somebody reads more, under fewer conditions, for longer, faster,
or with a key that somebody else holds. That is judged rule by rule, and when in doubt as wider: a condition that was
replaced by another is one that no longer holds, and no program can weigh consent against an order. The words of a
clause are not judged at all; that they changed is said, because they are what customers were told.

Two files that differ in comments and order only are the same policy.
"""

from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

from vault.domain.audience import Custody
from vault.policy.limits import NAMES
from vault.policy.model import Condition, FieldRule, Policy, PurposeRule
from vault.policy.retention import KINDS, Duration

_STRICTER: Final = frozenset(
    {
        (Condition.NONE, Condition.OBJECTION),
        (Condition.NONE, Condition.CONSENT),
        (Condition.NONE, Condition.ORDER),
        (Condition.NONE, Condition.OWN_VISITOR),
        (Condition.OBJECTION, Condition.CONSENT),
    }
)
"""Changes of a condition that let nobody through who was held back before."""
_DAYS_OF_A_MONTH: Final = 31
_DAY_MS: Final = 86_400_000


@dataclass(frozen=True, slots=True)
class Change:
    """One difference."""

    text: str
    """A sentence."""
    widens: bool
    """Whether more may happen than before."""


def changes(old: Policy, new: Policy) -> list[Change]:
    """All differences between two policies, in the order of the file."""
    return [
        *_named("role", old.roles, new.roles),
        *_purposes(old, new),
        *_fields(old, new),
        *_methods(old, new),
        *_retention(old, new),
        *_traffic(old, new),
        *_limits(old, new),
        *_callers(old, new),
        *_keys(old, new),
    ]


def _named(what: str, old: Iterable[str], new: Iterable[str]) -> Iterator[Change]:
    before, after = set(old), set(new)
    for name in new:
        if name not in before:
            # What it may do is said where it may: by itself a name lets nobody in.
            yield Change(f"There is a new {what}, {name}.", widens=False)
    for name in old:
        if name not in after:
            yield Change(f"There is no {what} {name} any more.", widens=False)


def _members(sentence: str, old: AbstractSet[str], new: AbstractSet[str]) -> Iterator[Change]:
    """Who was added and who was removed; `sentence` has places for whom and for `now` or `no longer`."""
    for name in sorted(new - old):
        yield Change(sentence.format(name, "may now"), widens=True)
    for name in sorted(old - new):
        yield Change(sentence.format(name, "may no longer"), widens=False)


def _purposes(old: Policy, new: Policy) -> Iterator[Change]:
    yield from _named("purpose", old.purposes, new.purposes)
    for name, after in new.purposes.items():
        before = old.purposes.get(name)
        fields = ", ".join(sorted(new.readable(name))) or "counts"
        yield from _members(
            f"{{}} {{}} read for {name}: {fields}.", before.roles if before else frozenset(), after.roles
        )
        if before:
            yield from _purpose(name, before, after)


def _purpose(name: str, before: PurposeRule, after: PurposeRule) -> Iterator[Change]:
    if before.condition is not after.condition:
        was, is_ = before.condition.value or "none", after.condition.value or "none"
        stricter = (before.condition, after.condition) in _STRICTER
        yield Change(f"The condition of {name} was {was} and is now {is_}.", widens=not stricter)
    if before.custody is not after.custody:
        holders = f"was held by the {before.custody.value} and is now held by the {after.custody.value}"
        yield Change(f"The key of {name} {holders}.", widens=after.custody is Custody.VAULT)
    yield from _clause(f"the purpose {name}", before.clause, after.clause)


def _clause(of: str, before: str, after: str) -> Iterator[Change]:
    if before.split() != after.split():
        yield Change(f'The clause of {of} now says "{after}"; it said "{before}".', widens=False)


def _fields(old: Policy, new: Policy) -> Iterator[Change]:
    yield from _named("field", old.fields, new.fields)
    for name, after in new.fields.items():
        before = old.fields.get(name)
        yield from _members(
            f"{name} {{1}} be read for {{0}}.", before.members if before else frozenset(), after.members
        )
        if before:
            yield from _field(name, before, after)


def _field(name: str, before: FieldRule, after: FieldRule) -> Iterator[Change]:
    if before.caller_only and not after.caller_only:
        yield Change(f"{name} may now be sealed for purposes whose key the vault holds.", widens=True)
    if after.caller_only and not before.caller_only:
        yield Change(f"{name} may no longer be sealed for purposes whose key the vault holds.", widens=False)
    yield from _clause(f"the field {name}", before.clause, after.clause)


def _methods(old: Policy, new: Policy) -> Iterator[Change]:
    for name in dict.fromkeys([*old.methods, *new.methods]):
        before, after = old.methods.get(name), new.methods.get(name)
        yield from _members(
            f"{{}} {{}} call {name}.", before.roles if before else frozenset(), after.roles if after else frozenset()
        )
        if before and after:
            yield from _clause(f"the method {name}", before.clause, after.clause)


def _retention(old: Policy, new: Policy) -> Iterator[Change]:
    for kind in KINDS:
        before, after = getattr(old.retention, kind), getattr(new.retention, kind)
        if _length(before) != _length(after):
            longer = _length(after) > _length(before)
            yield Change(f"{kind} were kept for {before.text} and are now kept for {after.text}.", widens=longer)


def _length(duration: Duration) -> int:
    """For comparing only: a month counts as its longest."""
    return duration.months * _DAYS_OF_A_MONTH * _DAY_MS + duration.milliseconds


def _traffic(old: Policy, new: Policy) -> Iterator[Change]:
    """Smaller groups and less noise say more of single visitors."""
    before, after = old.traffic, new.traffic
    yield from _members("{} {} see exact counts of the web site's visits.", before.exact, after.exact)
    for name, was, is_, more in (
        ("smallest group (k)", before.k, after.k, after.k < before.k),
        ("privacy budget (epsilon)", before.epsilon, after.epsilon, after.epsilon > before.epsilon),
        ("names per hour", before.names_per_hour, after.names_per_hour, after.names_per_hour > before.names_per_hour),
    ):
        if was != is_:
            yield Change(f"Of traffic reports, the {name} was {float(was):g} and is now {float(is_):g}.", widens=more)


def _limits(old: Policy, new: Policy) -> Iterator[Change]:
    before, after = _all_limits(old), _all_limits(new)
    for who in dict.fromkeys([*before, *after]):
        # A role or caller without numbers of its own had, or will have, the more general ones.
        was, is_ = before.get(who) or _general(old, who), after.get(who) or _general(new, who)
        for name in NAMES:
            if was[name] != is_[name]:
                said = f"The limit of {who}, {name.replace('_', ' ')}: was {was[name]:g}, is {is_[name]:g}."
                yield Change(said, widens=is_[name] > was[name])


def _all_limits(policy: Policy) -> dict[str, Mapping[str, float]]:
    limits = policy.limits
    found: dict[str, Mapping[str, float]] = {
        "any caller": {name: getattr(limits.default, name) for name in NAMES},
        "all unknown certificates": {name: getattr(limits.unknown, name) for name in NAMES},
    }
    for role in limits.roles:
        found[f"the role {role}"] = _general(policy, f"the role {role}")
    for caller in limits.callers:
        found[caller] = _general(policy, caller)
    return found


def _general(policy: Policy, who: str) -> Mapping[str, float]:
    role = who.removeprefix("the role ")
    limit = policy.limits.of("" if role != who else who, frozenset({role}) if role != who else policy.roles_of(who))
    return {name: getattr(limit, name) for name in NAMES}


def _callers(old: Policy, new: Policy) -> Iterator[Change]:
    for name in dict.fromkeys([*old.callers, *new.callers]):
        for change in _members("{0}", old.roles_of(name), new.roles_of(name)):
            verb = "has now" if change.widens else "has no longer"
            yield Change(f"{name} {verb} the role {change.text}.", change.widens)


def _keys(old: Policy, new: Policy) -> Iterator[Change]:
    """A key is who can read: another one is another reader, but for the one that was announced as the next."""
    for purpose in dict.fromkeys([*old.keys, *new.keys]):
        before, after = old.keys.get(purpose), new.keys.get(purpose)
        for use in ("current", "next", "recovery"):
            was, is_ = getattr(before, use, None), getattr(after, use, None)
            if was == is_:
                continue
            if is_ is None:
                yield Change(f"The {use} key of {purpose} is no longer pinned.", widens=False)
                continue
            known = {before.current, before.next, before.recovery} if before else set()
            pinned = f"The {use} key of {purpose} is now {is_.hex()[:16]}…"
            yield Change(f"{pinned}, which {'was' if is_ in known else 'was not'} pinned before.", is_ not in known)
