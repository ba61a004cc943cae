"""The thread's side of the writer: it owns every write connection, and does one turn after the other.

Works that follow each other in a turn make a group, with one commit; any other job (an erasure, a checkpoint, a system
row) runs by itself, in its place.

**One bad work never fails its neighbours.** If a group fails because of something in it, it is rolled back and its
works are tried again one by one; `finish` is pure, so it may be called again.

**An I/O error stops everything.** After a failed fsync nobody knows what is on the disk, and another fsync would say
that all is well: the thread ends without touching the files again, what it had begun has an unknown outcome, and
`fatal` is called once.
"""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from queue import Empty, SimpleQueue
from typing import Any

from vault.errors import OutcomeUnknown, ResourceExhausted, Unavailable
from vault.storage.port import Work
from vault.storage.sqlite import failures, group
from vault.storage.sqlite.house import House
from vault.storage.sqlite.stores import Stores
from vault.storage.stats import WriterStats

MOST_WORKS = 128
"""In one group: few enough for one statement of entries, more than the calls that a process has in flight."""


@dataclass(frozen=True, slots=True)
class Job:
    """A work, or a function of the stores, and the future of its outcome."""

    what: Work | Callable[[Stores], Any]
    future: asyncio.Future[Any]


Outcomes = Sequence[tuple[Job, object]]


class WriterThread:
    """`start`, `take`, `stop` and `join` are called on the loop's thread, and so are the two callbacks."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        end_turn: Callable[[Outcomes], None],
        give_up: Callable[[str], None],
    ) -> None:
        self._loop = loop
        self._end_turn = end_turn
        self._give_up = give_up
        self._turns: SimpleQueue[Sequence[Job] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self.stats = WriterStats()
        self.owed = 0

    async def start(self, open_stores: Callable[[], Stores]) -> None:
        """Open the stores in the new thread; raises what opening raises."""
        ready: asyncio.Future[None] = self._loop.create_future()
        job = Job(lambda _: None, ready)
        self._thread = threading.Thread(target=self._run, args=(open_stores, job), name="vault-writer", daemon=True)
        self._thread.start()
        await ready

    def take(self, turn: Sequence[Job]) -> None:
        """The next turn; `end_turn` is called when all of it has its outcome."""
        self._turns.put(turn)

    def stop(self) -> None:
        """End after the turns taken: leave nothing owed, and close the files."""
        self._turns.put(None)

    def join(self) -> None:
        """Wait for the end; blocks."""
        if self._thread is not None:
            self._thread.join()

    def _run(self, open_stores: Callable[[], Stores], ready: Job) -> None:
        try:
            stores = open_stores()
        except BaseException as error:  # noqa: BLE001 - raised again where start() waits
            self._on_loop(resolve, [(ready, error)])
            return
        self._on_loop(resolve, [(ready, None)])
        try:
            self._serve(stores)
        except Exception as error:  # noqa: BLE001 - nobody may wait for ever for a thread that is gone
            stores.abandon()
            known = isinstance(error, failures.Fatal)
            self._on_loop(self._give_up, str(error) if known else f"the writer failed: {type(error).__name__}")

    def _serve(self, stores: Stores) -> None:
        house = House()
        while (turn := self._next(house.due())) is not None:
            answers: Outcomes = ()
            for is_work, same in groupby(turn, key=lambda job: isinstance(job.what, Work)):
                self._answer(answers)
                jobs = list(same)
                answers = self._works(stores, jobs) if is_work else [_call(stores, job) for job in jobs]
            if turn:
                self._on_loop(self._end_turn, answers)
            house.keep(stores)
            self.owed = len(stores.owed.retire) + len(stores.owed.discard) + len(stores.owed.destroy)
        house.leave(stores)

    def _next(self, due: float | None) -> Sequence[Job] | None:
        """The next turn; an empty one if none came until `due`."""
        try:
            return self._turns.get(timeout=None if due is None else max(0.0, due - time.monotonic()))
        except Empty:
            return ()

    def _works(self, stores: Stores, jobs: Sequence[Job]) -> Outcomes:
        """Commit works in groups; the outcomes that were not sent yet."""
        answers: Outcomes = ()
        for start in range(0, len(jobs), MOST_WORKS):
            self._answer(answers)
            answers = self._group(stores, jobs[start : start + MOST_WORKS])
        return answers

    def _group(self, stores: Stores, jobs: Sequence[Job]) -> Outcomes:
        began = time.monotonic()
        try:
            plan = group.commit(stores, [job.what for job in jobs if isinstance(job.what, Work)])
        except Exception as error:  # noqa: BLE001 - told apart there
            return self._after_failure(stores, jobs, failures.for_caller(error))
        self.stats.committed(len(jobs), time.monotonic() - began)
        outcomes = list(zip(jobs, plan.outcomes, strict=True))
        if not any(plan.destroying):
            return outcomes
        waiting = [pair for pair, destroying in zip(outcomes, plan.destroying, strict=True) if destroying]
        self._answer([pair for pair, destroying in zip(outcomes, plan.destroying, strict=True) if not destroying])
        try:
            group.destroy(stores, plan)
        except OutcomeUnknown as error:
            return [(job, error) for job, _ in waiting]
        return waiting

    def _after_failure(self, stores: Stores, jobs: Sequence[Job], error: Exception) -> Outcomes:
        """Nothing of the group was done: if one of its works is to blame, do the others without it."""
        if isinstance(error, (Unavailable, ResourceExhausted)):
            self.stats.failed(time.monotonic())
            # Not a fault of one work's. But reads need the data store alone, so a full key store does not stop them.
            reads, writes = [job for job in jobs if _reads(job)], [job for job in jobs if not _reads(job)]
            if not (reads and writes):
                return [(job, error) for job in jobs]
            return [*((job, error) for job in writes), *self._group(stores, reads)]
        if len(jobs) == 1:
            return [(job, error) for job in jobs]
        return [outcome for job in jobs for outcome in self._group(stores, [job])]

    def _answer(self, outcomes: Outcomes) -> None:
        if outcomes:
            self._on_loop(resolve, outcomes)

    def _on_loop(self, function: Callable[[Any], None], argument: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(function, argument)


def resolve(outcomes: Outcomes) -> None:
    """Set the futures; on the loop's thread."""
    for job, outcome in outcomes:
        if job.future.done():  # the caller went away; what it asked for is done all the same
            continue
        if isinstance(outcome, BaseException):
            job.future.set_exception(outcome)
        else:
            job.future.set_result(outcome)


def _call(stores: Stores, job: Job) -> tuple[Job, object]:
    try:
        return job, job.what(stores) if callable(job.what) else None
    except Exception as error:  # noqa: BLE001 - goes to the caller
        return job, failures.for_caller(error)


def _reads(job: Job) -> bool:
    """Whether all that it brings is its entry."""
    return isinstance(job.what, Work) and group.only_entries([job.what])
