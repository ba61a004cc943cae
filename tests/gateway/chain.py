"""Postfix, gateway, Postfix, sink: the way of a message as docs/mail.md builds it."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.gateway.postfix import Ports, Postfix
from tests.gateway.talk import Client, Got, Hop
from vault.domain.names import Owner
from vault.gateway.port import Envelope, MailStore
from vault.gateway.process import Gateway
from vault.gateway.settings import FrontSettings, RelaySettings, Settings

PATIENCE_S = 60.0


class Witness:
    """A store that remembers what the gateway brought it; all else is the store's behind it."""

    def __init__(self, store: MailStore) -> None:
        self._store = store
        self.brought: list[tuple[Owner, Envelope, bytes]] = []
        self.fetch = store.fetch
        self.claim = store.claim
        self.complete = store.complete
        self.release = store.release
        self.extend = store.extend
        self.depth = store.depth

    async def store(
        self, owner: Owner, envelope: Envelope, body: AsyncIterator[bytes], queue_id: Callable[[], str]
    ) -> None:
        """Store, and remember what was stored."""
        text = bytearray()

        async def noted() -> AsyncIterator[bytes]:
            async for piece in body:
                text.extend(piece)
                yield piece

        await self._store.store(owner, envelope, noted(), queue_id)
        self.brought.append((owner, envelope, bytes(text)))


@dataclass(slots=True)
class Chain:
    """The parts, while they run."""

    postfix: Postfix
    gateway: Gateway
    witness: Witness
    sink: Hop

    async def send(self, text: bytes, *recipients: str, sender: str = "a@example.org", words: str = "") -> None:
        """Hand a text, which is canonical, to Postfix as the world does."""
        stuffed = (b"\r\n" + text).replace(b"\r\n.", b"\r\n..")[2:]
        async with Client(f"127.0.0.1:{self.postfix.ports.submit}") as client:
            await client.greet("EHLO")
            await client.begin(*(recipients or ("b@example.net",)), sender=f"FROM:<{sender}>{words}")
            client.send(stuffed + b".\r\n")
            await client.writer.drain()
            reply = await client.reply()
            assert reply.startswith("250"), reply

    async def arrived(self, number: int) -> list[Got]:
        """Wait until so many have reached the sink."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                while len(self.sink.got) < number:  # noqa: ASYNC110 - the sink tells nobody
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise AssertionError(f"{len(self.sink.got)} of {number} arrived\n{self.postfix.log[-4000:]}") from None
        return self.sink.got


def settings(ports: Ports, *, workers: int = 2) -> Settings:
    """The gateway between the two ports."""
    return Settings(
        hostname="gateway.example.org",
        front=FrontSettings(lmtp=f"127.0.0.1:{ports.gateway}", max_size=50 << 20),
        relay=RelaySettings(next_hop=f"smtp:127.0.0.1:{ports.back}", workers=workers),
    )


@asynccontextmanager
async def chain(postfix: Postfix, store: MailStore) -> AsyncIterator[Chain]:
    """Gateway and sink around a Postfix that runs."""
    sink, witness = Hop(), Witness(store)
    server = await asyncio.start_server(sink.serve, "127.0.0.1", postfix.ports.sink, limit=1 << 20)
    gateway = Gateway(settings(postfix.ports), Path(), witness)
    await gateway.start()
    try:
        yield Chain(postfix, gateway, witness, sink)
    finally:
        await gateway.stop(10.0)
        server.close()


def unstuffed(text: bytes) -> bytes:
    """What came over the wire, as text."""
    return (b"\r\n" + text).replace(b"\r\n.", b"\r\n")[2:]


def without_trace(text: bytes) -> bytes:
    """A text without its first Received line, which the last server wrote."""
    assert text.startswith(b"Received:"), text[:100]
    lines = text.split(b"\r\n")
    end = next(i for i in range(1, len(lines)) if not lines[i].startswith((b" ", b"\t")))
    return b"\r\n".join(lines[end:])


def address_is_free(port: int) -> bool:
    """Whether nobody listens there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0
