"""T2, the sweep: every system call of a write on the stores' files fails, or is the process's last.

For each operation, each kind of call and each N: the N-th call fails with EIO, or with ENOSPC, or the server is killed
there. What the caller is told must be true: done is there, failed is not there, unknown is one of them whole. Then the
same request is sent again under its request_id, and has one effect. An error that may have cost a write ends the server
(status 70); a full disk does not.
"""

import asyncio
import random
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Self

import pytest

from tests.faults import deeds, examine
from tests.faults.callers import Answer, Callers, Kind
from tests.faults.deeds import Customer, Deed
from tests.faults.examine import Toll
from tests.faults.server import STORAGE_FAILED, Server
from tests.faults.tracing import KILL, Point, traced
from tests.figures import Figures
from tests.running import make_home

pytestmark = pytest.mark.needs("strace")

SETTLES_S = 1.6
"""After a write, until its old key is retired, the key store's WAL cut and a checkpoint signed."""
OPERATIONS: dict[str, Callable[[Customer], Deed]] = {
    "create": lambda _: deeds.create(),
    "put": deeds.put,
    "add": deeds.add,
    "delete": deeds.delete,
    "erase": deeds.erase,
    "settle": deeds.put,
}
"""`settle` is a put with all that follows its answer."""
CALLS = ("pwrite64", "fsync", "fdatasync", "ftruncate", "openat", "pread64")
FAULTS = ("EIO", "ENOSPC", KILL)
DEADLY = {("pwrite64", "EIO"), ("fsync", "EIO"), ("fsync", "ENOSPC"), ("ftruncate", "EIO"), ("ftruncate", "ENOSPC")}
"""After these nobody knows what is on the disk."""


@dataclass(slots=True)
class Sweep:
    """One deployment, and the server that is hit again and again."""

    home: Path
    toll: Toll = field(default_factory=Toll)
    everybody: list[Customer] = field(default_factory=list)
    _server: Server | None = None

    async def hit(self, operation: str, point: Point) -> bool:
        """Try one point; whether the operation makes that many calls."""
        server = self._server = self._server or await Server.begin(self.home).ready()
        async with Callers(self.home) as callers:
            who = deeds.create()
            who.done((await callers.send(who.role, who.method, who.request)).response)
            deed = OPERATIONS[operation](who.customer)
            self.everybody += {who.customer, deed.customer}
            async with traced(server, point) as tracing:
                answer = await callers.send(deed.role, deed.method, deed.request)
                if operation == "settle":
                    await asyncio.sleep(SETTLES_S)
        if tracing.hit:
            await asyncio.sleep(0.1)
            await self._check_the_end(point, deadly=(point.call, point.fault) in DEADLY)
            await self._check(operation, point, deed, answer)
        else:
            deed.done(answer.response)
        return tracing.hit

    async def _check_the_end(self, point: Point, *, deadly: bool) -> None:
        server = self._server
        assert server is not None
        if deadly or point.fault == KILL or server.going:
            wanted = -signal.SIGKILL if point.fault == KILL else STORAGE_FAILED
            assert await server.ended() == wanted, point
            self._server = await Server.begin(self.home).ready()
            self.toll.tried["restarts"] += 1

    async def _check(self, operation: str, point: Point, deed: Deed, answer: Answer) -> None:
        """The answer was true; and the same request, sent again, settles it."""
        told = answer.kind
        self.toll.tried[f"points at {point.call} {point.fault}"] += 1
        self.toll.tried[f"told {told.value}"] += 1
        before = len(self.toll.found)
        if told is Kind.UNKNOWN:
            await examine.erasures_finished(self.home)
            examine.unsettled(self.home, self.toll, [deed])
        elif told is Kind.FAILED:
            examine.settled(self.home, self.toll, self.everybody, [])
        async with Callers(self.home) as callers:
            again = await callers.send(deed.role, deed.method, deed.request)
        assert again.kind is Kind.DONE, (operation, point, again.error)
        if told is Kind.DONE and not deed.erases and again.response != answer.response:
            self.toll.twice.append("another answer than the first")
        deed.done(again.response)
        examine.settled(self.home, self.toll, self.everybody, [deed])
        examine.verify(self.home, self.toll)
        await examine.read_all(self.home, self.toll, [deed.customer])
        assert len(self.toll.found) == before, (operation, point, told, self.toll.found)

    async def end(self) -> Toll:
        """Look at everything once more; the toll."""
        if self._server is not None:
            await examine.read_all(self.home, self.toll, self.everybody)
            await self._server.stop()
            self._server = None
        examine.verify(self.home, self.toll)
        return self.toll

    async def __aenter__(self) -> Self:
        """Nothing runs yet."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """No server outlives its test, whatever that found."""
        if self._server is not None:
            self._server.kill()
            await self._server.ended()


def _all_points() -> Iterator[Iterator[Point]]:
    """For each call and fault, points without end: the operation says how many there are."""
    for call in CALLS:
        for fault in FAULTS:
            if (call, fault) != ("pread64", "ENOSPC"):
                yield (Point(call, fault, when) for when in count(1))


def _check(toll: Toll, figures: Figures, operation: str, least: int) -> None:
    points = sum(number for what, number in toll.tried.items() if what.startswith("points"))
    figures(f"{operation}: {points} points; {toll}")
    assert points >= least
    assert not toll.found, toll.found[:5]


async def test_a_system_call_that_fails_makes_no_lie(tmp_path: Path, figures: Figures) -> None:
    """A sample: each operation, each fault, some N."""
    async with Sweep(await asyncio.to_thread(make_home, tmp_path)) as sweep:
        for operation in ("create", "erase"):
            for fault in FAULTS:
                await sweep.hit(operation, Point("pwrite64", fault, random.randint(1, 20)))
        for operation in ("put", "delete"):
            await sweep.hit(operation, Point("pwrite64", "ENOSPC", random.randint(1, 20)))
            await sweep.hit(operation, Point("fsync", random.choice(FAULTS), random.randint(1, 2)))
        _check(await sweep.end(), figures, "sample", 9)


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("operation", OPERATIONS)
async def test_no_system_call_that_fails_makes_a_lie(tmp_path: Path, figures: Figures, operation: str) -> None:
    """Every call of every write, and of what follows it."""
    async with Sweep(await asyncio.to_thread(make_home, tmp_path)) as sweep:
        for points in _all_points():
            for point in points:
                if not await sweep.hit(operation, point):
                    break
        _check(await sweep.end(), figures, operation, 40)
