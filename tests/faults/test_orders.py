"""Orders under kill -9 (T1): customer, contact, card and order come in and the form goes out, all of it or nothing.

The real server; callers that send each request once and know what they were told. After each start, before anything is
repeated, the files are looked at from outside: of an order that got no answer, either all four records are there and
the form is not, or the form alone is. Then the same request is sent again: it is answered, each time alike, and sales
has one order of each form.
"""

import asyncio
import random
import uuid
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.faults.callers import Callers, Kind
from tests.faults.server import Server, served
from tests.figures import Figures
from tests.running import make_home
from tests.vaults import card, contact
from vault.client import OpenedOrder, SalesClient
from vault.domain import names
from vault.storage.engine import sqlite3
from vault.v1 import order_service_pb2 as v1
from vault.v1.records_pb2 import FormFields

SHOPPERS = 8
CARDS = 2
SUBMIT, SAVE = "OrderService.SubmitOrder", "OrderService.SaveOrderForm"


@dataclass(slots=True)
class Cart:
    """One visitor's form and order."""

    request: v1.SubmitOrderRequest
    answer: v1.SubmitOrderResponse | None = None

    @property
    def visitor(self) -> str:
        """Of the form."""
        return f"visitors/{self.request.visitor_id}"

    @property
    def records(self) -> set[str]:
        """What there is of it once it is an order."""
        name = f"customers/{self.request.customer_id}"
        cards = {f"{name}/cards/c{at}" for at in range(CARDS)}
        return {name, f"{name}/contact", f"{name}/orders/{self.request.order_id}", *cards}


def new_cart() -> Cart:
    """Somebody who is about to order."""
    customer = names.new_id()
    cards = [card(record_name=f"customers/{customer}/cards/c{at}") for at in range(CARDS)]
    return Cart(
        v1.SubmitOrderRequest(
            visitor_id=names.new_id(),
            customer_id=customer,
            order_id="one",
            contact=contact(),
            cards=cards,
            request_id=str(uuid.uuid4()),
        )
    )


@dataclass(slots=True)
class Store:
    """A web shop that knows what it was told, and what is wrong with it."""

    home: Path
    chance: random.Random
    done: list[Cart] = field(default_factory=list)
    unknown: list[Cart] = field(default_factory=list)
    tried: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    ordered: asyncio.Event = field(default_factory=asyncio.Event)

    async def shop(self, callers: Callers) -> None:
        """Order until the server is gone."""
        while True:
            cart = new_cart()
            form = FormFields(values={"product": cart.request.customer_id})
            saving = v1.SaveOrderFormRequest(visitor_id=cart.request.visitor_id, form=form)
            if (await callers.send("storefront", SAVE, saving)).kind is not Kind.DONE:
                return
            answer = await callers.send("storefront", SUBMIT, cart.request)
            if answer.kind is Kind.DONE:
                cart.answer = answer.response
                self.done.append(cart)
                self.ordered.set()
                continue
            if answer.kind is Kind.UNKNOWN:
                self.unknown.append(cart)
            return

    def look(self) -> None:
        """At the files, before anything is repeated."""
        with closing(sqlite3.connect(f"file:{self.home}/data/vault.db?mode=ro", uri=True)) as data:
            rows = {name for (name,) in data.execute("SELECT record_name FROM records")}
        for cart in self.done:
            if not cart.records <= rows or f"{cart.visitor}/form" in rows:
                self.wrong.append("an acknowledged order is not there, or its form still is")
        for cart in self.unknown:
            there = cart.records & rows
            if there == (set() if f"{cart.visitor}/form" in rows else cart.records):
                self.tried["got no answer: done" if there else "got no answer: not done"] += 1
            else:
                self.wrong.append(f"an order is torn: {len(there)} of {len(cart.records)} records")

    async def repeat(self, callers: Callers) -> None:
        """What got no answer, twice, and some of what had one: the same answer each time."""
        for cart in self.unknown:
            first = await callers.send("storefront", SUBMIT, cart.request, deadline=60)
            cart.answer = first.response
            self.done.append(cart)
            if first.kind is not Kind.DONE:
                self.wrong.append(f"a repeated order was refused: {first.error}")
        again = [*self.unknown, *self.chance.sample(self.done, min(5, len(self.done)))]
        self.unknown.clear()
        for cart in again:
            answer = await callers.send("storefront", SUBMIT, cart.request, deadline=60)
            if answer.response != cart.answer:
                self.wrong.append("a repeated order got another answer")
            self.tried["sent again"] += 1

    async def kill(self) -> None:
        """Once: start, look, repeat, order, kill."""
        server = Server.begin(self.home)
        try:
            await server.ready()
            self.look()
            async with Callers(self.home) as callers:
                await self.repeat(callers)
                load = [asyncio.create_task(self.shop(callers)) for _ in range(SHOPPERS)]
                self.ordered.clear()
                await asyncio.wait_for(self.ordered.wait(), 60)
                await asyncio.sleep(self.chance.uniform(0, 0.5))
                server.kill()
                await asyncio.gather(*load)
        finally:
            server.kill()
            await server.ended()
            self.tried["kills"] += 1

    async def end(self) -> None:
        """Everything once more, as sales sees it, and the keys of forms that were sent."""
        async with served(self.home):
            self.look()
            async with Callers(self.home) as callers:
                await self.repeat(callers)
            async with SalesClient.open(self.home / "callers" / "sales") as sales:
                found = [order async for order in sales.list_orders() if isinstance(order, OpenedOrder)]
        ordered = Counter(order.customer_id for order in found)
        if ordered != Counter(cart.request.customer_id for cart in self.done):
            self.wrong.append("sales has another number of orders than were sent")
        if any(dict(order.values) != {"product": order.customer_id} for order in found):
            self.wrong.append("an order has another's form")
        with closing(sqlite3.connect(f"file:{self.home}/keys/keys.db?mode=ro", uri=True)) as keys:
            kept = {name for (name,) in keys.execute("SELECT record_name FROM key_places")}
        sent = {f"{cart.visitor}/form" for cart in self.done}
        self.tried["keys left of forms that were sent"] = len(sent & kept)


async def check(folder: Path, kills: int, seed: int, figures: Figures) -> None:
    """The whole of it."""
    store = Store(await asyncio.to_thread(make_home, folder), random.Random(seed))
    for _ in range(kills):
        await store.kill()
    await store.end()
    counts = ", ".join(f"{what} {count:,}" for what, count in sorted(store.tried.items()))
    figures(f"{counts}; orders {len(store.done):,}, torn, lost or twice {len(store.wrong)}")
    assert not store.wrong, store.wrong[:5]
    assert store.done
    assert not store.tried["keys left of forms that were sent"]


@pytest.mark.timeout(240)
async def test_a_killed_server_tears_no_order(tmp_path: Path, figures: Figures) -> None:
    """Killed in the middle of submissions, again and again on the same files."""
    await check(tmp_path, 5, random.randrange(1 << 30), figures)


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("seed", range(4))
async def test_a_hundred_kills_tear_no_order(tmp_path: Path, figures: Figures, seed: int) -> None:
    """Four deployments of 25 kills each."""
    await check(tmp_path, 25, seed, figures)
