"""Why may a caller read a field, or why not: the decision in words, for people.

It asks `permit`, the very function that decides, and puts its answer into a sentence; so an explanation cannot differ
from what happens. It explains the policy alone. What depends on a customer is named as a condition and never looked
up: nobody learns from an explanation who consented.
"""

from dataclasses import dataclass
from typing import Final

from vault.domain.audience import Purpose
from vault.domain.fields import ALL_FIELDS
from vault.errors import InvalidArgument, PermissionDenied
from vault.policy.decide import permit
from vault.policy.model import Caller, Condition, Policy
from vault.policy.shape import names
from vault.v1 import status_pb2 as status

IF: Final = {
    Condition.NONE: "",
    Condition.CONSENT: "if the customer has agreed to it",
    Condition.OBJECTION: "unless the customer has objected to it",
    Condition.ORDER: "if a disclosure order that two people approved covers it",
    Condition.OWN_VISITOR: "if it is the visitor's own",
    Condition.AGGREGATES: "as counts only",
}
"""What must hold besides the policy, as the end of a sentence."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """What the policy says to one caller, one field and one purpose."""

    allowed: bool
    """By the policy; `condition` must hold besides."""
    reason: status.Reason.ValueType
    """Why not; unspecified if allowed."""
    purpose: str
    """The purpose that was asked for or, if none was, the only one that the caller has."""
    clause: str
    """Of the published privacy policy; empty if it has no word on it."""
    condition: Condition
    text: str
    """One sentence for people."""


def explain(policy: Policy, roles: frozenset[str], field: str, purpose: str = "") -> Explanation:
    """Say whether these roles may read a field for a purpose, and which clause says so.

    Args:
        policy: the policy in force.
        roles: of the caller in question; see `roles_named`.
        field: policy name: `payment.card_number`.
        purpose: may be empty if the roles have exactly one.

    Raises:
        InvalidArgument: the field is unknown, or the purpose is left out and not clear.
    """
    if field not in ALL_FIELDS:
        raise InvalidArgument("field", "must be a protected field, as payment.card_number")
    category, _, name = field.partition(".")
    who = names(sorted(roles)) if roles else "a caller without a role"
    try:
        permitted = permit(policy, Caller("", roles), purpose, category, (name,))
    except PermissionDenied as denial:
        return Explanation(
            allowed=False,
            reason=denial.reason,
            purpose=denial.purpose,
            clause=denial.clause,
            condition=Condition.NONE,
            text=_refusal(policy, who, field, denial),
        )
    rule = policy.purposes[permitted.purpose]
    sentence = f"{who} may read {field} for {rule.purpose} {IF[rule.condition]}".rstrip()
    return Explanation(
        allowed=True,
        reason=status.REASON_UNSPECIFIED,
        purpose=rule.purpose,
        clause=rule.clause,
        condition=rule.condition,
        text=f'{sentence}: "{rule.clause}"',
    )


def roles_named(policy: Policy, text: str) -> frozenset[str]:
    """The roles meant by a SPIFFE ID or by the name of one role.

    Raises:
        InvalidArgument: the policy knows neither.
    """
    if text in policy.roles:
        return frozenset({text})
    roles = policy.roles_of(text)
    if not roles:
        raise InvalidArgument("caller", "must be a caller or a role that the policy names")
    return roles


def _refusal(policy: Policy, who: str, field: str, denial: PermissionDenied) -> str:
    if denial.reason == status.REASON_FIELD_NOT_ALLOWED:
        audience = names(sorted(policy.fields[field].members))
        return f'{who} may not read {field} for {denial.purpose}; it is for {audience} only: "{denial.clause}"'
    if denial.purpose:
        holders = names(sorted(policy.purposes[Purpose(denial.purpose)].roles))
        return f'{who} may not read {field}: the purpose {denial.purpose} is for {holders} only: "{denial.clause}"'
    return f"{who} may not read {field}: the policy gives it no such purpose"
