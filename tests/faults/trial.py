"""One attack on one server: what others saw before and during it, and what it cost the server.

The rules are the same for each attack: every call of others is answered, memory stays under a bound that does not
depend on the attacker, and when the attack ends, so do its descriptors.
"""

import asyncio
import contextlib
import json
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from tests.faults.victims import MIB, Callers, Calls, Vitals, Watch, together
from tests.running import RunningVault

MOST_RSS = 256 * MIB
ATTACKER = "notices"
"""Whose certificate it has; nobody else calls under that name, since limits are a caller's own."""
SPARE_DESCRIPTORS = 8
"""Callers' own connections and the storage's readers come and go."""
_ROOT = Path(__file__).parents[2]


@contextlib.asynccontextmanager
async def attacking(
    vault: RunningVault, name: str, tally: Counter[str], *, role: str = ATTACKER, seconds: float, size: int = 0
) -> AsyncIterator[None]:
    """Attack, from a process of its own, for so many seconds after the attack stands; add to `tally` what it did."""
    arguments = [name, vault.address.rpartition(":")[2], str(vault.caller(role)), str(seconds), str(size)]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.faults.attacker", *arguments),
        cwd=_ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        assert await process.stdout.readline() == b"begun\n", f"{name} did not begin"
        yield
        out = await process.stdout.read()
        assert await process.wait() == 0, f"the attacker failed: {process.returncode}"
        tally.update(json.loads(out))
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@dataclass(frozen=True, slots=True)
class Result:
    """What an attack did."""

    name: str
    before: Calls
    during: Calls
    after: Calls
    tally: Counter[str]
    first: Vitals
    most: Vitals
    last: Vitals

    def __str__(self) -> str:
        """One line of figures."""
        done = ", ".join(f"{key} {value}" for key, value in self.tally.items())
        return (
            f"{self.name} ({done}): before {self.before}; during {self.during}; "
            f"RSS {self.first.rss // MIB}, at most {self.most.rss // MIB}, after {self.last.rss // MIB} MiB; "
            f"descriptors {self.first.descriptors}, {self.most.descriptors}, {self.last.descriptors}"
        )

    def check(self) -> None:
        """Hold it to the rules."""
        for calls in (self.before, self.during, self.after):
            assert calls.seconds, str(self)
            assert not calls.errors, str(self)
        assert self.most.rss < MOST_RSS, str(self)
        assert self.last.descriptors <= self.first.descriptors + SPARE_DESCRIPTORS, str(self)


async def attack(
    vault: RunningVault, callers: Callers, name: str, *, seconds: float, rounds: int = 1, size: int = 0
) -> Result:
    """Attack in turns with quiet of the same length."""
    before, during, after = [Calls() for _ in range(rounds)], [Calls() for _ in range(rounds)], Calls()
    watch = Watch(vault.process.pid)
    tally: Counter[str] = Counter()
    async with watch.watching():
        for at in range(rounds):
            await callers.call(seconds, before[at])
            async with attacking(vault, name, tally, seconds=seconds, size=size):
                await callers.call(seconds, during[at])
            await callers.call(min(1.0, seconds / 2), after)
        last = await watch.back_to(watch.first.descriptors + SPARE_DESCRIPTORS)
    return Result(name, together(before), together(during), after, tally, watch.first, watch.most, last)
