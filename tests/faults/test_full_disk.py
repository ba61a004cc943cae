"""T4, a full disk under the data (with the log) or under the keys: a clear refusal, no plaintext without its entry.

Nothing is left half-written, nobody is told a lie, and when there is room again the same process goes on.
"""

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.abuse import disk as files
from tests.faults import examine
from tests.faults.callers import Answer, Callers, Kind
from tests.faults.deeds import Customer, create
from tests.faults.disks import SmallDisk, small_disk
from tests.faults.examine import Toll
from tests.faults.server import served
from tests.faults.shop import Shop
from tests.figures import Figures
from tests.running import make_home
from vault.audit.entry import parse
from vault.audit.log import LATE_S
from vault.errors import OutcomeUnknown, ResourceExhausted, Unavailable
from vault.store.v1.audit_entry_pb2 import OUTCOME_ALLOWED
from vault.v1.contact_service_pb2 import GetContactRequest

READ = "ContactService.GetContact"
KEPT = 5
AGAIN = 100
"""Attempts, a tenth of a second apart, until a server that has room works again."""


@dataclass(slots=True)
class Watch:
    """What callers are told while a disk is full."""

    shop: Shop
    kept: list[Customer]
    """Customers whom nobody changes: reading them fails for no other reason than the disk."""
    plaintexts: int = 0
    unlogged: int = 0
    """Plaintexts that no entry knows of."""
    told: Counter[str] = field(default_factory=Counter)

    async def begin(self, callers: Callers) -> None:
        """Create those who are read."""
        for deed in (create() for _ in range(KEPT)):
            answer = await callers.send(deed.role, deed.method, deed.request)
            self.shop.note(deed, answer.response, self.kept)

    async def read(self, callers: Callers) -> Answer:
        """A contact, in plain if there is an answer."""
        who = random.choice(self.kept)
        request = GetContactRequest(customer_id=who.customer_id, purpose="service_provisioning")
        answer = await callers.send("provisioning", READ, request)
        self.plaintexts += answer.kind is Kind.DONE
        return answer

    async def press(self, callers: Callers, seconds: float) -> None:
        """Write and read for a while, whatever is answered."""
        ends = asyncio.get_running_loop().time() + seconds

        async def caller(mine: list[Customer]) -> None:
            while asyncio.get_running_loop().time() < ends:
                self.note("write", await self.shop.one(callers, mine))
                self.note("read", await self.read(callers))
                await asyncio.sleep(0.02)

        await asyncio.gather(*(caller(mine) for mine in self.shop.whose[:6]))

    def note(self, what: str, answer: Answer) -> None:
        """Refusals are of three kinds, and say what to do."""
        self.told[f"{what} {answer.kind.value}"] += 1
        if answer.error is not None:
            assert isinstance(answer.error, ResourceExhausted | Unavailable | OutcomeUnknown), answer.error
            assert any(step in str(answer.error) for step in ("make room", "repeat", "checkpoints")), answer.error

    def entries(self) -> int:
        """Reads that the log knows to have been answered."""
        found = (parse(row[2]) for row in files.rows(self.shop.home / files.DATA, "log_entries"))
        return sum(entry.action == READ and entry.outcome == OUTCOME_ALLOWED for entry in found)


async def _fill_and_make_room(shop: Shop, disk: SmallDisk, seconds: float) -> Watch:
    """One server through all of it."""
    watch = Watch(shop, shop.whose[-1])
    async with served(shop.home) as server, Callers(shop.home) as callers:
        await watch.begin(callers)
        await watch.press(callers, 1)
        assert set(watch.told) == {"write done", "read done"}
        watch.told.clear()
        disk.fill()
        await watch.press(callers, seconds)
        assert watch.told["write failed"]
        disk.make_room()
        for _ in range(AGAIN):
            if (await watch.read(callers)).kind is Kind.DONE:
                break
            await asyncio.sleep(0.1)
        assert server.process.poll() is None
        await examine.erasures_finished(shop.home)
        await shop.look()
        watch.unlogged = max(0, watch.plaintexts - watch.entries())
        examine.verify(shop.home, shop.toll)
    return watch


async def _check(home: Path, store: str, seconds: float, figures: Figures) -> None:
    shop = Shop(home, random.Random(), Toll())
    with small_disk(home / store, "8m") as disk:
        watch = await _fill_and_make_room(shop, disk, seconds)
        told = ", ".join(f"{what} {count:,}" for what, count in sorted(watch.told.items()))
        unlogged = f"plaintexts without an entry {watch.unlogged}"
        figures(f"{store} full for {seconds:.0f} s: {told}; {unlogged}; {shop.toll}")
        assert not watch.unlogged
        assert not shop.toll.found, shop.toll.found[:5]
    if store == "data":
        assert watch.told["read failed"]


@pytest.mark.parametrize("store", ["data", "keys"])
async def test_a_full_disk_is_refused_clearly_and_survived(tmp_path: Path, figures: Figures, store: str) -> None:
    """For a few seconds."""
    await _check(await asyncio.to_thread(make_home, tmp_path), store, 3, figures)


@pytest.mark.long
@pytest.mark.parametrize("store", ["data", "keys"])
async def test_a_disk_that_stays_full_is_survived(tmp_path: Path, figures: Figures, store: str) -> None:
    """For longer than a server may go on without a signed checkpoint: then it refuses reads as well."""
    await _check(await asyncio.to_thread(make_home, tmp_path), store, LATE_S + 8, figures)
