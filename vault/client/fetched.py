"""A message on its way out: opened chunk by chunk, and not to be acted on before its last chunk is verified.

    async with mail.fetch(name, lease_id=lease) as message:
        async for chunk in message.chunks():
            ...                       # may go to a place from which it can be taken back; nowhere else yet
        assert message.verified       # true now, or `chunks` has raised

Each chunk was sealed by the mail system, but whether one is missing at the end is only known there: who handed on what
came before would hand on half a message. So a delivery ends (the final dot of SMTP, the rename of a file) after
`chunks` has ended by itself. Nothing is spooled here.

A connection that breaks is made again, and the body goes on with the chunk that comes next: chunks carry their place.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field

from vault.client.connection import Connection
from vault.client.repeating import after, limited, paused, pauses
from vault.client.unanswered import Failure
from vault.crypto.stream import Opener
from vault.errors import DataLoss, InvalidArgument, OpenError
from vault.v1.mail_service_pb2 import FetchMessageHeader, FetchMessageResponse, QueuedMessage
from vault.v1.records_pb2 import DeliveryParameters

Answers = AsyncGenerator[FetchMessageResponse | Failure, None]
Begin = Callable[[int], Answers]
"""Asks for the message from a chunk on."""

_LOST = "the body does not open: it is not what was sealed under this name"


@dataclass(frozen=True, slots=True)
class MailEnvelope:
    """What is said of a message outside of its text; a repr shows none of it."""

    recipients: tuple[str, ...] = field(repr=False)
    sender: str = field(default="", repr=False)
    """Empty for the null reverse-path (<>)."""
    dsn: DeliveryParameters | None = field(default=None, repr=False)
    """What was asked for beside the addresses (RFC 3461, 6152, 6531)."""


class Parts:
    """The header and the chunks of one message as the vault gives them out, over as many calls as it takes."""

    def __init__(self, connection: Connection, begin: Begin, ends: float) -> None:
        self._begin = begin
        self._ends = ends
        self._left, self._least = pauses(known=connection.known), limited()
        self._answers: Answers | None = None

    async def header(self, at: int) -> FetchMessageHeader:
        """Begin with a chunk; what comes first says what follows."""
        while True:
            if self._answers is None:
                self._answers = self._begin(at)
            answer = await self._next()
            if answer is None:
                continue
            if answer.WhichOneof("part") != "header":
                raise DataLoss("the message does not begin with its header")
            return answer.header

    async def chunk(self, at: int, header: FetchMessageHeader) -> bytes:
        """The chunk of a place, after those before it; of the same stream, however often it was begun again."""
        while True:
            if self._answers is None and (await self.header(at)).stream != header.stream:
                raise DataLoss("the message is another one than before")
            answer = await self._next()
            if answer is not None:
                return answer.chunk

    async def end(self) -> None:
        """See that nothing follows, and that the end carries the checkpoint.

        Raises:
            DataLoss: something follows.
            Untrusted: as any call.
        """
        answer = await anext(self._answers, None) if self._answers is not None else None
        if answer is not None and not isinstance(answer, Failure):  # a line that breaks now has broken nothing
            raise DataLoss("the message goes on after its last chunk")

    async def close(self) -> None:
        """Tell the vault that no more is wanted."""
        if self._answers is not None:
            answers, self._answers = self._answers, None
            await answers.aclose()

    async def _next(self) -> FetchMessageResponse | None:
        """What comes next; None if the connection broke, and it is time to begin again."""
        if self._answers is None:
            raise DataLoss("the message was closed")
        answer = await anext(self._answers, None)
        if answer is None:
            raise DataLoss("the message ends before its last chunk")
        if not isinstance(answer, Failure):
            return answer
        await self.close()
        if not (answer.passing and await paused(after(answer, self._left, self._least), self._ends)):
            raise answer.error
        return None


class FetchedMessage:
    """One message, opened as it is read."""

    def __init__(self, envelope: MailEnvelope, header: FetchMessageHeader, opener: Opener, parts: Parts) -> None:
        self.envelope = envelope
        self.status: QueuedMessage = header.status
        """How it stands in the queue: what of it is in plain."""
        self.length: int = header.stream.length
        """Bytes of the body."""
        self.verified = False
        """Whether the whole body was read and is what was sealed. Before, nobody may act on any of it."""
        self._header, self._opener, self._parts = header, opener, parts

    @property
    def next_chunk(self) -> int:
        """Where another fetch would go on."""
        return self._opener.next_chunk

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body, in pieces of 65,536 bytes, the last one shorter; read the module's head first.

        Raises:
            DataLoss: it is not what was sealed; what came before counts for nothing.
            VaultError: the vault cannot be asked any more.
        """
        for at in range(self._opener.next_chunk, self._header.stream.chunks):
            chunk = await self._parts.chunk(at, self._header)
            try:
                plaintext = self._opener.open(chunk)
            except OpenError:
                raise DataLoss(_LOST) from None
            if at == self._header.stream.chunks - 1:
                await self._parts.end()
                self._opener.finish()
                self.verified = True
            yield plaintext

    async def read(self, limit: int) -> bytes:
        """The whole body, verified, if it has no more bytes than `limit`.

        Raises:
            InvalidArgument: it has.
            DataLoss, VaultError: as `chunks`.
        """
        if self.length > limit:
            raise InvalidArgument("limit", "the body is larger: read it by chunks")
        async with aclosing(self.chunks()) as chunks:  # type: ignore[type-var]
            return b"".join([chunk async for chunk in chunks])
