"""Orders: the form that a visitor fills in, for the storefront, and what becomes of it, for sales.

Sales keeps a copy of the orders in a system of its own, so it must learn of each order at least once, and of each
customer who was erased, or the copy would outlive the original. `watch_orders` gives both, in order, each with a token:
who keeps the token of the last event that it has dealt with, in the same transaction, loses nothing by a crash. A
connection that breaks, a vault that restarts and a stream that has lasted its time are gone on with from the last token
that was given out here.

Orders of a customer who is restricted are passed over while that lasts; a watcher is not told when it ends. The list
has them then.
"""

import asyncio
import math
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime

from vault.client.base import VaultClient
from vault.client.chosen_ids import checked
from vault.client.paging import pages
from vault.client.records import info_of
from vault.client.repeating import after, limited, paused, pauses
from vault.client.streams import STREAM_DEADLINE, download
from vault.client.unanswered import Failure
from vault.domain import names, order_form
from vault.errors import DataLoss, InvalidArgument, Unavailable
from vault.v1 import order_service_pb2 as v1
from vault.v1.records_pb2 import FormFields, OrderForm


@dataclass(frozen=True, slots=True)
class SavedForm:
    """What to put into the cookie."""

    visitor_id: str = field(repr=False)
    """32 hex digits: whoever has it can send the order."""
    expire_time: datetime
    """When the form's key is destroyed."""


@dataclass(frozen=True, slots=True)
class OpenedOrder:
    """An order; what was typed is in no repr."""

    record_name: str
    customer_id: str
    values: Mapping[str, str] = field(repr=False)
    """By the names that the policy lists under `[order_form]`."""
    create_time: datetime | None


@dataclass(frozen=True, slots=True)
class OrderEvent:
    """What a watcher is told: exactly one of the four."""

    resume_token: str = field(repr=False)
    """To go on after this event, once it is dealt with."""
    order: OpenedOrder | None = None
    erased_customer_id: str = ""
    """Whatever was copied of this customer's orders must go."""
    unreadable: str = ""
    """Record name of an order that is there and does not open."""
    caught_up: bool = False
    """All that there was has been told; what follows is new."""


class FormKeeper(VaultClient):
    """Keeps what visitors have typed so far."""

    async def save_order_form(
        self, values: Mapping[str, str], *, visitor_id: str = "", request_id: str = ""
    ) -> SavedForm:
        """Keep a form, in the place of what was kept before, for a day.

        Args:
            values: by names that the policy lists; nothing that pays, since a card has its own way in.
            visitor_id: from the cookie; the vault makes one if empty.
            request_id: a UUID. The same call repeated with it has one effect and the first one's answer, for 24 hours;
                the SDK's own if empty.

        Raises:
            InvalidArgument: a field is not on the policy's list, or holds a card number; nothing is echoed.
        """
        order_form.check(values, [name for name in values if order_form.is_name(name)])
        request = v1.SaveOrderFormRequest(
            visitor_id=visitor_id and names.visitor_id(visitor_id),
            form=FormFields(values=values),
            request_id=checked(request_id),
        )
        answer = await self._connection.call(self._connection.orders.SaveOrderForm, request)
        if visitor_id and answer.visitor_id != visitor_id:
            raise DataLoss("the answer is about another visitor")
        return SavedForm(names.visitor_id(answer.visitor_id), answer.expire_time.ToDatetime(UTC))


class SalesClient(VaultClient):
    """Lists and follows orders."""

    async def list_orders(self, *, purpose: str = "") -> AsyncIterator[OpenedOrder | str]:
        """All orders, the oldest first; of one that is there and does not open, its record name.

        Raises:
            PermissionDenied: this caller has no purpose that reads orders.
        """
        request = v1.ListOrdersRequest(purpose=purpose)
        async for page in pages(self._connection, self._connection.orders.ListOrders, request):
            for order in page.orders:
                yield _opened(order)
            for name in page.unreadable:
                yield name

    async def watch_orders(
        self, resume_token: str = "", *, follow: bool = True, purpose: str = ""
    ) -> AsyncIterator[OrderEvent]:
        """Orders and erasures after a token, the oldest first, then new ones as they come; each at least once.

        Args:
            resume_token: of the last event that was dealt with; from the first order on if empty.
            follow: wait for what comes later; or end when all was told.
            purpose: may be left out by a caller that has exactly one.

        Raises:
            InvalidArgument: the token is none of this vault's.
            PermissionDenied: this caller has no purpose that reads orders.
            Unavailable: the vault could not be reached, and this client had not reached it before.
        """
        connection, loop, caught_up = self._connection, asyncio.get_running_loop(), False
        request = v1.WatchOrdersRequest(purpose=purpose, resume_token=resume_token, stop_when_caught_up=not follow)
        overall = math.inf if follow else loop.time() + STREAM_DEADLINE
        left, least = pauses(known=connection.known), limited()
        while True:
            ends = min(overall, loop.time() + STREAM_DEADLINE)
            broke = Failure(Unavailable("the vault ended the stream"), sent=True, passing=follow)
            async with connection.streams:
                answers = download(connection, connection.orders.WatchOrders, request, ends=ends)
                async with aclosing(answers):
                    async for answer in answers:
                        if isinstance(answer, Failure):
                            broke = answer
                            break
                        event = _event(answer)
                        request.resume_token = event.resume_token
                        left, least = pauses(known=True), limited()
                        if not (event.caught_up and caught_up):  # once is news, again is a new connection
                            yield event
                        caught_up = caught_up or event.caught_up
            if caught_up and not follow:
                return
            if loop.time() >= ends and follow and not connection.closed:
                continue
            if not (broke.passing and await paused(after(broke, left, least), overall)):
                raise broke.error


def _opened(order: OrderForm) -> OpenedOrder:
    try:
        customer, name = names.parse_order_name(order.record_name)
    except InvalidArgument:
        raise DataLoss("the answer is about something that is no order") from None
    return OpenedOrder(name, customer, dict(order.form.values), info_of(order, name).create_time)


def _event(answer: v1.WatchOrdersResponse) -> OrderEvent:
    token = answer.resume_token
    match answer.WhichOneof("event"):
        case "order":
            return OrderEvent(token, order=_opened(answer.order))
        case "erased_customer_id":
            return OrderEvent(token, erased_customer_id=answer.erased_customer_id)
        case "unreadable":
            return OrderEvent(token, unreadable=answer.unreadable)
        case "caught_up":
            return OrderEvent(token, caught_up=True)
    raise DataLoss("the vault tells of an event that this SDK does not know: install a newer one")
