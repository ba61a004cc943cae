"""T5: the tail of a write-ahead log is torn, as by a disk that acknowledged what it had not written.

What opens is a whole prefix of what was acknowledged, or it is refused. Where the loss is told: every commit of the
key store has a number that the data store depends on, and notes the size of the log, once a second at least. So a torn
key store is always refused if anything was written after what it lost, and a torn data store is refused if it lost
anything that is older than the newest note. What is younger, a second of acknowledged writes, can go untold with a disk
that lies: nothing else on this machine knew of it yet, and no signed checkpoint had left that covers it.
"""

import asyncio
import random
import shutil
from pathlib import Path

import pytest

from tests.faults.callers import Callers
from tests.faults.server import Server
from tests.faults.torn import WALS, Killed, Tally, Tear, fresh, tear, variants, whole, work
from tests.figures import Figures
from tests.running import make_home

CUSTOMERS = 8


@pytest.fixture
async def killed(tmp_path: Path, quick_disk: Path) -> Killed:
    """A vault whose server was killed right after it had acknowledged a write."""
    home = await asyncio.to_thread(make_home, tmp_path)
    server = await Server.begin(home).ready()
    try:
        async with Callers(home) as callers:
            names = await work(callers, CUSTOMERS)
    finally:
        server.kill()
        await server.ended()
    copy = quick_disk / "killed"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(home, copy, ignore=shutil.ignore_patterns("*-shm"))
    return await whole(copy, quick_disk / "torn", names)


async def judge(killed: Killed, scratch: Path, chosen: list[tuple[str, Tear, int]], figures: Figures) -> Tally:
    """Tear, open, look."""
    tally = Tally()
    for name, how, at in chosen:
        home = fresh(killed.home, scratch)
        tear(home / name, how, at)
        tally.add(f"{name} at {at}, {how}", how, await killed.examine(home))
    sizes = ", ".join(f"{name} {(killed.home / name).stat().st_size >> 10} KiB" for name in WALS)
    figures(f"{tally.line()}; {sizes}")
    assert not tally.wrong
    assert tally.refused
    assert tally.whole
    assert all("older than" in said or "fewer entries" in said for said in tally.refused), tally.refused
    return tally


@pytest.mark.timeout(300)
async def test_a_torn_wal_opens_as_a_whole_prefix_or_is_refused(
    killed: Killed, quick_disk: Path, figures: Figures
) -> None:
    """A sample of the sectors."""
    chosen = random.Random(5).sample(list(variants(killed.home)), 90)
    await judge(killed, quick_disk / "torn", chosen, figures)


@pytest.mark.long
@pytest.mark.timeout(3600)
async def test_every_torn_sector_opens_as_a_whole_prefix_or_is_refused(
    killed: Killed, quick_disk: Path, figures: Figures
) -> None:
    """T5: all of them, in all three ways."""
    await judge(killed, quick_disk / "torn", list(variants(killed.home)), figures)
