"""Everybody who may read anything: the policy multiplied out, a row for each role, purpose and field.

What is not a row is denied. The rows follow the file, so that a change of the file is a change at the same place here.
For people the same is said in `grants`: one for each role and purpose, with its fields in a few words.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from vault.domain.audience import Custody
from vault.policy.keeping import kept, kept_all
from vault.policy.model import Condition, Policy


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that the policy allows."""

    role: str
    purpose: str
    field: str
    """Empty for a purpose that sees counts only."""
    condition: Condition
    custody: Custody
    clause: str
    kept: str
    """How long the field is kept, or the counts."""


@dataclass(frozen=True, slots=True)
class Grant:
    """All that one role may read for one purpose."""

    role: str
    purpose: str
    fields: tuple[str, ...]
    """Empty for a purpose that sees counts only."""
    words: str
    """The same for people: `contact.* but phone`."""
    condition: Condition
    custody: Custody
    clause: str
    kept: str


def rows(policy: Policy) -> Iterator[Row]:
    """All that the policy allows, by role, then purpose, then field."""
    for grant in grants(policy):
        for field in grant.fields or ("",):
            period = kept(policy, field) if field else grant.kept
            yield Row(grant.role, grant.purpose, field, grant.condition, grant.custody, grant.clause, period)


def grants(policy: Policy) -> Iterator[Grant]:
    """The same by role and purpose."""
    for role in policy.roles:
        for rule in policy.purposes.values():
            if role not in rule.roles:
                continue
            readable = policy.readable(rule.purpose)
            fields = tuple(f for f in policy.fields if f in readable)
            period = kept_all(policy, fields) if fields else _counts_kept(policy, rule.condition)
            words = in_words(policy, fields) or "(counts only)"
            yield Grant(role, rule.purpose, fields, words, rule.condition, rule.custody, rule.clause, period)


def _counts_kept(policy: Policy, condition: Condition) -> str:
    return policy.retention.visits.text if condition is Condition.AGGREGATES else ""


def in_words(policy: Policy, fields: Sequence[str]) -> str:
    """A few words for many fields: `contact.*` for all of a category, `contact.* but phone` where one is missing."""
    words = []
    for category in dict.fromkeys(field.partition(".")[0] for field in fields):
        everything = policy.of_category(category)
        there = [name.partition(".")[2] for name in everything if name in fields]
        missing = [name.partition(".")[2] for name in everything if name not in fields]
        if len(missing) < len(there):
            words.append(f"{category}.*" + (f" but {', '.join(missing)}" if missing else ""))
        else:
            words += [f"{category}.{name}" for name in there]
    return "; ".join(words)
