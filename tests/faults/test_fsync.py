"""T3, an fsync that fails: the server ends at the first, with status 70, and has acknowledged nothing after it.

Once by a real disk (a loop device whose backing is full, so that the kernel loses what it writes back), and once by an
error put in the place of the call. After the first failed call the process must not touch the stores again: a second
fsync would say that all is well. What is acknowledged is on the disk, also when everything that was only in memory is
gone; what got no answer is settled by its request_id.
"""

import asyncio
import random
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.callers import Callers
from tests.faults.disks import failing_disk
from tests.faults.examine import Toll
from tests.faults.server import STORAGE_FAILED, served
from tests.faults.shop import Shop
from tests.faults.tracing import Point, traced
from tests.figures import Figures
from tests.running import make_home

pytestmark = pytest.mark.needs("strace")

BUSY_S = 0.5
_SYNC = re.compile(r"fsync\(.*\) *= (-1 (?:EIO|ENOSPC)|0)")
NEVER = 1 << 15


async def _until_it_ends(shop: Shop, point: Point, fail: Callable[[], None]) -> list[str]:
    """Serve, load, let the disk fail; the results of each fsync on the stores, in their order."""
    async with served(shop.home) as server, Callers(shop.home) as callers, traced(server, point) as tracing:
        load = asyncio.create_task(shop.busy(callers))
        await asyncio.sleep(BUSY_S)
        await asyncio.to_thread(fail)
        assert await server.ended() == STORAGE_FAILED
        await load
    return [found[1] for found in map(_SYNC.search, tracing.lines) if found]


async def _look(shop: Shop, figures: Figures, results: list[str]) -> None:
    unknown = len(shop.pending)
    async with served(shop.home):
        await shop.look()
    first = next(at for at, result in enumerate(results) if result != "0")
    after = results[first + 1 :]
    figures(f"fsyncs {first} good, then one that failed; after it {len(after)}; unknown {unknown}; {shop.toll}")
    assert after == [], "the files were synced again after a failure"
    assert not shop.toll.found, shop.toll.found[:5]
    assert shop.toll.tried["acknowledged writes"]


@pytest.mark.parametrize("store", ["data", "keys"])
async def test_a_server_whose_disk_fails_to_sync_ends(tmp_path: Path, figures: Figures, store: str) -> None:
    """A real file system over a device that loses writes."""
    shop = Shop(await asyncio.to_thread(make_home, tmp_path), random.Random(), Toll())
    with failing_disk(shop.home / store) as disk:
        results = await _until_it_ends(shop, Point("fsync", "EIO", NEVER), disk.fail)
        disk.repair()
        await _look(shop, figures, results)


async def test_a_server_ends_at_the_first_fsync_that_fails(tmp_path: Path, figures: Figures) -> None:
    """The error alone, wherever it comes."""
    shop = Shop(await asyncio.to_thread(make_home, tmp_path), random.Random(), Toll())
    results = await _until_it_ends(shop, Point("fsync", "EIO", random.randint(2, 40)), lambda: None)
    await _look(shop, figures, results)
