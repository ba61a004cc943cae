"""May this caller read these fields, for this purpose, of this customer? One function decides: `decide`.

It has two halves, because a batch asks the first once and the second a thousand times:

- `permit` looks at the policy alone: does the caller have the purpose, and does the purpose have the fields? Its
  answer is the same for every customer, so a denial may say why: purpose, field and clause.
- `Permit.admit` looks at the customer alone: consent, objection, restriction, order, or whether there is one at all.
  Its denials must not tell these apart, or a partner could ask who is a customer, and who objected. So they have one
  reason, one text and, for one purpose, one kind: a purpose with a condition is denied; one without is told
  that nothing was found, as if there were no customer.

Roles decide methods and are asked first, by `permit_call`, before the request is even looked at.

All denials have one text, `DENIED`; what they may say beyond it stands in their attributes. Names in a request that
the policy does not know are never repeated. Raises only `PermissionDenied`, `NotFound` and `InvalidArgument`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final, assert_never

from vault.domain.audience import Custody, Purpose
from vault.domain.names import OwnerKind
from vault.errors import CallerError, InvalidArgument, NotFound, PermissionDenied
from vault.policy.facts import CustomerFacts, Order
from vault.policy.model import Caller, Condition, Policy, PurposeRule
from vault.v1 import status_pb2 as status

DENIED: Final = "the policy does not allow this, or it is not there"

_REMEMBERED: Final = 4096
"""Permits kept. Each is small: only masks that were allowed are kept, and those name each field once."""


@dataclass(frozen=True, slots=True)
class Permit:
    """What the policy alone allows: these fields for this purpose, of each customer whom `admit` does not refuse."""

    purpose: Purpose
    """Empty if names and times are all that is allowed (`permit_listing`)."""
    custody: Custody
    condition: Condition
    fields: frozenset[str]
    """Policy names."""
    order: Order | None = None
    """The order under which is read, if the condition is one."""

    def covers(self, customer: str) -> bool:
        """Whether the order covers a customer, by record name; False if there is none."""
        return self.order is not None and customer in self.order.customers

    def under(self, order: Order, mask: Sequence[str]) -> "Permit":
        """The same permit for what an order covers.

        Args:
            order: approved, and not over.
            mask: policy names that were asked for; empty means all that may be read.

        Raises:
            PermissionDenied: the purpose needs no order, or the order covers none of the fields, or not all of a mask.
        """
        fields = self.fields & order.fields
        # As for any mask: what it names is what its author believes to get.
        if self.condition is not Condition.ORDER or not fields or not fields.issuperset(mask):
            raise self.not_available()
        return replace(self, fields=fields, order=order)

    def admit(self, facts: CustomerFacts | None) -> None:
        """Check the facts of one customer; None is a customer who is unknown.

        Raises:
            PermissionDenied: refused or unknown, for a purpose with a condition.
            NotFound: refused or unknown, for a purpose without.
        """
        if facts is None or not self._holds_for(facts):
            raise self.not_available()

    def admit_other(self, owner: OwnerKind) -> None:
        """Check an owner who is no customer, and about whom there are no facts: a visitor, or a mail domain.

        Who names a visitor's record shows the visitor's cookie, 16 random bytes: so it is the visitor's own.

        Raises:
            PermissionDenied: the purpose's condition is about something else.
        """
        own = self.condition is Condition.OWN_VISITOR and owner is OwnerKind.VISITOR
        if owner is OwnerKind.CUSTOMER or not (own or self.condition is Condition.NONE):
            raise self.not_available()

    def not_available(self) -> CallerError:
        """The one answer for a customer who is unknown, or whose facts forbid the read."""
        if self.condition is Condition.NONE:
            return NotFound(DENIED, reason=status.REASON_CUSTOMER_NOT_AVAILABLE)
        return PermissionDenied(status.REASON_CUSTOMER_NOT_AVAILABLE, DENIED)

    def _holds_for(self, facts: CustomerFacts) -> bool:
        # GDPR article 18(2): restricted data may still be processed "for the establishment, exercise or defence of
        # legal claims", which is what an order is for.
        if facts.restricted and self.condition is not Condition.ORDER:
            return False
        match self.condition:
            case Condition.NONE:
                return True
            case Condition.CONSENT:
                return self.purpose in facts.consents
            case Condition.OBJECTION:
                return self.purpose not in facts.objections
            case Condition.ORDER:
                return facts.ordered
            case Condition.OWN_VISITOR | Condition.AGGREGATES:
                # An order and a visitor's cookie are no facts of a customer yet, and aggregates never are.
                return False
            case _ as never:
                assert_never(never)


def decide(
    policy: Policy,
    caller: Caller,
    purpose: str,
    category: str,
    mask: Sequence[str],
    facts: CustomerFacts | None,
) -> Permit:
    """Allow a read of one customer, or refuse it.

    Args:
        policy: the policy in force.
        caller: who asks.
        purpose: as in the request; may be empty if the caller has exactly one.
        category: of the record: `payment`.
        mask: protected fields of the record, by their names in the message; empty means all that the purpose may read.
        facts: of the customer, None if unknown.

    Raises:
        InvalidArgument: the purpose is left out and not clear, or the mask names no protected field of the category.
        PermissionDenied: the policy, or a condition, says no.
        NotFound: a purpose without a condition, and the customer is unknown or restricted.
    """
    allowed = permit(policy, caller, purpose, category, mask)
    allowed.admit(facts)
    return allowed


def permit_call(policy: Policy, caller: Caller, method: str) -> None:
    """Check that a caller may make a call at all.

    Args:
        policy: the policy in force.
        caller: who calls.
        method: `PaymentService.GetCard`.

    Raises:
        PermissionDenied: none of its roles may.
    """
    if not policy.may_call(method, caller.roles):
        rule = policy.methods.get(method)
        clause = rule.clause if rule else ""
        raise PermissionDenied(status.REASON_METHOD_NOT_ALLOWED, DENIED, clause=clause)


def permit(policy: Policy, caller: Caller, purpose: str, category: str, mask: Sequence[str] = ()) -> Permit:
    """The half of `decide` that is the same for every customer. Raises as `decide`, but never NotFound."""
    return _permit(policy, caller.roles, purpose, category, tuple(mask))


def permit_listing(policy: Policy, caller: Caller, purpose: str, category: str, mask: Sequence[str] = ()) -> Permit:
    """As `permit`, for methods that give names and times to a caller who may read no field of the category.

    Such a caller gets a permit without fields. It must not ask for a field by name, nor for a purpose it does not have.
    """
    return _permit_listing(policy, caller.roles, purpose, category, tuple(mask))


@lru_cache(_REMEMBERED)
def _permit(policy: Policy, roles: frozenset[str], purpose: str, category: str, mask: tuple[str, ...]) -> Permit:
    rule = _purpose(policy, roles, purpose)
    wanted = _fields(policy, category, mask)
    readable = policy.readable(rule.purpose)
    # A mask is refused whole: what it names is what its author believes to get.
    refused = next((f for f in wanted if f not in readable), None)
    if refused and (mask or readable.isdisjoint(wanted)):
        raise PermissionDenied(
            status.REASON_FIELD_NOT_ALLOWED,
            DENIED,
            purpose=rule.purpose,
            field=refused if mask else f"{category}.*",
            clause=policy.fields[refused].clause,
        )
    return Permit(rule.purpose, rule.custody, rule.condition, readable.intersection(wanted))


@lru_cache(_REMEMBERED)
def _permit_listing(
    policy: Policy, roles: frozenset[str], purpose: str, category: str, mask: tuple[str, ...]
) -> Permit:
    wanted = _fields(policy, category, mask)
    own = policy.purposes_of(roles)
    if not mask and not purpose and not any(policy.fields[f].members & own for f in wanted):
        return Permit(Purpose(""), Custody.NONE, Condition.NONE, frozenset())
    rule = _purpose(policy, roles, purpose)
    if not mask and policy.readable(rule.purpose).isdisjoint(wanted):
        return Permit(rule.purpose, rule.custody, rule.condition, frozenset())
    return _permit(policy, roles, purpose, category, mask)


def _purpose(policy: Policy, roles: frozenset[str], purpose: str) -> PurposeRule:
    """The purpose that is asked for, or the only one that the roles have."""
    own = policy.purposes_of(roles)
    if not purpose:
        if len(own) > 1:
            raise InvalidArgument("purpose", "must be given: the caller has more than one")
        if not own:
            raise PermissionDenied(status.REASON_PURPOSE_NOT_ALLOWED, DENIED)
        (only,) = own
        return policy.purposes[only]
    rule = policy.purposes.get(Purpose(purpose))
    if rule is None:
        raise PermissionDenied(status.REASON_PURPOSE_NOT_ALLOWED, DENIED)
    if rule.purpose not in own:
        raise PermissionDenied(status.REASON_PURPOSE_NOT_ALLOWED, DENIED, purpose=rule.purpose, clause=rule.clause)
    return rule


def _fields(policy: Policy, category: str, mask: tuple[str, ...]) -> tuple[str, ...]:
    """The policy names that a mask asks for, in its order; all of the category if it is empty."""
    known = policy.of_category(category)
    if not mask:
        return known
    wanted = tuple(f"{category}.{name}" for name in mask[: len(known) + 1])
    if not set(wanted) <= set(known):
        raise InvalidArgument("read_mask", "must name protected fields of the record")
    # Otherwise a mask, which is remembered with its permit, could be of any length.
    if len(set(wanted)) < len(mask):
        raise InvalidArgument("read_mask", "must name each field once")
    return wanted
