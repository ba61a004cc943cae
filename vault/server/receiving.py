"""A caller's requests on their way: a few at a time, so that no caller can fill the memory with them.

gRPC keeps what arrives of a request from when somebody asks for it, up to the largest size; before that, only the first
64 KiB, which HTTP/2 lets anybody send. So nobody asks before there is a place. Measured with 400 requests of nearly
4 MiB at once: 1.6 GiB when each was asked for as it came.

A small request is there when its place is, and leaves it at once. A large one keeps its place until its call has ended
and is parsed and served when no other large one is, whoever's: parsed, it may take seventy times its size (an empty
message takes 2 bytes on the wire and 140 in memory). Served one after the other they take hardly longer, as their work
is done by one thread.

A place must not be lost to a request that is begun and not ended: when others wait, who has been on the way for
`PATIENCE_S` is sent away, to come again. Who came last is the first to have the place: where requests are left behind,
those that have waited for the longest time are the ones that nobody finishes.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from vault.errors import InvalidArgument, RateLimited, Unavailable

PLACES: Final = 8
"""Of one caller. Eight of the largest requests are 12 MiB."""
LARGE_BYTES: Final = 16 * 1024
"""A batch of hundreds. What is smaller takes a megabyte at most when it is parsed, and a caller has 64 at work."""
WAITING: Final = 1000
"""Calls of one caller that may wait: what one connection may have open."""
PATIENCE_S: Final = 1.0
AGAIN_S: Final = 0.1
"""When to come again, if too many wait."""


class Receiving:
    """The places of one caller."""

    __slots__ = ("_free", "_given", "_since", "_timer", "_waiting")

    def __init__(self) -> None:
        self._free = PLACES
        self._waiting: list[asyncio.Future[None]] = []
        self._since: dict[asyncio.Task[object], float] = {}
        """Who is on the way, and since when; the first has been for the longest time."""
        self._given: set[asyncio.Task[object]] = set()
        """Those whose place was given to another."""
        self._timer: asyncio.TimerHandle | None = None

    async def take(self, read: Callable[[], Awaitable[object]]) -> bytes:
        """Receive a request; if it is a large one, its place must be given back by `leave`.

        Raises:
            RateLimited: too many wait already.
            Unavailable: others waited, and it did not arrive.
            InvalidArgument: there is none.
        """
        if self._free:
            self._free -= 1
        else:
            await self._turn()
        raw: object = None
        try:
            raw = await self._read(read)
        finally:
            if not isinstance(raw, bytes) or len(raw) <= LARGE_BYTES:
                self.leave()
        if not isinstance(raw, bytes):
            raise InvalidArgument("request", "is missing")
        return raw

    def leave(self) -> None:
        """Give a place to who came last, if anybody waits."""
        while self._waiting:
            turn = self._waiting.pop()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1

    async def _read(self, read: Callable[[], Awaitable[object]]) -> object:
        task = asyncio.current_task()
        if task is None:  # only outside of tasks, where nobody can be sent away
            return await read()
        self._since[task] = asyncio.get_running_loop().time()
        try:
            return await read()
        except asyncio.CancelledError:
            if task not in self._given:
                raise
            task.uncancel()
            raise Unavailable("the request did not arrive while others waited, nothing was done: call again") from None
        finally:
            del self._since[task]
            self._given.discard(task)

    async def _turn(self) -> None:
        if len(self._waiting) >= WAITING:
            why = "too many calls of this caller wait already, and nothing was done: wait as RetryInfo says"
            raise RateLimited(why, after=AGAIN_S, limit="concurrent")
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(PATIENCE_S, self._send_away)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                # A place that was given and cannot be taken goes to the next.
                self.leave()
            elif turn in self._waiting:
                self._waiting.remove(turn)
            raise

    def _send_away(self) -> None:
        """Take the places of those who have been on the way for too long, as long as somebody waits."""
        self._timer = None
        late = asyncio.get_running_loop().time() - PATIENCE_S
        gone = [task for task, since in self._since.items() if since <= late and task not in self._given]
        for task in gone[: len(self._waiting)]:
            self._given.add(task)
            task.cancel()
        if self._waiting:
            self._timer = asyncio.get_running_loop().call_later(PATIENCE_S / 4, self._send_away)
