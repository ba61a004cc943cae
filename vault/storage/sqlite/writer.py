"""The thread that owns every write: it takes all that has queued up, and commits it as one group.

Concurrent calls thus share a commit, and an fsync; while one group is being synced the next one queues up. Works that
follow each other make a group; any other job (an erasure, a checkpoint, a system row) runs by itself, in its turn.

**One bad work never fails its neighbours.** If a group fails because of something in it, it is rolled back and its
works are tried again one by one; `finish` is pure, so it may be called again.

**An I/O error stops everything.** After a failed fsync nobody knows what is on the disk, and another fsync would say
that all is well: what was in flight gets `OutcomeUnknown`, what had only queued up `Unavailable`, `fatal` is called
once, and the thread ends without touching the files again.
"""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from vault.errors import OutcomeUnknown, ResourceExhausted, Unavailable, VaultError
from vault.storage.port import Committed, Work
from vault.storage.sqlite import failures, group
from vault.storage.sqlite.house import House
from vault.storage.sqlite.stores import Stores

MOST_WORKS = 128
"""In one group: few enough for one statement of entries, more than the calls that a process has in flight."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Job:
    """A work, or a function of the stores, and the future of its outcome."""

    what: Work | Callable[[Stores], Any]
    future: asyncio.Future[Any]


class Writer:
    """Owns the write connections; its public methods are called on the event loop's thread."""

    def __init__(self, fatal: Callable[[str], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._fatal = fatal
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._gone = False
        self._turn: Sequence[Job] = ()
        self._thread = threading.Thread()

    async def start(self, open_stores: Callable[[], Stores]) -> None:
        """Open the stores in the new thread; raises what opening raises."""
        ready: asyncio.Future[None] = self._loop.create_future()
        self._thread = threading.Thread(target=self._run, args=(open_stores, ready), name="vault-writer", daemon=True)
        self._thread.start()
        await ready

    def check(self) -> None:
        """Refuse a call when the store was closed or given up.

        Raises:
            Unavailable: it was.
        """
        if self._gone:
            raise Unavailable("the store is closed")

    async def commit(self, work: Work) -> Committed:
        """Queue a work and wait for its group."""
        done: Committed = await self._queue(work)
        return done

    async def run(self, job: Callable[[Stores], T]) -> T:
        """Run a function of the stores in the writer's thread, in its turn."""
        done: T = await self._queue(job)
        return done

    def stop(self) -> None:
        """Take no more; what has queued up will be finished, what is owed settled, and the files closed."""
        if not self._gone:
            self._gone = True
            self._jobs.put(None)

    async def stopped(self) -> None:
        """Wait for the end of the thread."""
        if self._thread.ident is not None:
            await asyncio.to_thread(self._thread.join)

    def _queue(self, what: Work | Callable[[Stores], Any]) -> asyncio.Future[Any]:
        self.check()
        job = Job(what, self._loop.create_future())
        self._jobs.put(job)
        return job.future

    # From here on: the writer's thread.

    def _run(self, open_stores: Callable[[], Stores], ready: asyncio.Future[None]) -> None:
        try:
            stores = open_stores()
        except BaseException as error:  # noqa: BLE001 - raised again where start() waits
            self._answer([(ready, error)])
            return
        self._answer([(ready, None)])
        try:
            self._serve(stores)
        except failures.Fatal as error:
            stores.abandon()
            self._on_loop(self._give_up, str(error))

    def _serve(self, stores: Stores) -> None:
        house = House()
        open_ = True
        while open_:
            works, other, open_ = self._next(house.due())
            if works:
                self._commit(stores, works)
            if other:
                self._call(stores, other)
            self._turn = ()
            house.keep(stores)
        house.leave(stores)

    def _next(self, due: float | None) -> tuple[Sequence[Job], Job | None, bool]:
        """Wait for a job, until `due`; then take what has queued up, up to the first that runs by itself."""
        works: list[Job] = []
        other: Job | None = None
        open_ = True
        with contextlib.suppress(Empty):
            job = self._jobs.get(timeout=None if due is None else max(0.0, due - time.monotonic()))
            while job is not None and isinstance(job.what, Work):
                works.append(job)
                if len(works) == MOST_WORKS:
                    break
                job = self._jobs.get_nowait()
            else:
                other, open_ = job, job is not None
        self._turn = [*works, other] if other else works
        return works, other, open_

    def _commit(self, stores: Stores, jobs: Sequence[Job]) -> None:
        try:
            plan = group.commit(stores, [job.what for job in jobs if isinstance(job.what, Work)])
        except Exception as error:  # noqa: BLE001 - told apart below
            self._after_failure(stores, jobs, _verdict(error))
            return
        outcomes = list(zip(jobs, plan.outcomes, plan.destroying, strict=True))
        self._answer([(job.future, outcome) for job, outcome, destroying in outcomes if not destroying])
        waiting = [(job.future, outcome) for job, outcome, destroying in outcomes if destroying]
        if waiting:
            try:
                group.destroy(stores, plan)
            except OutcomeUnknown as error:
                waiting = [(future, error) for future, _ in waiting]
            self._answer(waiting)

    def _after_failure(self, stores: Stores, jobs: Sequence[Job], error: VaultError) -> None:
        """Nothing of the group was done: if one of its works is to blame, do the others without it."""
        if len(jobs) == 1 or isinstance(error, (Unavailable, ResourceExhausted)):
            self._answer([(job.future, error) for job in jobs])
            return
        for job in jobs:
            self._commit(stores, [job])

    def _call(self, stores: Stores, job: Job) -> None:
        try:
            outcome: object = job.what(stores) if callable(job.what) else None
        except Exception as error:  # noqa: BLE001 - goes to the caller
            outcome = _verdict(error)
        self._answer([(job.future, outcome)])

    def _answer(self, outcomes: Sequence[tuple[asyncio.Future[Any], object]]) -> None:
        if outcomes:
            self._on_loop(_resolve, outcomes)

    def _on_loop(self, function: Callable[[Any], None], argument: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(function, argument)

    # Back on the event loop's thread.

    def _give_up(self, reason: str) -> None:
        """Answer all who wait; here, where jobs are queued, so that none slips in behind."""
        self._gone = True
        _resolve([(job.future, OutcomeUnknown("the store failed while writing")) for job in self._turn])
        with contextlib.suppress(Empty):
            while True:
                job = self._jobs.get_nowait()
                if job is not None:
                    _resolve([(job.future, Unavailable("the store failed before this was begun"))])
        self._fatal(reason)


def _resolve(outcomes: Sequence[tuple[asyncio.Future[Any], object]]) -> None:
    for future, outcome in outcomes:
        if future.done():  # the caller went away; what it asked for is done all the same
            continue
        if isinstance(outcome, BaseException):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)


def _verdict(error: Exception) -> VaultError:
    """The caller's error; `Fatal` is raised."""
    if isinstance(error, VaultError):
        return error
    verdict = failures.while_writing(error)
    if isinstance(verdict, failures.Fatal):
        raise verdict from None
    return verdict
