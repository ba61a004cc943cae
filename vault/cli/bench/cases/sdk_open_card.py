"""Open a hundred sealed cards in billing's own process, with the SDK and in a bare loop over the same boxes.

The envelopes are fetched once, as the vault sends them; no call is made while it is measured. The SDK checks form, pins
and what it opened, and makes a value of each card; the bare loop only opens boxes and decodes text.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from vault.cli.bench import apart, figures, people
from vault.cli.bench.apart import Desk
from vault.cli.bench.case import Special, require
from vault.cli.bench.figures import Goal, nearest_rank
from vault.cli.bench.place import Place
from vault.cli.bench.rounds import Plan
from vault.client import BillingClient
from vault.client.records import OpenedCard, wanted_fields
from vault.crypto import envelope
from vault.v1.payment_service_pb2 import BatchGetCardsRequest
from vault.v1.records_pb2 import Card

_ITEMS: Final = 100
_LEAST: Final = 0.6
_FIELDS: Final = wanted_fields(Card, None)


@dataclass(frozen=True, slots=True)
class _Batch:
    named: list[tuple[str, Card]]


class Apart:
    """Billing."""

    def __init__(self, desk: Desk) -> None:
        self._billing = BillingClient(desk.settings("billing"))
        self._batches: list[_Batch] = []

    async def do(self, command: dict[str, Any]) -> dict[str, Any]:
        """Fetch cards of `customers`; open them for `seconds` (`sdk`, `bare`); or read and open them (`read`)."""
        match command["do"]:
            case "fetch":
                await self._fetch(command["customers"])
                return {"batches": len(self._batches)}
            case "read":
                return await self._read(command["customers"], command["callers"], command["seconds"])
            case "sdk":
                return await self._loop(self._sdk, command["seconds"])
            case _:
                return await self._loop(self._bare, command["seconds"])

    async def _fetch(self, customers: int) -> None:
        connection = self._billing._connection  # noqa: SLF001 - the envelopes as they come, which no client hands out
        for start in range(0, min(customers, 10 * _ITEMS), _ITEMS):
            names = [people.card_name(number % customers) for number in range(start, start + _ITEMS)]
            request = BatchGetCardsRequest(record_names=names, purpose="payment_processing")
            answer = await connection.call(connection.payments.BatchGetCards, request)
            self._batches.append(_Batch([(n, r.card) for n, r in zip(names, answer.results, strict=True)]))
            opened = await self._sdk(self._batches[-1])
            require(holds=all(isinstance(card, OpenedCard) and card.card_number for card in opened))

    async def _read(self, customers: int, callers: int, seconds: float) -> dict[str, Any]:
        """Batches in a second, called and opened by so many tasks of one service."""
        order, done, began = people.scattered(customers), [0], time.perf_counter()

        async def work() -> None:
            while time.perf_counter() - began < seconds:
                names = [people.card_name(number) for number in islice(order, _ITEMS)]
                opened = await self._billing.batch_get_cards(names)
                require(holds=all(isinstance(card, OpenedCard) for card in opened))
                done[0] += 1

        await asyncio.gather(*(work() for _ in range(callers)))
        return {"per_s": done[0] / (time.perf_counter() - began)}

    async def _sdk(self, batch: _Batch) -> list[Any]:
        return list(await self._billing._open_cards(batch.named, _FIELDS))  # noqa: SLF001 - without the call around it

    async def _bare(self, batch: _Batch) -> list[Any]:
        keys = self._billing._epoch_keys  # noqa: SLF001 - the same keys
        vault_id = self._billing._connection.pins.vault_id  # noqa: SLF001
        epochs = await keys.get({e.epoch_id for _, card in batch.named for e in card.sealed})
        opened = []
        for name, card in batch.named:
            for sealed in card.sealed:
                step = keys.step(epochs[sealed.epoch_id], sealed.step)
                boxes = envelope.open_boxes(vault_id, step, name, sealed, _FIELDS)
                opened.append([plaintext.decode() for _, plaintext in boxes])
        return opened

    async def _loop(self, work: Callable[[_Batch], Awaitable[list[Any]]], seconds: float) -> dict[str, Any]:
        taken: list[float] = []
        cpu, began = time.process_time(), time.perf_counter()
        while (start := time.perf_counter()) - began < seconds:
            require(holds=len(await work(self._batches[len(taken) % len(self._batches)])) == _ITEMS)
            taken.append(time.perf_counter() - start)
        return {
            "per_s": _ITEMS * len(taken) / sum(taken),
            "cpu_us": (time.process_time() - cpu) * 1e6 / len(taken),
            "taken_ms": sorted(each * 1000 for each in taken),
        }


def _measure(at: Place, plan: Plan) -> dict[str, Any]:
    with at.start("sdk", *apart.arguments("sdk_open_card", at)) as billing:
        billing.ask(do="fetch", customers=at.customers)
        for side in ("sdk", "bare"):
            billing.ask(do=side, seconds=plan.seconds / 4)
        pairs = [
            (billing.ask(do="sdk", seconds=plan.seconds / 2), billing.ask(do="bare", seconds=plan.seconds / 2))
            for _ in range(plan.rounds)
        ]
    ratio = figures.spread([sdk["per_s"] / bare["per_s"] for sdk, bare in pairs])["median"]
    return figures.special(
        {
            "cards, opened by the SDK": ("/s", [sdk["per_s"] for sdk, _ in pairs]),
            "cards, opened in a bare loop": ("/s", [bare["per_s"] for _, bare in pairs]),
            "ratio_to_primitives": ("", [sdk["per_s"] / bare["per_s"] for sdk, bare in pairs]),
            **{f"p{p} of 100": ("ms", [nearest_rank(sdk["taken_ms"], p) for sdk, _ in pairs]) for p in (50, 95, 99)},
            "CPU of 100": ("µs", [sdk["cpu_us"] for sdk, _ in pairs]),
        },
        [Goal("ratio_to_primitives", ratio, least=_LEAST)],
    )


CASE = Special(_measure)
