"""Both ends for tests: a client that says exactly what it is told, and a next hop that answers as it is told."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

PATIENCE_S = 20.0


class Client:
    """Says bytes, reads replies."""

    def __init__(self, address: str) -> None:
        self._address = address

    async def __aenter__(self) -> Self:
        host, _, port = self._address.rpartition(":")
        self.reader, self.writer = await asyncio.open_connection(host, int(port))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.writer.transport.abort()

    async def reply(self) -> str:
        """The next reply, all lines; empty if the server has hung up."""
        lines = []
        async with asyncio.timeout(PATIENCE_S):
            while line := (await self.reader.readline()).decode():
                lines.append(line.rstrip("\r\n"))
                if line[3:4] != "-":
                    break
        return "\n".join(lines)

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.writer.write(data)

    async def say(self, line: str) -> str:
        """Send a line; its reply."""
        self.send(line.encode() + b"\r\n")
        return await self.reply()

    async def greet(self, word: str = "LHLO") -> str:
        """Read the greeting and say hello."""
        await self.reply()
        return await self.say(f"{word} client.example.org")

    async def begin(self, *recipients: str, sender: str = "FROM:<a@example.org>") -> None:
        """Open a transaction up to the reply to DATA."""
        assert (await self.say(f"MAIL {sender}")).startswith("250"), "MAIL"
        for recipient in recipients:
            assert (await self.say(f"RCPT TO:<{recipient}>")).startswith("250"), "RCPT"
        assert (await self.say("DATA")).startswith("354"), "DATA"


@dataclass(slots=True)
class Got:
    """What a next hop was handed."""

    sender: str
    recipients: list[str]
    text: bytes
    """As it came over the wire, without its end."""


@dataclass
class Hop:
    """A next hop."""

    address: str = ""
    lmtp: bool = False
    got: list[Got] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    extensions: tuple[str, ...] = ("SIZE", "8BITMIME", "SMTPUTF8", "DSN", "PIPELINING")
    answer: Callable[[str], str] = lambda _: "250 2.0.0 fine"
    """For each command, and for the text ("." and the recipient)."""
    hang_up_in_text: int = 0
    """How many connections to break off after the first bytes of a text."""
    broken_off: int = 0

    def take(self, got: Got) -> None:
        """Take a message, before it is answered for."""
        self.got.append(got)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        try:
            writer.write(b"220 hop\r\n")
            await self._talk(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            self.broken_off += 1
        except asyncio.CancelledError:
            pass  # the test is over; Python 3.11 would report the task otherwise
        finally:
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sender, recipients = "", list[str]()
        while line := (await reader.readline()).decode().rstrip("\r\n"):
            self.lines.append(line)
            verb = line.split()[0].upper()
            if verb in {"EHLO", "LHLO"}:
                said = ["hop", *self.extensions]
                writer.writelines(f"250{' ' if w is said[-1] else '-'}{w}\r\n".encode() for w in said)
                continue
            if verb == "QUIT":
                writer.write(b"221 bye\r\n")
                return
            reply = "354 go on" if verb == "DATA" else self.answer(line)
            writer.write(f"{reply}\r\n".encode())
            if verb == "MAIL":
                sender, recipients = line, []
            elif verb == "RCPT" and reply.startswith("2"):
                recipients.append(line)
            elif verb == "DATA":
                await self._text(reader, writer, sender, recipients)

    async def _text(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, sender: str, recipients: list[str]
    ) -> None:
        if self.hang_up_in_text:
            self.hang_up_in_text -= 1
            await reader.read(1)
            writer.transport.abort()
            raise ConnectionError
        text = bytearray()
        while (line := await reader.readuntil(b"\r\n")) != b".\r\n":
            text += line
        self.take(Got(sender, recipients, bytes(text)))
        for recipient in recipients if self.lmtp else [""]:
            writer.write(f"{self.answer('.' + recipient)}\r\n".encode())


@asynccontextmanager
async def next_hop(hop: Hop) -> AsyncIterator[Hop]:
    """Let it listen."""
    server = await asyncio.start_server(hop.serve, "127.0.0.1", 0, limit=1 << 20)
    hop.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield hop
    finally:
        server.close()


async def until(true: Callable[[], object]) -> None:
    """Wait until something is so; a test that waits in vain fails."""
    async with asyncio.timeout(PATIENCE_S):
        while not true():  # noqa: ASYNC110 - what is waited for tells nobody
            await asyncio.sleep(0.01)
