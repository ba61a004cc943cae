"""The limits of each caller, at the door: a token bucket for records, one for searches, and a queue for turns.

Checked as soon as a caller is known, before its request is parsed, so that a flood costs a dictionary look-up a call. A
call is let in while its bucket has a token, and then charged with what it turns out to be: a batch with its items, a
list with what it returned. So a bucket may go into debt by one batch, and the next call waits until that is paid off;
the rate holds in the long run whatever the size of batches, and no batch is larger than its bucket.

Turns: at most `concurrent` calls of a caller are at work, the rest wait in the caller's own queue. Who comes with a
thousand calls at once is served as fast as anybody; but a call of somebody else waits behind `concurrent` of them and
not behind a thousand. How many requests may be on their way stands in `vault.server.receiving`.

Memory is bounded by the policy: a state for each caller that it names, and one for all certificates that it does not.

Refusals are counted, and logged as few entries: the first at once, then one a minute with a count, as long as there are
any. An entry for each would let whoever is over a limit fill the disk; no entry at all would hide a flood from whoever
reads the log. The refusal does not wait for its entry: nothing has left, and nothing was done.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from vault.errors import RateLimited, VaultError
from vault.policy.limits import Limit
from vault.policy.model import Policy
from vault.server.metrics.counts import UNKNOWN, Counts
from vault.server.receiving import AGAIN_S, WAITING, Receiving

LOG_EVERY_S: Final = 60.0
_STREAM_S: Final = 1.0
"""When to come again, if too many streams are open."""

LogRefused = Callable[[str, str, int], Awaitable[None]]
"""Logs that calls of a caller were refused: SPIFFE ID, method of the first, how many."""


class Bucket:
    """Tokens that come at a rate, up to a number; taking may go into debt."""

    __slots__ = ("at", "burst", "rate", "tokens")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self.rate, self.burst, self.tokens, self.at = rate, burst, burst, now

    def wait(self, now: float) -> float:
        """Seconds until there is a token; 0 if there is one."""
        self.tokens = min(self.burst, self.tokens + (now - self.at) * self.rate)
        self.at = now
        return 0.0 if self.tokens >= 1 else (1 - self.tokens) / self.rate

    def adopt(self, rate: float, burst: float) -> None:
        """Go on under other numbers."""
        self.rate, self.burst = rate, burst


@dataclass(slots=True)
class _Refused:
    """Refusals that are not in the log yet."""

    caller: str = ""
    method: str = ""
    count: int = 0
    timer: asyncio.TimerHandle | None = None


class Turns:
    """So many at a time, the rest in the order in which they came."""

    __slots__ = ("_limiter", "_queue", "most", "taken")

    def __init__(self, limiter: "Limiter", most: float) -> None:
        self.most = most
        self.taken = 0
        self._limiter = limiter
        self._queue: deque[asyncio.Future[None]] = deque()

    async def take(self) -> None:
        """Wait for a turn; `leave` ends it.

        Raises:
            RateLimited: too many wait already.
        """
        if self.taken < self.most:
            self.taken += 1
            return
        if len(self._queue) >= WAITING:
            raise RateLimited(_TURNS, after=AGAIN_S, limit="concurrent")
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append(turn)
        self._limiter.waiting += 1
        try:
            await turn
        except asyncio.CancelledError:
            # A turn that was given and cannot be taken goes to the next.
            if turn.done() and not turn.cancelled():
                self.leave()
            raise
        finally:
            self._limiter.waiting -= 1

    def leave(self) -> None:
        """One has ended: the next one's turn."""
        while self._queue and self.taken <= self.most:
            turn = self._queue.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self.taken -= 1


class Visitor:
    """One caller."""

    __slots__ = (
        "_charged", "_limiter", "_proofs", "_records", "_searches", "limit", "receiving", "refused", "role", "streams",
        "working",
    )  # fmt: skip

    def __init__(self, limiter: "Limiter", role: str, limit: Limit, now: float) -> None:
        self.role = role
        self.limit = limit
        self.working = Turns(limiter, limit.concurrent)
        """Calls at work."""
        self.streams = 0
        self.receiving = Receiving()
        self.refused = _Refused()
        self._limiter = limiter
        self._charged = limiter.counts.records(role)
        self._records = Bucket(limit.records_per_second, limit.burst, now)
        self._searches = Bucket(limit.searches_per_second, limit.search_burst, now)
        self._proofs = Bucket(limit.records_per_second, limit.burst, now)

    def adopt(self, role: str, limit: Limit) -> None:
        """Go on under another policy, with what was used up."""
        self.role, self.limit, self._charged = role, limit, self._limiter.counts.records(role)
        self.working.most = limit.concurrent
        self._records.adopt(limit.records_per_second, limit.burst)
        self._searches.adopt(limit.searches_per_second, limit.search_burst)
        self._proofs.adopt(limit.records_per_second, limit.burst)

    def admit(self, now: float, *, searches: bool, proofs: bool = False) -> None:
        """Let a call in, and charge it with one record.

        Raises:
            RateLimited: there is no room now.
        """
        if searches:
            if wait := self._searches.wait(now):
                raise RateLimited(_SEARCHES, after=wait, limit="searches")
            self._searches.tokens -= 1
        if wait := (self._proofs if proofs else self._records).wait(now):
            raise RateLimited(_RECORDS, after=wait, limit="records")
        self.charge(1, proofs=proofs)

    def charge_items(self, records: int, *, proofs: bool = False) -> None:
        """Take what a batch costs beside the record that was paid at the door.

        Between the two its request had to arrive, and as many others may have come in: who is in debt by then has had a
        batch already, or all that are let in at once would be more than a bucket.

        Raises:
            RateLimited: the caller is in debt.
        """
        bucket = self._proofs if proofs else self._records
        if records and bucket.tokens < 0 and (wait := bucket.wait(time.monotonic())):
            raise RateLimited(_RECORDS, after=wait, limit="records")
        self.charge(records, proofs=proofs)

    def charge(self, records: int, *, proofs: bool = False) -> None:
        """Take the rest of what a call costs; into debt, if need be. Proofs come out of a bucket of the same size."""
        (self._proofs if proofs else self._records).tokens -= records
        self._charged[0] += records

    def behind(self, now: float) -> float:
        """Seconds until the debt is paid off; 0 if there is none. Streams wait so long, see `vault.server.streams`."""
        return self._records.wait(now)

    def open_stream(self) -> None:
        """Count a stream that is open, whether anything moves on it or not; `close_stream` ends it.

        Raises:
            RateLimited: there are as many as calls may be at work at a time.
        """
        if self.streams >= self.limit.concurrent:
            raise RateLimited(_STREAMS, after=_STREAM_S, limit="streams")
        self.streams += 1

    def close_stream(self) -> None:
        """One less is open."""
        self.streams -= 1


class Limiter:
    """All callers, by SPIFFE ID."""

    def __init__(self, policy: Policy, counts: Counts, log_refused: LogRefused) -> None:
        self.counts = counts
        self.waiting = 0
        self.large = Turns(self, 1)
        """Large requests at work, of all callers: see `vault.server.receiving`."""
        self._log_refused = log_refused
        self._loop = asyncio.get_running_loop()
        self._writing: set[asyncio.Task[None]] = set()
        self.unknown = Visitor(self, UNKNOWN, policy.limits.unknown, self._loop.time())
        self._visitors: dict[str, Visitor] = {}
        self.adopt(policy)

    def adopt(self, policy: Policy) -> None:
        """Go on under another policy; who is known keeps what it has used up."""
        self.unknown.adopt(UNKNOWN, policy.limits.unknown)
        visitors, now = {}, self._loop.time()
        for name, caller in policy.callers.items():
            role, limit = "+".join(sorted(caller.roles)), policy.limits.of(name, caller.roles)
            visitor = self._visitors.get(name) or Visitor(self, role, limit, now)
            visitor.adopt(role, limit)
            visitors[name] = visitor
        self._visitors = visitors

    def visitor(self, spiffe_id: str) -> Visitor:
        """The state of a caller."""
        return self._visitors.get(spiffe_id) or self.unknown

    def refused(self, visitor: Visitor, spiffe_id: str, method: str, error: RateLimited) -> None:
        """Count a refusal, and see that it gets into the log."""
        self.counts.limited[visitor.role, error.limit] += 1
        pending = visitor.refused
        if not pending.count:
            pending.caller, pending.method = spiffe_id, method
        pending.count += 1
        if pending.timer is None:
            self._write(visitor)

    async def close(self) -> None:
        """Log what is left."""
        for visitor in (self.unknown, *self._visitors.values()):
            if visitor.refused.timer is not None:
                visitor.refused.timer.cancel()
                self._write(visitor)
        await asyncio.gather(*self._writing)
        for visitor in (self.unknown, *self._visitors.values()):
            if visitor.refused.timer is not None:
                visitor.refused.timer.cancel()

    def _write(self, visitor: Visitor) -> None:
        """Log what is pending, and look again in a minute; if nothing is, the next refusal is the first again."""
        pending = visitor.refused
        pending.timer = None
        if pending.count:
            pending.timer = self._loop.call_later(LOG_EVERY_S, self._write, visitor)
            task = self._loop.create_task(self._log(pending, pending.count))
            self._writing.add(task)
            task.add_done_callback(self._writing.discard)
            pending.count = 0

    async def _log(self, pending: _Refused, count: int) -> None:
        try:
            await self._log_refused(pending.caller, pending.method, count)
        except VaultError:
            # The store cannot take it now: with the next.
            pending.count += count


_RECORDS = "too many records for this caller's limit, and nothing was done: wait as RetryInfo says"
_SEARCHES = "too many searches for this caller's limit, and nothing was done: wait as RetryInfo says"
_STREAMS = "too many streams of this caller are open, and nothing was done: wait as RetryInfo says"
_TURNS = "too many calls of this caller wait already, and nothing was done: wait as RetryInfo says"
