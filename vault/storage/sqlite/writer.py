"""The loop's side of the writer: jobs queue up here, and go to the thread as one turn.

Concurrent calls share a commit, and so an fsync. How many share one decides the throughput, since a turn costs the
thread a few wake-ups beside a busy loop, whatever it carries. A thread that fetched its own work would be back so soon
that it found one job each time (measured, 32 callers: 1.4 works a turn, and a third of the calls lost). So the loop
hands over: when the turn before has ended, and when the callbacks that are ready now have run, for each of them may
bring a job. While more than one caller is about, it also waits a little for those who are on their way: an fsync, two
wake-ups and a reader's page cache are paid for each turn (measured, 32 callers: 1.1 works a turn without it, 4 to 7
with 2 ms, 30 % more calls for the same CPU). Those of the turn before come back after as long as the loop needs to
serve them, so the wait grows with their number: 32 callers who read one record cost 10 % less CPU than with 2 ms, and
3 callers have their answers no later. A caller who is alone never waits.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from vault.errors import OutcomeUnknown, Unavailable
from vault.storage.port import Committed, Work
from vault.storage.sqlite.stores import Stores
from vault.storage.sqlite.thread import Job, Outcomes, WriterThread, resolve
from vault.storage.stats import WriterStats

T = TypeVar("T")

GATHER_S: Final = 0.001
"""For each work of the turn before: about what the loop needs for the next call of its caller."""
MOST_S: Final = 0.01
"""Less than a call spends in the queues of a server with so many callers, so nobody notices."""


class Writer:
    """Queues jobs for the thread that writes; every method is called on the event loop's thread."""

    def __init__(self, fatal: Callable[[str], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._fatal = fatal
        self._gone = False
        self._waiting: list[Job] = []
        self._turns: deque[Sequence[Job]] = deque()
        """What the thread has, oldest first: one turn, and a last one at the end."""
        self._asked = False
        """Whether the next hand-over is on its way."""
        self._thread = WriterThread(self._loop, self._end_turn, self._give_up)

    async def start(self, open_stores: Callable[[], Stores]) -> None:
        """Open the stores in the new thread; raises what opening raises."""
        await self._thread.start(open_stores)

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

    @property
    def stats(self) -> WriterStats:
        """What the thread did, since the start."""
        return self._thread.stats

    @property
    def queue(self) -> int:
        """Jobs that wait, or that the thread has."""
        return len(self._waiting) + sum(map(len, self._turns))

    @property
    def owed(self) -> int:
        """Keys that the next commit of the key store retires or destroys."""
        return self._thread.owed

    def stop(self) -> None:
        """Take no more; what has queued up will be finished, what is owed settled, and the files closed."""
        if not self._gone:
            self._gone = True
            self._hand_over()
            self._thread.stop()

    async def stopped(self) -> None:
        """Wait for the end of the thread."""
        await asyncio.to_thread(self._thread.join)

    def _queue(self, what: Work | Callable[[Stores], Any]) -> asyncio.Future[Any]:
        self.check()
        job = Job(what, self._loop.create_future())
        self._waiting.append(job)
        if not self._turns and not self._asked:
            self._asked = True
            self._loop.call_soon(self._hand_over)
        return job.future

    def _hand_over(self) -> None:
        self._asked = False
        turn, self._waiting = self._waiting, []
        if turn:
            self._turns.append(turn)
            self._thread.take(turn)

    def _end_turn(self, outcomes: Outcomes) -> None:
        resolve(outcomes)
        ended = len(self._turns.popleft())
        alone = len(outcomes) == 1 and not self._waiting
        if alone or self._gone:
            self._hand_over()
        elif not self._asked:
            self._asked = True
            self._loop.call_later(min(MOST_S, GATHER_S * ended), self._hand_over)

    def _give_up(self, reason: str) -> None:
        """Answer all who wait; here, where jobs are queued, so that none slips in behind."""
        self._gone = True
        resolve([(job, OutcomeUnknown("the store failed while writing")) for turn in self._turns for job in turn])
        resolve([(job, Unavailable("the store failed before this was begun")) for job in self._waiting])
        self._waiting.clear()
        self._turns.clear()
        self._fatal(reason)
