"""T1, kill -9: at random moments of a real server under mixed writes and reads, and of its start.

What was acknowledged is there with its entry, everything else is whole or absent, the log verifies, the erased stay
erased, and a request that got no answer has one effect when it is sent again.
"""

import asyncio
import random
from pathlib import Path

import pytest

from tests.faults import examine
from tests.faults.callers import Callers
from tests.faults.examine import Toll
from tests.faults.server import Server
from tests.faults.shop import Shop
from tests.figures import Figures
from tests.running import make_home

AT_START = 0.2
"""Of the kills hit a server that has not said yet that it is ready."""
STARTING_S, UNDER_LOAD_S = 1.2, 0.7


async def _serve_and_kill(shop: Shop) -> None:
    """Once: start, look, load, kill."""
    server = Server.begin(shop.home)
    try:
        if shop.chance.random() < AT_START:
            await asyncio.sleep(shop.chance.uniform(0, STARTING_S))
            shop.toll.tried["of them at a start"] += 1
            return
        await server.ready()
        await shop.look()
        async with Callers(shop.home) as callers:
            load = asyncio.create_task(shop.busy(callers))
            await asyncio.sleep(shop.chance.uniform(0, UNDER_LOAD_S))
            server.kill()
            await load
    finally:
        server.kill()
        await server.ended()
        shop.toll.tried["kills"] += 1


async def _kill_again_and_again(folder: Path, kills: int, seed: int) -> Toll:
    toll = Toll()
    shop = Shop(await asyncio.to_thread(make_home, folder), random.Random(seed), toll)
    for _ in range(kills):
        await _serve_and_kill(shop)
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
