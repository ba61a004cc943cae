"""A server that works for a while under mixed load, with attacks now and then (T25): nothing grows that should not.

`scripts/test --long tests/faults/test_soak.py -n 0` runs 20 minutes; the environment variable VAULT_SOAK_MINUTES says
otherwise. The normal run takes a sample of 20 seconds, which shows that the harness works and errors are none, and
nothing about leaks.

Bounds, and why these: memory never reaches 256 MiB, attacks included. In runs of at least ten minutes the line fitted
through the second half may rise by `MOST_GROWTH`: a leak of one kilobyte a call would be twice that at this rate, and
an allocator that has not settled is well below it. Descriptors must be back when the callers have gone. The WAL is
checkpointed beside readers that come and go: were one to block it, it would pass its bound within minutes.
"""

import asyncio
import os
from collections import Counter
from itertools import cycle
from pathlib import Path

import pytest

from tests.faults.attacker import ATTACKS
from tests.faults.soak_load import Load
from tests.faults.soak_samples import Samples
from tests.faults.trial import MOST_RSS, SPARE_DESCRIPTORS, attacking
from tests.faults.victims import MIB, Watch
from tests.figures import Figures
from tests.running import RunningVault, make_home, serving

MINUTES = float(os.environ.get("VAULT_SOAK_MINUTES", "20"))
MOST_GROWTH = 64.0
"""MiB an hour, beyond the error of the fit."""
LONG_ENOUGH = 600.0
"""Seconds from which a slope is held to its bound."""
MOST_WAL = 64 * MIB
PULSES = ("rapid reset", "silent TLS", "SETTINGS, nothing read", "half-sent calls", "header table bomb", "silent TCP")
"""Those of the normal run; a soak goes through all."""


async def soak(
    vault: RunningVault, file: Path, figures: Figures, *, seconds: float, every: float, pulse: float, attacks: list[str]
) -> None:
    """Load the server, attack it now and then, and hold it to the bounds.

    Args:
        vault: the server.
        file: for the samples.
        figures: notes lines.
        seconds: how long.
        every: between samples.
        pulse: how long an attack lasts; quiet lasts six times as long.
        attacks: in turns.
    """
    watch, load, samples, tally = Watch(vault.process.pid), Load(vault), Samples(vault, file), Counter[str]()
    pulses = 0

    async def attack() -> None:
        nonlocal pulses
        for name in cycle(attacks):
            await asyncio.sleep(6 * pulse)
            samples.begin(name)
            async with attacking(vault, name, tally, seconds=pulse):
                pass
            samples.end()
            pulses += 1

    async with load.running():
        attacker = asyncio.create_task(attack())
        ends = asyncio.get_running_loop().time() + seconds
        while asyncio.get_running_loop().time() < ends and not attacker.done():
            await asyncio.sleep(every)
            watch.look()
            samples.take(load)
        attacker.cancel()
        await asyncio.wait([attacker])
    last = await watch.back_to(watch.first.descriptors + SPARE_DESCRIPTORS, within=30)

    figures(f"{load.made.total()} calls {dict(load.made)}, errors {load.errors.total()} {dict(load.errors)}")
    figures(f"{pulses} attacks, {tally['frames']} frames, {tally['opened']} connections held")
    for line in samples.report():
        figures(line)
    figures(f"descriptors before {watch.first.descriptors}, after {last.descriptors}")
    assert attacker.cancelled(), attacker.exception()
    assert not load.errors, load.errors
    assert last.descriptors <= watch.first.descriptors + SPARE_DESCRIPTORS
    assert max(each.rss for each in samples.taken) < MOST_RSS
    assert max(each.wal for each in samples.taken) < MOST_WAL
    if seconds >= LONG_ENOUGH:
        slope = samples.slope("rss", MIB)
        assert slope.per_hour - slope.error < MOST_GROWTH, slope


async def test_a_short_soak_makes_no_error(tmp_path: Path, figures: Figures) -> None:
    """Twenty seconds of load and a few attacks."""
    with serving(make_home(tmp_path)) as vault:
        await soak(vault, tmp_path / "samples.json", figures, seconds=20, every=1, pulse=0.5, attacks=list(PULSES))


@pytest.mark.long
@pytest.mark.timeout(int(MINUTES * 60) + 300)
async def test_a_long_soak_leaks_nothing(tmp_path: Path, figures: Figures) -> None:
    """Twenty minutes of load, and each attack for five seconds in turns with thirty of quiet."""
    with serving(make_home(tmp_path)) as vault:
        file = tmp_path / "samples.json"
        await soak(vault, file, figures, seconds=MINUTES * 60, every=3, pulse=5, attacks=list(ATTACKS))
