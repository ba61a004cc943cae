"""The client's side: hands messages to the next server, in SMTP or LMTP, and says what became of each recipient.

Why our own, and not aiosmtplib: it takes a message as one `bytes` (50 MiB for each worker) and tells of the text's
reply for all recipients together, where LMTP gives one for each. What is needed is EHLO, MAIL, RCPT, a text in pieces.

The end of a text is sent only when its last piece has come whole and opened: until then the next server has nothing
that it may act on, and a text that turns out to be damaged is broken off by closing the connection. So is one with a
line end that stands alone or a NUL: the front takes none, but another program may have stored it, and what is no end of
a line to us may end the whole message for a careless server, and begin another with a sender of the writer's choice.

A reply that does not come leaves the outcome open: the message is tried again, and may arrive twice; that it is not
lost counts more.

Bytes are never changed: what was declared (BODY, SMTPUTF8) is declared again to a server that knows the word. To one
that does not, eight-bit text goes as it is, as everybody does it; an address that it could not read does not.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final

from vault.gateway.body import Fault, Stuffing
from vault.gateway.port import Envelope, Recipient
from vault.gateway.reply import Reply
from vault.gateway.session import Speech
from vault.gateway.wire import PIECE, HungUp, Wire

_LINE: Final = re.compile(rb"(\d{3})([ -]?)(?:([245]\.\d{1,3}\.\d{1,3})(?: |$))?(.*)", re.DOTALL)
_LONGEST: Final = 4096
_MOST_LINES: Final = 100
_CONNECT_S: Final = 10.0
NO_UTF8: Final = Reply(550, "5.6.7", "the next server does not take addresses beyond ASCII")


class Unfit(Exception):  # noqa: N818 - an event
    """The text could mean something else to the next server than to us; it was broken off, with the connection."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.name)
        self.reply = fault.value


class Unreachable(Exception):  # noqa: N818 - an event; whoever waits for the hop tries again
    """The next hop does not answer, or has hung up."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where the next hop is, and what it speaks."""

    host: str
    port: int
    speech: Speech = Speech.SMTP


class NextHop:
    """A connection to the next server; takes one message after the other."""

    def __init__(self, wire: Wire, speech: Speech) -> None:
        self._wire = wire
        self._speech = speech
        self._extensions: frozenset[str] = frozenset()
        self.usable = True

    @classmethod
    async def connect(cls, address: Address, hostname: str, timeout: float) -> "NextHop":  # noqa: ASYNC109 - the wire's
        """Connect and say hello.

        Args:
            address: of the next hop.
            hostname: what we call ourselves.
            timeout: seconds for each reply.

        Raises:
            Unreachable: nobody answers, or not as a mail server that takes mail now.
        """
        try:
            async with asyncio.timeout(_CONNECT_S):
                reader, writer = await asyncio.open_connection(address.host, address.port, limit=PIECE)
        except (OSError, TimeoutError):
            raise Unreachable from None
        hop = cls(Wire(reader, writer, timeout), address.speech)
        try:
            await hop._hello(hostname)
        except BaseException:
            hop.abort()
            raise
        return hop

    async def _hello(self, hostname: str) -> None:
        if not (await self._reply()).taken:
            raise Unreachable
        reply = await self._ask(f"{'LHLO' if self._speech is Speech.LMTP else 'EHLO'} {hostname}")
        if not reply.taken:
            raise Unreachable
        self._extensions = frozenset(line.partition(" ")[0].upper() for line in reply.more)

    async def deliver(
        self, envelope: Envelope, recipients: Sequence[Recipient], body: AsyncIterator[bytes], size: int
    ) -> list[Reply]:
        """Hand a message over.

        Args:
            envelope: sender and parameters; its recipients are not looked at.
            recipients: to whom.
            body: the text; if it raises, the connection is closed and the error passes.
            size: of the text.

        Returns:
            The last word on each recipient, in order.

        Raises:
            Unreachable: the connection broke; nothing is known.
            Unfit: the text must not be sent on; nothing was delivered.
        """
        self.usable = False  # until all of it is done: what is broken off leaves the conversation anywhere
        if envelope.smtputf8 and "SMTPUTF8" not in self._extensions:
            self.usable = True
            return [NO_UTF8] * len(recipients)
        sender = await self._ask(self._mail_from(envelope, size))
        if not sender.taken:
            await self._reset()
            return [sender] * len(recipients)
        replies = [await self._ask(self._rcpt_to(recipient)) for recipient in recipients]
        if any(reply.taken for reply in replies):
            replies = await self._text(replies, body)
        else:
            await self._reset()
        self.usable = True
        return replies

    async def quit(self) -> None:
        """Say goodbye, if it is polite to, and close."""
        if self.usable:
            self._wire.write(b"QUIT\r\n")
        await self._wire.close()

    async def alive(self) -> bool:
        """Whether the server still listens: servers close what is idle."""
        try:
            return self.usable and (await self._ask("RSET")).taken
        except Unreachable:
            return False

    def abort(self) -> None:
        """Close at once."""
        self.usable = False
        self._wire.abort()

    def _mail_from(self, envelope: Envelope, size: int) -> str:
        words = [f"MAIL FROM:<{envelope.sender}>"]
        words += [f"SIZE={size}"] * ("SIZE" in self._extensions)
        words += [f"BODY={envelope.body}"] * bool(envelope.body and "8BITMIME" in self._extensions)
        words += ["SMTPUTF8"] * envelope.smtputf8
        if "DSN" in self._extensions:
            words += [f"RET={envelope.ret}"] * bool(envelope.ret)
            words += [f"ENVID={envelope.envid}"] * bool(envelope.envid)
        return " ".join(words)

    def _rcpt_to(self, recipient: Recipient) -> str:
        words = [f"RCPT TO:<{recipient.address}>"]
        if "DSN" in self._extensions:
            words += [f"NOTIFY={recipient.notify}"] * bool(recipient.notify)
            words += [f"ORCPT={recipient.orcpt}"] * bool(recipient.orcpt)
        return " ".join(words)

    async def _text(self, replies: Sequence[Reply], body: AsyncIterator[bytes]) -> list[Reply]:
        go_on = await self._ask("DATA")
        if go_on.code != 354:  # noqa: PLR2004 - RFC 5321, 3.3
            await self._reset()
            return [go_on if reply.taken else reply for reply in replies]
        await self._send(body)
        # RFC 2033, 4.2: LMTP replies once for each recipient that was taken, in their order.
        each = self._speech is Speech.LMTP
        shared = None if each else await self._reply()
        return [(shared or await self._reply()) if reply.taken else reply for reply in replies]

    async def _send(self, body: AsyncIterator[bytes]) -> None:
        stuffing = Stuffing()
        try:
            async for piece in body:
                wire = stuffing.feed(piece)
                _check(stuffing)  # before a byte of it leaves
                self._wire.write(wire)
                await self._wire.flush()
            end = stuffing.end()
            _check(stuffing)
            self._wire.write(end)
            await self._wire.flush()
        except (HungUp, TimeoutError):
            self.abort()
            raise Unreachable from None
        except BaseException:
            # Without the end of the text the server throws away what it has.
            self.abort()
            raise

    async def _reset(self) -> None:
        self.usable = (await self._ask("RSET")).taken

    async def _ask(self, line: str) -> Reply:
        self._wire.write(line.encode() + b"\r\n")
        return await self._reply()

    async def _reply(self) -> Reply:
        try:
            await self._wire.flush()
            lines = []
            for _ in range(_MOST_LINES):
                found = _LINE.fullmatch(await self._wire.line(_LONGEST))
                if found is None:
                    break
                lines.append((found[4] or b"").decode("utf-8", "replace").strip())
                if found[2] != b"-":
                    status = (found[3] or b"").decode()
                    if found[1] == b"421":  # it closes the connection after this
                        self.abort()
                    return Reply(int(found[1]), status, lines[0], tuple(lines[1:]))
        except (HungUp, TimeoutError):
            pass
        self.abort()
        raise Unreachable


def _check(stuffing: Stuffing) -> None:
    if stuffing.fault:
        raise Unfit(stuffing.fault)
