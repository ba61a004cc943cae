"""Everybody who may read anything: the policy multiplied out, a row for each role, purpose and field.

What is not a row is denied. The rows follow the file, so that a change of the file is a change at the same place here.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from vault.domain.audience import Custody
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


def rows(policy: Policy) -> Iterator[Row]:
    """All that the policy allows, by role, then purpose, then field."""
    for role in policy.roles:
        for rule in policy.purposes.values():
            if role not in rule.roles:
                continue
            readable = policy.readable(rule.purpose)
            for field in [f for f in policy.fields if f in readable] or [""]:
                yield Row(role, rule.purpose, field, rule.condition, rule.custody, rule.clause)
