"""What must not be destroyed now, and why: orders of disclosure, and restriction.

An order keeps what it covers (its customers' records of the kinds that its fields stand in) from the moment when it is
requested, or the evidence could be gone before two people have looked at it. A request alone keeps it for a week; an
approved order until its end. Rejecting or closing an order releases it at once.

A restriction (GDPR article 18) is a hold too: who is restricted may have asked for that *instead* of an erasure,
18(1)(b) and (c), so that the data is there for legal claims. What is stored stays as it is: adding is storage,
replacing and deleting are not. To correct what is contested, or to erase, the privacy officer lifts the restriction
first, after telling the customer, as 18(3) demands.

Who asks is told that there is a hold: FAILED_PRECONDITION with ON_HOLD, the same text for both, so that nobody but the
officer (and legal, and approvers) learns that there is an order. To callers who write, a restricted customer is as
unknown as to those who read.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from vault.domain import names, statements
from vault.domain.names import Owner, OwnerKind, RecordName
from vault.errors import DataLoss, FailedPrecondition, NotFound
from vault.policy.decide import DENIED
from vault.service.freshness import ANY_ORDER
from vault.service.opening import Opened, Records, customer_facts
from vault.service.orders import Orders, hold_until
from vault.store.v1.record_pb2 import CustomerFacts
from vault.v1 import status_pb2 as status

if TYPE_CHECKING:
    from vault.service.call import Call

RESTRICTION: Final = "restriction"
"""Stands for the order's id where the customer's restriction is the reason."""
_HELD: Final = "the record must be kept for now: a hold covers it; ask the privacy officer"
_UNCLEAR: Final = "an order of disclosure is not as the log says; until that is put right nothing is destroyed"
_UNDER: Final[Mapping[str, tuple[str, ...]]] = {
    "contact": ("contact",),
    "payment": ("cards",),
    "account": ("account", "logs"),
    "mail": ("messages",),
    "order": ("orders",),
}
"""Where under a customer the records of a category stand."""


@dataclass(frozen=True, slots=True)
class _Hold:
    order_id: str
    places: frozenset[str]
    """First segments under the owner."""


class Holds:
    """Says what is held."""

    def __init__(self, orders: Orders, records: Records) -> None:
        self._orders = orders
        self._records = records

    async def moment(self) -> int:
        """From when on a hold is new to who asks now; for `Journal.commit`'s `unless`, to be taken before asking."""
        return await self._orders.moment()

    async def unless(self, owner: Owner) -> tuple[int, frozenset[str]]:
        """What `Journal.commit` is given so that no hold on an owner's records comes in between; to be taken first."""
        return await self.moment(), frozenset({owner, ANY_ORDER})

    async def held(self, records: Sequence[RecordName], now: int) -> Mapping[RecordName, str]:
        """Those of these records that must stay at a time, and the order's id, or `RESTRICTION`.

        Raises:
            DataLoss: an order that is not over is not as the log says; until it is put right nothing is destroyed.
        """
        holds = await self._by_owner(now)
        customers = {n for n in map(names.owner_of, records) if names.owner_kind(n) is OwnerKind.CUSTOMER}
        restricted = await self._restricted(sorted(customers), now) if customers else frozenset()
        found: dict[RecordName, str] = {}
        for name in records:
            owner = names.owner_of(name)
            place = names.under_owner(name).partition("/")[0]
            order = next((h.order_id for h in holds.get(owner, ()) if place in h.places), "")
            if order or owner in restricted:
                found[name] = order or RESTRICTION
        return found

    async def holder(self, owner: Owner, now: int) -> str:
        """The id of an order that covers anything of an owner, so that it cannot be erased; empty if none does.

        Raises:
            DataLoss: as `held`.
        """
        return next((hold.order_id for hold in (await self._by_owner(now)).get(owner, ())), "")

    async def check(self, call: "Call", facts: CustomerFacts, name: RecordName) -> None:
        """Refuse to replace or delete a record that must stay.

        Args:
            call: the call.
            facts: of its customer.
            name: of the record, which is there.

        Raises:
            NotFound: the customer is restricted.
            FailedPrecondition: an order covers the record.
            DataLoss: as `held`.
        """
        if statements.restricted(facts):
            raise NotFound(DENIED, reason=status.REASON_CUSTOMER_NOT_AVAILABLE)
        place = names.under_owner(name).partition("/")[0]
        holds = (await self._by_owner(call.now)).get(names.owner_of(name), ())
        if any(place in hold.places for hold in holds):
            raise FailedPrecondition(status.REASON_ON_HOLD, _HELD)

    async def check_erasure(self, call: "Call", owner: Owner, facts: CustomerFacts | None) -> None:
        """Refuse to erase a customer who must stay; the officer is told why.

        Args:
            call: the call.
            owner: the customer.
            facts: None if its record does not open.

        Raises:
            FailedPrecondition: restricted, or covered by an order.
            DataLoss: as `held`.
        """
        if order := await self.holder(owner, call.now):
            text = f"order of disclosure {order} covers the customer: it can be erased when that has ended"
            raise FailedPrecondition(status.REASON_ON_HOLD, text)
        if facts is not None and statements.restricted(facts):
            raise FailedPrecondition(status.REASON_ON_HOLD, "the customer is restricted: lift the restriction first")

    async def _by_owner(self, now: int) -> Mapping[Owner, list[_Hold]]:
        if await self._orders.lost(now):
            raise DataLoss(_UNCLEAR)
        holds: dict[Owner, list[_Hold]] = {}
        for order in (await self._orders.all()).values():
            if hold_until(order, now):
                categories = {field.partition(".")[0] for field in order.fields}
                hold = _Hold(order.order_id, frozenset(p for c in categories for p in _UNDER.get(c, ())))
                for customer in order.customer_ids:
                    holds.setdefault(Owner(f"customers/{customer}"), []).append(hold)
        return holds

    async def _restricted(self, owners: Sequence[Owner], now: int) -> frozenset[Owner]:
        """Those who are restricted. One whose record does not open keeps nothing alive: it can be erased as well."""
        opened = await self._records.open([RecordName(owner) for owner in owners], now)
        found = set()
        for name, each in opened.items():
            if isinstance(each, Opened) and statements.restricted(customer_facts(each)):
                found.add(Owner(name))
        return frozenset(found)
