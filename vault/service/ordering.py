"""OrderService: a form under a cookie's id, and the order that it becomes.

A form is a record of its own under the visitor's random id, with a key that is destroyed when it is sent or has
expired. Sending it is one transaction: the customer, the contact, the cards and the order come in, and the form goes
out. So whoever asks afterwards finds the customer with the order, or the form, and never both or neither. What the form
says, the vault opens and seals again under the order's name: nothing is read back by the web shop.

A submission that is repeated has one effect. With a request_id it is answered as the first one was; without, the form
is gone and the customer's id is taken.
"""

from typing import Final

from vault.audit.entry import NO_DIGEST, digest_of
from vault.domain import names, order_form
from vault.domain.ids import VisitorId
from vault.domain.names import RecordName, owner_of
from vault.errors import AlreadyExists, Conflict, DataLoss, NotFound
from vault.policy.decide import DENIED
from vault.service import creating
from vault.service.call import Call
from vault.service.changing import current, put_drafts
from vault.service.creating import Plan
from vault.service.drafts import Draft
from vault.service.entries import new_subject
from vault.service.kinds import ORDER_FORM
from vault.service.opening import Opened
from vault.service.order_feed import OrdersFollowed
from vault.service.outcomes import refused
from vault.service.own_fields import open_own
from vault.service.writing import Change
from vault.storage.port import Item, Remove, Result
from vault.v1 import order_service_pb2 as v1
from vault.v1.customer_service_pb2 import CreateCustomerRequest
from vault.v1.records_pb2 import OrderForm

_ATTEMPTS: Final = 5


class Ordering(OrdersFollowed):
    """Keeps forms, and makes orders of them."""

    async def save_order_form(self, call: Call, request: v1.SaveOrderFormRequest) -> v1.SaveOrderFormResponse:
        """Keep what a visitor typed, in the place of what was kept before."""
        parts = self._parts
        if request.visitor_id:
            names.visitor_id(request.visitor_id)
        order_form.check(request.form.values, parts.policy.order_form)
        repeatable, seen = await parts.writer.repeat(call, request, request.request_id)
        if seen is not None:
            return v1.SaveOrderFormResponse.FromString(seen)
        visitor = VisitorId(request.visitor_id or names.new_id())
        ends = parts.policy.retention.order_forms.after(call.now)
        response = v1.SaveOrderFormResponse(visitor_id=visitor)
        response.expire_time.FromMilliseconds(ends)
        name = names.form_name(visitor)
        for _ in range(_ATTEMPTS):
            draft = Draft(name, ORDER_FORM, OrderForm(form=request.form), call.now, expires_at=ends)
            draft.replaces = await current(parts, call, name)
            answer = await put_drafts(parts, call, [draft], new_subject(), lambda _: response, repeatable)
            if answer is not None:
                return answer
        raise Conflict("form: other writes came first; save it again")

    async def submit_order(self, call: Call, request: v1.SubmitOrderRequest) -> v1.SubmitOrderResponse:
        """Make customer, contact, cards and order of a form, which is destroyed."""
        parts, form_name = self._parts, names.form_name(names.visitor_id(request.visitor_id))
        repeatable, seen = await parts.writer.repeat(call, request, request.request_id, list(request.cards))
        if seen is not None:
            return await self._again(seen, form_name)
        asked = CreateCustomerRequest(
            customer_id=request.customer_id,
            contact=request.contact if request.HasField("contact") else None,
            cards=request.cards,
        )
        for _ in range(_ATTEMPTS):
            try:
                plan, form = await self._found(call, asked, form_name)
            except (AlreadyExists, NotFound):
                # Maybe because this very request was done meanwhile: then its answer is known by now.
                _, seen = await parts.writer.repeat(call, request, request.request_id, list(request.cards))
                if seen is None:
                    raise
                return await self._again(seen, form_name)
            order = await self._order(call, plan, form, request.order_id)
            await parts.writer.prepare(plan.drafts, call.now)
            change, created = creating.change(parts, call, plan)
            response = v1.SubmitOrderResponse(
                customer=created.customer, order_name=order.name, record_names=created.record_names[:-1]
            )
            results, replay = await parts.journal.commit(
                call,
                [_with_removal(change, form)],
                lambda results, answer=response: answer if results[0] is Result.DONE else None,  # type: ignore[misc]
                fields_changed=creating.changed([plan]),
                repeatable=repeatable,
            )
            if replay is not None:
                return await self._again(replay, form_name)
            if results[0] is Result.DONE:
                return response
            if results[0] is not Result.CHANGED:
                raise refused(results[0])
        raise Conflict("form: it is being changed; send the order again")

    async def _found(self, call: Call, asked: CreateCustomerRequest, form_name: RecordName) -> tuple[Plan, Opened]:
        """What is to be made, and the form; whoever sends it again under another request_id is told which was done."""
        parts = self._parts
        # First whether the customer is there: a card is sealed anew for a second attempt, so the request is not the
        # same, and only the name that is taken says that the first was done. A form that is gone may have expired.
        plan = await creating.plan(parts, call, asked, "")
        form = (await parts.records.open([form_name], call.now)).get(form_name)
        if form is None:
            raise NotFound(DENIED)
        if isinstance(form, DataLoss):
            raise form
        return plan, form

    async def _order(self, call: Call, plan: Plan, form: Opened, order_id: str) -> Draft:
        """The order, added to what the customer is to have."""
        chosen = names.record_id(order_id, "order_id") if order_id else names.new_id()
        said = await open_own(self._parts, ORDER_FORM, form, ORDER_FORM.by_name)
        draft = Draft(names.order_name(plan.customer, chosen), ORDER_FORM, OrderForm(form=said.form), call.now)
        plan.drafts.append(draft)
        return draft

    async def _again(self, seen: bytes, form_name: RecordName) -> v1.SubmitOrderResponse:
        """The answer of the first time, which may have ended between the form's row and its key."""
        await self._parts.store.destroy_keys(owner_of(form_name), form_name)
        return v1.SubmitOrderResponse.FromString(seen)


def _with_removal(change: Change, form: Opened) -> Change:
    row = form.row
    item = Item(change.item.owner, change.item.puts, (Remove(row.owner, row.record_name, row.key_id),))
    gone = (row.record_name, NO_DIGEST, digest_of(row.stored))
    return Change(item, change.subject, [*change.digests, gone])
