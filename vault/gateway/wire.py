"""A connection as lines and pieces, with a clock: who sends nothing for too long is hung up on.

`asyncio.StreamReader` alone will not do: a client may send the next command in the same packet as the end of a text
(PIPELINING), so what stands behind the text must go back; and whether something is there already before it was asked
for is a question that must be asked (a command sent before the reply to DATA is not the client's own).
"""

import asyncio
import contextlib
from typing import Final

PIECE: Final = 65_536


class HungUp(Exception):  # noqa: N818 - an event of the wire
    """The other side has gone, or sends what is no line; nothing more can be said to it."""


class Wire:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, idle: float) -> None:
        """Take over a connection.

        Args:
            reader: its receiving half.
            writer: its sending half.
            idle: seconds for anything to come or to go.
        """
        self._reader = reader
        self._writer = writer
        self._idle = idle
        self._pending = bytearray()

    @property
    def ahead(self) -> bool:
        """Whether something came that nobody has asked for."""
        return bool(self._pending)

    async def line(self, most: int) -> bytes:
        """The next line, without its CRLF.

        Raises:
            HungUp: the other side has gone, or the line is too long or has a bare CR or LF: who talks so is no mail
                server, and may be a web browser that was made to (and what it says next must not be read as commands).
            TimeoutError: nothing came for too long.
        """
        while (end := self._pending.find(b"\r\n")) < 0:
            if len(self._pending) > most:
                raise HungUp
            self._pending += await self._read()
        line = bytes(self._pending[:end])
        del self._pending[: end + 2]
        if end > most or b"\r" in line or b"\n" in line:
            raise HungUp
        return line

    async def some(self) -> bytes:
        """What is there, at least a byte.

        Raises:
            HungUp: the other side has gone.
            TimeoutError: nothing came for too long.
        """
        if not self._pending:
            return await self._read()
        data = bytes(self._pending)
        self._pending.clear()
        return data

    def put_back(self, data: bytes) -> None:
        """Take back the end of what was handed out."""
        self._pending[:0] = data

    async def _read(self) -> bytes:
        async with asyncio.timeout(self._idle):
            try:
                data = await self._reader.read(PIECE)
            except OSError:
                raise HungUp from None
        if not data:
            raise HungUp
        return data

    def write(self, data: bytes) -> None:
        """Queue bytes to be sent; `flush` waits until the other side takes them."""
        self._writer.write(data)

    async def flush(self) -> None:
        """Wait until there is room for more.

        Raises:
            HungUp: the other side has gone.
            TimeoutError: it takes nothing for too long.
        """
        async with asyncio.timeout(self._idle):
            try:
                await self._writer.drain()
            except OSError:
                raise HungUp from None

    def abort(self) -> None:
        """Close at once, with what is queued unsent."""
        self._writer.transport.abort()

    async def close(self) -> None:
        """Send what is queued, and close; who does not take it in time does not get it, and holds no socket by that."""
        self._writer.close()
        try:
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(self._idle):
                    await self._writer.wait_closed()
        finally:
            self.abort()
