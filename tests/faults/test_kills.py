"""T1, kill -9: at random moments of a real server under mixed writes and reads, and of its start.

What was acknowledged is there with its entry, everything else is whole or absent, the log verifies, the erased stay
erased, and a request that got no answer has one effect when it is sent again.
"""

import asyncio
import random
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.faults import examine
from tests.faults.callers import Callers, Kind
from tests.faults.deeds import Customer, Deed, some
from tests.faults.examine import Toll
from tests.faults.server import Server
from tests.figures import Figures
from tests.running import make_home
from vault.v1.contact_service_pb2 import GetContactRequest

WRITERS = 12
AT_START = 0.2
"""Of the kills hit a server that has not said yet that it is ready."""
STARTING_S, UNDER_LOAD_S = 1.2, 0.7
REPEATED = 5
"""Acknowledged requests that are sent once more after each kill."""


@dataclass(slots=True)
class Shop:
    """Callers of one vault, and all that they know."""

    home: Path
    chance: random.Random
    toll: Toll
    whose: list[list[Customer]] = field(default_factory=lambda: [[] for _ in range(WRITERS)])
    """Each writer has customers of its own, so the order of the writes to one is known."""
    pending: list[Deed] = field(default_factory=list)
    done: list[Deed] = field(default_factory=list)

    @property
    def everybody(self) -> list[Customer]:
        """All customers whose creation is known to be done."""
        return [who for each in self.whose for who in each]

    async def write(self, callers: Callers, number: int) -> None:
        """Write and read until the server is gone."""
        mine = self.whose[number]
        while True:
            deed = some(mine, self.chance)
            answer = await callers.send(deed.role, deed.method, deed.request)
            if answer.kind is Kind.UNKNOWN:
                self.pending.append(deed)
            if answer.kind is not Kind.DONE:
                return
            self.note(deed, answer.response, mine)
            if not await self.read(callers, self.chance.choice(mine)):
                return

    async def read(self, callers: Callers, who: Customer) -> bool:
        """A contact as it was written last, by its only writer; whether the server is there."""
        request = GetContactRequest(customer_id=who.customer_id, purpose="service_provisioning")
        answer = await callers.send("provisioning", "ContactService.GetContact", request)
        if answer.kind is Kind.DONE:
            self.toll.tried["reads"] += 1
            contact = answer.response.contact
            assert contact.name == who.values[contact.record_name]
            who.records[contact.record_name] = contact.etag
        return answer.kind is Kind.DONE or f"{who.name}/contact" not in who.values

    def note(self, deed: Deed, response: object, mine: list[Customer]) -> None:
        """It was acknowledged."""
        if deed.customer not in mine:
            mine.append(deed.customer)
        deed.done(response)
        self.done.append(deed)
        self.toll.tried["acknowledged writes"] += 1

    async def settle(self, callers: Callers) -> None:
        """Send what got no answer again, byte for byte, and some that had one."""
        for deed in self.pending:
            answer = await callers.send(deed.role, deed.method, deed.request)
            assert answer.kind is Kind.DONE, (deed.method, answer.error)
            mine = next((each for each in self.whose if deed.customer in each), self.whose[0])
            self.note(deed, answer.response, mine)
            self.toll.tried["repeated after a kill"] += 1
        self.pending.clear()
        for deed in self.chance.sample(self.done, min(REPEATED, len(self.done))):
            answer = await callers.send(deed.role, deed.method, deed.request)
            if answer.response != deed.response and not deed.erases:
                self.toll.twice.append(f"{deed.method}: another answer than the first")
            self.toll.tried["answered again"] += 1

    async def look(self) -> None:
        """After a restart: settle what is open, then compare everything."""
        examine.unsettled(self.home, self.toll, self.pending)
        examine.verify(self.home, self.toll)
        async with Callers(self.home) as callers:
            await self.settle(callers)
        examine.settled(self.home, self.toll, self.everybody, self.done)
        await examine.read_all(self.home, self.toll, self.everybody)

    async def serve_and_kill(self) -> None:
        """Once: start, look, load, kill."""
        server = Server.begin(self.home)
        try:
            if self.chance.random() < AT_START:
                await asyncio.sleep(self.chance.uniform(0, STARTING_S))
                self.toll.tried["of them at a start"] += 1
                return
            await server.ready()
            await self.look()
            async with Callers(self.home) as callers:
                load = [asyncio.create_task(self.write(callers, number)) for number in range(WRITERS)]
                await asyncio.sleep(self.chance.uniform(0, UNDER_LOAD_S))
                server.kill()
                await asyncio.gather(*load)
        finally:
            server.kill()
            await server.ended()
            self.toll.tried["kills"] += 1


async def _kill_again_and_again(folder: Path, kills: int, seed: int) -> Toll:
    toll = Toll()
    shop = Shop(await asyncio.to_thread(make_home, folder), random.Random(seed), toll)
    for _ in range(kills):
        await shop.serve_and_kill()
        assert not toll.found, toll.found[:5]
    server = await Server.begin(shop.home).ready()
    await shop.look()
    await server.stop()
    examine.verify(shop.home, toll)
    return toll


def _check(toll: Toll, figures: Figures) -> None:
    figures(str(toll))
    assert toll.tried["acknowledged writes"] > toll.tried["kills"]
    assert not toll.found, toll.found[:10]


async def test_a_killed_server_loses_tears_and_repeats_nothing(tmp_path: Path, figures: Figures) -> None:
    """Killed again and again on the same files."""
    _check(await _kill_again_and_again(tmp_path, 15, random.randrange(1 << 30)), figures)


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("seed", range(12))
async def test_three_hundred_kills_lose_tear_and_repeat_nothing(tmp_path: Path, figures: Figures, seed: int) -> None:
    """Twelve deployments of 25 kills each."""
    _check(await _kill_again_and_again(tmp_path, 25, seed), figures)
