"""ListOrders and WatchOrders: what the sales tracking database is given of orders, and what it must forget.

Both walk the feed, and read each order as any read is: by purpose, by the customer's facts, with an entry before
anything leaves. A token says which item was the last; it is sealed, since it names a customer. A store that was
restored may have lost items: where the token's item is not the one that has its number now, the walk begins anew, which
is why an order may come twice and never not at all. Orders of a customer who is restricted are passed over; the list
has them again once the restriction is lifted.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Final

from vault.domain import names
from vault.domain.names import RecordName
from vault.errors import DataLoss, InvalidArgument
from vault.policy.decide import Permit, permit
from vault.service.call import Call
from vault.service.entries import Touched, touched_entry
from vault.service.kinds import ORDER_FORM
from vault.service.paging import DEFAULT_SIZE, SealedTokens
from vault.service.parts import Parts
from vault.storage.feed import FeedItem
from vault.v1 import order_service_pb2 as v1
from vault.v1.records_pb2 import OrderForm

_AT_ONCE: Final = 100
_LOOK_EVERY_S: Final = 1.0


class OrdersFollowed:
    """The reading half of OrderService."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._tokens = SealedTokens(parts.keyring.vault_keys, "OrderFeed")

    async def list_orders(self, call: Call, request: v1.ListOrdersRequest) -> v1.ListOrdersResponse:
        """A page of orders, the oldest first."""
        allowed = permit(self._parts.policy, call.caller, request.purpose, ORDER_FORM.category, request.read_mask.paths)
        after, size = await self._after(request.page_token), request.page_size or DEFAULT_SIZE
        items = await self._parts.store.order_feed(after, size)
        response = v1.ListOrdersResponse()
        for name, found in await self._read(call, allowed, items):
            if isinstance(found, OrderForm):
                response.orders.append(found)
            else:
                response.unreadable.append(name)
        if len(items) == size:
            response.next_page_token = self._token(items[-1])
        await self._log(call, allowed)
        return response

    async def watch_orders(self, call: Call, request: v1.WatchOrdersRequest) -> AsyncIterator[v1.WatchOrdersResponse]:
        """Orders and erasures from a token on, then new ones as they come, for as long as the caller listens."""
        allowed = permit(self._parts.policy, call.caller, request.purpose, ORDER_FORM.category)
        after, token, told = await self._after(request.resume_token), request.resume_token, False
        await self._log(call, allowed)
        while True:
            items = await self._parts.store.order_feed(after, _AT_ONCE)
            # Restrictions and consents are asked at each reading, and the policy before each answer.
            found = dict(await self._read(call, allowed, items))
            for item in items:
                after, token = item.seq, self._token(item)
                if (event := await self._event(item, found)) is not None:
                    event.resume_token = token
                    yield event
            if not items and not told:
                told = True
                yield v1.WatchOrdersResponse(resume_token=token, caught_up=True)
            if told and request.stop_when_caught_up:
                return
            if len(items) < _AT_ONCE:
                await asyncio.sleep(_LOOK_EVERY_S)

    async def _event(
        self, item: FeedItem, found: dict[RecordName, OrderForm | DataLoss]
    ) -> v1.WatchOrdersResponse | None:
        if not item.record_name:
            # Only a row of the feed says it so far, and a row can be forged; the tombstone counts.
            if not await self._parts.store.erased(item.owner):
                return None
            return v1.WatchOrdersResponse(erased_customer_id=names.customer_of(item.owner))
        order = found.get(item.record_name)
        if order is None:
            return None
        if isinstance(order, OrderForm):
            return v1.WatchOrdersResponse(order=order)
        return v1.WatchOrdersResponse(unreadable=item.record_name)

    async def _read(
        self, call: Call, allowed: Permit, items: Sequence[FeedItem]
    ) -> list[tuple[RecordName, OrderForm | DataLoss]]:
        """Orders that may be read, and those that do not open; of the others nothing is said."""
        wanted = []
        for item in items:
            try:
                wanted += [names.parse_order_name(item.record_name)[1]] if item.record_name else []
            except InvalidArgument:
                continue
        if not wanted:
            return []
        results = await self._parts.reader.read(call, allowed, ORDER_FORM, wanted)
        return [
            (name, result)
            for name, result in zip(wanted, results, strict=True)
            if isinstance(result, OrderForm | DataLoss)
        ]

    async def _log(self, call: Call, allowed: Permit) -> None:
        """An entry for a call that has read no order (yet)."""
        if not call.logged:
            await self._parts.journal.append(call, touched_entry(call, Touched(), purpose=allowed.purpose))

    def _token(self, item: FeedItem) -> str:
        return self._tokens.token_after(f"{item.seq} {item.owner} {item.record_name}")

    async def _after(self, token: str) -> int:
        """The number after which to go on; 0 if the feed is not the one that the token is of."""
        if not (text := self._tokens.name_after(token)):
            return 0
        number, owner, name = text.split(" ", 2)
        after = int(number)
        here = await self._parts.store.order_feed(after - 1, 1)
        if not here:
            # The newest item was taken out by an erasure, whose own item comes later; so the feed was restored.
            return 0
        same = here[0].seq != after or (here[0].owner, here[0].record_name) == (owner, name)
        return after if same else 0
