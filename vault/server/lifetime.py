"""How long a stream may last, and what ends it early.

A call lasts milliseconds, so whoever is let in at its start is let in for all of it. A stream may last half an hour,
and what was true at its start is looked at again while it does: the caller's certificate and the deny-list, the end of
its time, and whether the caller still takes or sends what the stream consists of. A caller who stands still would hold
memory and, on an upload, a lease on disk space, for as long as it likes.

All of that is one timer for each stream, every few seconds, and not one for each message. What ends a stream, ends it
by one way: the work is cancelled, as if the caller had gone, and the reason is raised in its place.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Final

from vault.errors import DeadlineExceeded, VaultError

LOOK_SECONDS = 5.0
"""Between two looks: so long a certificate that has expired, or a caller who stands still, is suffered."""
STALL_SECONDS = 30.0
"""Without one message taken or sent by the caller: no line that mail is sent over needs half a minute for 64 KiB."""
LONGEST_SECONDS = 1800.0
"""Of any stream. Connections end at this age anyway (`vault.server.edge`), and a client that follows something comes
again where it stopped."""

_STOOD: Final = "nothing was taken or sent on this stream for too long: call again, or read faster"


class Lifetime:
    """Of one stream; `lasting` is the block that it bounds."""

    __slots__ = ("_check", "_ends", "_error", "_loop", "_scope", "_timer", "_waiting_since")

    def __init__(self, check: Callable[[], None], seconds: float) -> None:
        """Nothing runs yet.

        Args:
            check: looks at the caller again; what it raises ends the stream.
            seconds: at most.
        """
        self._loop = asyncio.get_running_loop()
        self._check = check
        self._ends = self._loop.time() + seconds
        self._error: BaseException | None = None
        self._waiting_since = 0.0
        self._scope = asyncio.timeout(None)
        self._timer: asyncio.TimerHandle | None = None

    @contextlib.asynccontextmanager
    async def lasting(self) -> AsyncIterator[None]:
        """Bound what is inside; once.

        Raises:
            VaultError: why it ended early.
        """
        try:
            async with self._scope:
                self._timer = self._loop.call_later(LOOK_SECONDS, self._look)
                yield
        except TimeoutError:
            if self._error is None or not self._scope.expired():
                raise
            raise self._error from None
        finally:
            if self._timer is not None:
                self._timer.cancel()

    def waits(self) -> None:
        """From here on it is the caller's turn to do something."""
        self._waiting_since = self._loop.time()

    def works(self) -> None:
        """From here on it is ours; what ended before was ended, so nothing has to say it then."""
        self._waiting_since = 0.0

    def end(self, error: BaseException) -> None:
        """Cancel what is inside, and raise this in its place; the first reason stays."""
        if self._error is None:
            self._error = error
            self._scope.reschedule(0)

    def end_in(self, seconds: float, error: VaultError) -> None:
        """The same, a little later."""
        self._loop.call_later(seconds, self._end_if_alive, error)

    def _end_if_alive(self, error: VaultError) -> None:
        if self._timer is not None and not self._timer.cancelled():
            self.end(error)

    def _look(self) -> None:
        now, since = self._loop.time(), self._waiting_since
        if now >= self._ends:
            self.end(DeadlineExceeded("the deadline has passed"))
        elif since and now - since >= STALL_SECONDS:
            self.end(DeadlineExceeded(_STOOD))
        try:
            self._check()
        except Exception as error:  # noqa: BLE001 - a timer has no boundary of its own: the stream's gets it
            self.end(error)
        else:
            self._timer = self._loop.call_later(LOOK_SECONDS, self._look)
