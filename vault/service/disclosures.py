"""DisclosureService: legal asks, two people approve, then legal reads what the order covers and nothing else.

Who approves is a person with a certificate of their own (`spiffe://…/person/alice`): a service's certificate is in many
hands, and four eyes must be two people's. Both differ from each other and from who asked. Their approvals are calls of
their own, so they stand in the log under their names.

Whether the customers exist is not looked at when an order is requested: legal could otherwise ask, a hundred at a time,
who is a customer. Under an approved order those who are not read like any who may not be read.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeVar

from vault.domain import names
from vault.domain.ids import customer_id, new_id, record_id
from vault.domain.pan import is_pan_like
from vault.errors import AlreadyExists, Conflict, FailedPrecondition, InvalidArgument, NotFound, PermissionDenied
from vault.policy.decide import DENIED, Permit
from vault.policy.facts import Order
from vault.policy.model import Condition
from vault.service.call import Call
from vault.service.entries import Touched, touched_entry
from vault.service.orders import APPROVALS, Orders, etag_of, hold_until, state_of
from vault.service.paging import DEFAULT_SIZE, name_after, token_after
from vault.v1 import disclosure_service_pb2 as v1
from vault.v1 import status_pb2 as status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vault.service.parts import Parts

LONGEST_MS: Final = 366 * 24 * 3600 * 1000
_PERSON: Final = "/person/"
_OPEN: Final = (v1.DISCLOSURE_STATE_REQUESTED, v1.DISCLOSURE_STATE_APPROVED)
_OVER: Final = "the order is over, by rejection or by time: request a new one"

R = TypeVar("R", v1.RequestDisclosureResponse, v1.ApproveDisclosureResponse, v1.RejectDisclosureResponse)
_Decision = v1.ApproveDisclosureRequest | v1.RejectDisclosureRequest


class Disclosures:
    """Requests, approves, rejects and lists orders."""

    def __init__(self, parts: "Parts") -> None:
        self._parts = parts
        self._orders = parts.orders

    async def request_disclosure(
        self, call: Call, request: v1.RequestDisclosureRequest
    ) -> v1.RequestDisclosureResponse:
        """Ask; from now on what it would cover is kept."""
        repeatable, seen = await self._parts.writer.repeat(call, request, request.request_id)
        if seen is not None:
            return v1.RequestDisclosureResponse.FromString(seen)
        order = self._requested(call, request)
        call.order = order.order_id
        response = v1.RequestDisclosureResponse()

        async def write() -> bytes | None:
            if await self._orders.find(order.order_id):
                raise AlreadyExists("an order with this id exists already; leave order_id out for a new one")
            response.order.CopyFrom(shown(order, call.now))
            return await self._orders.write(call, order, response, repeatable)

        replay = await self._orders.undisturbed(write())
        return v1.RequestDisclosureResponse.FromString(replay) if replay is not None else response

    async def approve_disclosure(
        self, call: Call, request: v1.ApproveDisclosureRequest
    ) -> v1.ApproveDisclosureResponse:
        """Approve as a person; the second approval makes the order readable."""
        return await self._decide(call, request, _approve, v1.ApproveDisclosureResponse())

    async def reject_disclosure(self, call: Call, request: v1.RejectDisclosureRequest) -> v1.RejectDisclosureResponse:
        """Reject, or end before its time."""
        return await self._decide(call, request, _reject, v1.RejectDisclosureResponse())

    async def list_disclosures(self, call: Call, request: v1.ListDisclosuresRequest) -> v1.ListDisclosuresResponse:
        """Orders, newest first; customers are named, no field is read."""
        limit = request.page_size or DEFAULT_SIZE
        after = name_after(request.page_token)
        wanted = customer_id(request.customer_id) if request.customer_id else ""
        orders = sorted((await self._orders.all()).values(), key=_newest_first)
        if wanted:
            orders = [order for order in orders if wanted in order.customer_ids]
        if after:
            ids = [order.order_id for order in orders]
            orders = orders[ids.index(after) + 1 :] if after in ids else []
        await self._parts.journal.append(call, touched_entry(call, Touched()))
        response = v1.ListDisclosuresResponse(orders=[shown(order, call.now) for order in orders[:limit]])
        if len(orders) > limit:
            response.next_page_token = token_after(orders[limit - 1].order_id)
        return response

    def _requested(self, call: Call, request: v1.RequestDisclosureRequest) -> v1.DisclosureOrder:
        policy = self._parts.policy
        purposes = [p.purpose for p in policy.purposes.values() if p.condition is Condition.ORDER]
        readable = {field for purpose in purposes for field in policy.readable(purpose)}
        for at, field in enumerate(request.fields):
            if field not in readable:
                raise InvalidArgument(f"fields[{at}]", "must be the policy name of a field that may be disclosed")
        if is_pan_like(request.case_reference):
            raise InvalidArgument("case_reference", "must not look like a card number")
        if not call.now < request.expire_time_ms <= call.now + LONGEST_MS:
            raise InvalidArgument("expire_time_ms", "must be in the future, and at most 366 days ahead")
        customers = [customer_id(text, f"customer_ids[{at}]") for at, text in enumerate(request.customer_ids)]
        return v1.DisclosureOrder(
            order_id=record_id(request.order_id, "order_id") if request.order_id else new_id(),
            ground=request.ground,
            case_reference=request.case_reference,
            customer_ids=customers,
            fields=sorted(request.fields),
            expire_time_ms=request.expire_time_ms,
            request=v1.DisclosureDecision(caller=call.caller.spiffe_id, time_ms=call.now),
        )

    async def _decide(
        self, call: Call, request: _Decision, decide: Callable[[Call, v1.DisclosureOrder], None], response: R
    ) -> R:
        call.order = record_id(request.order_id, "order_id")
        repeatable, seen = await self._parts.writer.repeat(call, request, request.request_id)
        if seen is not None:
            return type(response).FromString(seen)
        if _PERSON not in call.caller.spiffe_id:
            raise PermissionDenied(status.REASON_NOT_DISTINCT, DENIED)

        async def write() -> bytes | None:
            order = await self._orders.find(request.order_id)
            if order is None:
                raise NotFound("order_id: there is no such order")
            if request.etag and request.etag != etag_of(order):
                raise Conflict("etag: is not the order's newest; read it again")
            if state_of(order, call.now) not in _OPEN:
                raise FailedPrecondition(status.REASON_STATE, _OVER)
            decide(call, order)
            response.order.CopyFrom(shown(order, call.now))
            return await self._orders.write(call, order, response, repeatable)

        replay = await self._orders.undisturbed(write())
        return type(response).FromString(replay) if replay is not None else response


async def under_order(
    orders: Orders, call: Call, permit: Permit, order_id: str, mask: "Sequence[str]" = (), category: str = ""
) -> Permit:
    """What of a permit an order allows; the permit itself if none is named.

    Args:
        orders: of the process.
        call: the call; its entries name the order from here on.
        permit: the policy's half of the decision.
        order_id: as in the request; empty names none, and who needs one is then refused for each customer.
        mask: names of the fields that were asked for.
        category: of the record.

    Raises:
        InvalidArgument: an order is named for a purpose that needs none.
        PermissionDenied: unknown, not approved, over, or not covering a field of the mask: one answer for all.
        DataLoss: the order is not as the log says.
    """
    if not order_id:
        return permit
    if permit.condition is not Condition.ORDER:
        raise InvalidArgument("order_id", "must be left out: the purpose needs no order")
    call.order, call.since = record_id(order_id, "order_id"), orders.freshness.now()
    found = await orders.approved(order_id, call.now)
    if found is None:
        raise permit.not_available()
    customers = frozenset[str](names.customer_name(names.CustomerId(c)) for c in found.customer_ids)
    order = Order(order_id, customers, frozenset(found.fields))
    return permit.under(order, [f"{category}.{name}" for name in mask])


def shown(order: v1.DisclosureOrder, now: int) -> v1.DisclosureOrder:
    """An order as callers see it at a time."""
    found = v1.DisclosureOrder()
    found.CopyFrom(order)
    found.state, found.hold_until_ms, found.etag = state_of(order, now), hold_until(order, now), etag_of(order)
    return found


def _approve(call: Call, order: v1.DisclosureOrder) -> None:
    caller = call.caller.spiffe_id
    if caller == order.request.caller or caller in {decision.caller for decision in order.approvals}:
        raise PermissionDenied(status.REASON_NOT_DISTINCT, DENIED)
    if len(order.approvals) >= APPROVALS:
        raise FailedPrecondition(status.REASON_STATE, "the order is approved already, by two people")
    order.approvals.add(caller=caller, time_ms=call.now)


def _reject(call: Call, order: v1.DisclosureOrder) -> None:
    order.rejection.caller, order.rejection.time_ms = call.caller.spiffe_id, call.now


def _newest_first(order: v1.DisclosureOrder) -> tuple[int, str]:
    return -order.request.time_ms, order.order_id
