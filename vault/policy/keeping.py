"""How long a field is kept, in words: what the policy's `[retention]` says, or until somebody has it destroyed.

Everything ends with its customer: an erasure destroys all keys of the owner, whatever is said here. So a field without
a period is not kept "for ever" but until it is deleted, or its customer is erased.
"""

from collections.abc import Sequence
from typing import Final

from vault.policy.model import Policy

UNTIL_DELETED: Final = "until deleted or erased"
ENDS: Final = {
    "account.log_entries": "customer_logs",
    "order.form": "order_forms",
    "site": "preferences",
    "mail": "messages",
}
"""Lines of `[retention]` by field or category."""


def kept(policy: Policy, field: str) -> str:
    """How long one field is kept, for a table.

    Args:
        policy: the policy.
        field: its policy name.
    """
    line = ENDS.get(field) or ENDS.get(field.partition(".")[0])
    if line is None:
        return UNTIL_DELETED
    period: str = getattr(policy.retention, line).text
    # A form that is sent becomes an order, which is the customer's and stays with it.
    return f"{period}, or with the order" if line == "order_forms" else period


def kept_all(policy: Policy, fields: Sequence[str]) -> str:
    """How long several fields are kept: one period, or each with the fields that it is for."""
    periods: dict[str, list[str]] = {}
    for field in fields:
        periods.setdefault(kept(policy, field), []).append(field)
    if len(periods) == 1:
        return next(iter(periods))
    if UNTIL_DELETED in periods:
        del periods[UNTIL_DELETED]
        own = "; ".join(f"{', '.join(names)} {period}" for period, names in periods.items())
        return f"{UNTIL_DELETED}; {own}"
    return "; ".join(f"{', '.join(names)}: {period}" for period, names in periods.items())
