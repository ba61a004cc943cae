"""One text to several owners at once, at the pace of the slowest, with two pieces in memory for each.

A message to Ann and to Bob becomes two records under two owners' keys, so that the erasure of one takes nothing from
the other. Its text comes once, over the wire, and is held nowhere: each piece is handed to every store that still
takes it before the next one is read. A store that fails early takes none any more and holds up nobody.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Final

import structlog

from vault.errors import VaultError

log = structlog.get_logger()

Work = Callable[[AsyncIterator[bytes]], Awaitable[None]]
"""Takes the pieces of a text and returns when all is durable."""

_LAST: Final = None


class _Mouth:
    """One of those who are fed."""

    def __init__(self, work: Work) -> None:
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue(1)
        self._full = False
        self.task = asyncio.create_task(self._run(work))

    async def _run(self, work: Work) -> Exception | None:
        try:
            await work(self._pieces())
        except VaultError as error:
            log.warning("a message was not stored", error=type(error).__name__)
            return error
        finally:
            self._full = True
            while not self._queue.empty():  # whoever waits to put a piece in is let go
                self._queue.get_nowait()
        return None

    async def _pieces(self) -> AsyncIterator[bytes]:
        while (piece := await self._queue.get()) is not _LAST:
            yield piece

    async def feed(self, piece: bytes | None) -> None:
        if not self._full:
            await self._queue.put(piece)


async def fan_out(pieces: AsyncIterator[bytes], works: Sequence[Work], finish: float) -> list[Exception | None]:
    """Give a text to all, and tell for each why it was not taken; None if it was.

    Args:
        pieces: the text; if it raises, every work is cancelled, and the error passes.
        works: who takes it.
        finish: seconds for all to return after the last piece; who has not by then has not taken it.
    """
    mouths = [_Mouth(work) for work in works]
    try:
        async for piece in pieces:
            for mouth in mouths:
                await mouth.feed(piece)
        for mouth in mouths:
            await mouth.feed(_LAST)
        await asyncio.wait([mouth.task for mouth in mouths], timeout=finish)
        return [_result(mouth.task) if mouth.task.done() else TimeoutError() for mouth in mouths]
    finally:
        await _end([mouth.task for mouth in mouths])


def _result(task: "asyncio.Task[Exception | None]") -> Exception | None:
    """An error that is not foreseen is a "no", too: nothing is known to be durable."""
    error = task.exception()
    if error is None:
        return task.result()
    log.error("a message was not stored", error=type(error).__name__)
    return error if isinstance(error, Exception) else RuntimeError(type(error).__name__)


async def _end(tasks: Sequence["asyncio.Task[Exception | None]"]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
