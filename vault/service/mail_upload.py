"""StoreMessage: a header, chunks, an end; in memory never more than a mebibyte of it.

What is checked, and when:

1. the header, before anything is received: form, owner, epochs, the promised size;
2. each chunk as it comes: whole but for the last, and the limit;
3. the end: that it says what came.

A small message goes to the store in one commit. A larger one is an upload: key and chunks are written before its
record is, and until then a mark says so (`vault.storage.queue`). While half a mebibyte is written, the next half is
received; the end waits for both. Whatever ends it early, a client that goes away above all, has it discarded at once;
what a kill leaves, the next start discards. Nothing is resumed: a retry is a new call, with a key of its own.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Final

from vault.audit.entry import Digest, digest_of
from vault.crypto.envelope import TAG_SIZE
from vault.crypto.stream import CHUNK_SIZE, SEALED_CHUNK_SIZE, MessageLock, check, chunks_of
from vault.domain.names import Owner, RecordName
from vault.errors import DeadlineExceeded, FailedPrecondition, InvalidArgument, NotFound, OpenError
from vault.policy.decide import DENIED
from vault.service import sealed
from vault.service.call import Call
from vault.service.kinds import MESSAGE
from vault.service.mail_states import BOUNCE_MS
from vault.service.mail_view import milliseconds
from vault.service.parts import Parts
from vault.storage.port import Put, Row, WrappedKey
from vault.storage.queue import Chunk, QueuePut, QueueRow, RecipientRow, Upload
from vault.store.v1.record_pb2 import StoredRecord
from vault.v1 import mail_service_pb2 as v1
from vault.v1 import status_pb2 as status
from vault.v1.envelope_pb2 import Stream
from vault.v1.records_pb2 import Message

BODY: Final = MESSAGE.by_name["body"]
AT_ONCE: Final = 8
"""Chunks in one commit; in memory are as many again, which are received meanwhile: a mebibyte."""
LONGEST_S: Final = 1800.0
"""Of an upload: a key that is an hour old and has no record is taken for one that a crash left behind."""
_LINGER_S: Final = 10.0
"""For which a sender whose body is refused is listened to."""


async def check_header(parts: Parts, call: Call, header: v1.StoreMessageHeader) -> set[int]:
    """Check what was sealed, and how the body will be; the numbers of the fields in boxes (step 1).

    Raises:
        InvalidArgument: a part is not what it must be.
        FailedPrecondition: an epoch cannot be used.
    """
    if not header.kind:
        raise InvalidArgument("header.kind", "must be given")
    numbers = await sealed.check(
        call, parts.policy, parts.keyring.epochs, MESSAGE, Message(sealed=header.sealed), "header"
    )
    if BODY.number in numbers:
        raise InvalidArgument("header.sealed", "must not hold the body: it comes in chunks")
    if MESSAGE.by_name["recipients"].number not in numbers:
        raise InvalidArgument("header.sealed", "must hold the recipients")
    promised = Stream()
    promised.CopyFrom(header.stream)
    if not promised.length and promised.chunks <= 1:
        promised.chunks = 1
    try:
        check(promised, BODY)
    except OpenError:
        raise InvalidArgument(
            "header.stream", "must be of the body, with the chunks of its length or with neither"
        ) from None
    if await sealed.audience_of(call, parts.keyring.epochs, header.stream.epoch_id) != parts.policy.audience(
        BODY.policy_name
    ):
        raise FailedPrecondition(
            status.REASON_EPOCH_NOT_USABLE, "header.stream: must be sealed for mail.body's current audience"
        )
    if header.stream.length > parts.largest_message:
        raise too_large(parts, "header.stream.length")
    return numbers


def too_large(parts: Parts, field: str) -> InvalidArgument:
    """Why a body is refused."""
    return InvalidArgument(field, f"must be at most {parts.largest_message:,} bytes (mail.max_message_bytes)")


async def _read_on(requests: AsyncIterator[v1.StoreMessageRequest]) -> None:
    """Let what is on its way come, unlooked at, before the refusal goes out.

    A sender that is still writing when the call ends learns of a broken write, gRPC's INTERNAL, and not why it was
    refused: it would come again with what is refused again. Longer than `_LINGER_S` nobody is listened to.
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_LINGER_S):
            async for request in requests:
                if request.HasField("end"):
                    return


class Intake:
    """One attempt to store one message; `discard` it unless its `put` was committed."""

    def __init__(self, parts: Parts, call: Call, owner: Owner, name: RecordName, header: v1.StoreMessageHeader) -> None:
        """Draw the message's key; nothing is stored yet."""
        self._parts, self._call, self._header = parts, call, header
        self._owner, self._name = owner, name
        self._vault_key = parts.keyring.vault_keys.current
        self._lock = MessageLock(self._vault_key.wrapping, name, BODY)
        self._upload = Upload(owner, name, self._lock.key_id)
        self._ready: list[Chunk] = []
        self._length = self._count = 0
        self._begun = False
        self._storing: asyncio.Task[bool] | None = None
        self._ends_at = time.monotonic() + LONGEST_S

    async def receive(self, requests: AsyncIterator[v1.StoreMessageRequest]) -> v1.StoreMessageEnd:
        """Take the chunks, up to and with the end (steps 2 and 3).

        Raises:
            InvalidArgument: a part is out of its order, a chunk is of the wrong size, or the end says otherwise.
            NotFound: the owner was erased meanwhile.
            VaultError: the store cannot take them.
        """
        held: bytes | None = None
        async for request in requests:
            match request.WhichOneof("part"):
                case "chunk":
                    try:
                        self._count_in(request.chunk, held)
                    except InvalidArgument:
                        await _read_on(requests)
                        raise
                    if held is not None:
                        await self._take(held)
                    held = request.chunk
                case "end":
                    if held is None:
                        raise InvalidArgument("end", "must come after the last chunk: an empty body has an empty one")
                    self._check_end(request.end)
                    self._ready.append(Chunk(*self._lock.chunk(held, last=True)))
                    await self._stored()
                    return request.end
                case _:
                    raise InvalidArgument("header", "must come once, and first")
        raise InvalidArgument("end", "must come last: without it nothing is stored")

    def _count_in(self, chunk: bytes, before: bytes | None) -> None:
        """Check a chunk's size, and that the one before was whole."""
        if before is not None and (len(before) != SEALED_CHUNK_SIZE or len(chunk) <= TAG_SIZE):
            raise InvalidArgument("chunk", f"must be of {SEALED_CHUNK_SIZE:,} bytes, but for the last")
        self._count += 1
        self._length += len(chunk) - TAG_SIZE
        if self._length > self._parts.largest_message:
            raise too_large(self._parts, "chunk")
        promised = self._header.stream.length
        if promised and self._length > promised:
            raise InvalidArgument("chunk", "must not be more than header.stream promised")

    def _check_end(self, end: v1.StoreMessageEnd) -> None:
        promised = self._header.stream.length or self._length
        if (end.chunks, end.length) != (self._count, self._length) or promised != self._length:
            raise InvalidArgument("end", "must say how many chunks and bytes came, as the header promised")

    async def _take(self, chunk: bytes) -> None:
        """Lock a chunk that is not the last; with enough of them, store them."""
        self._ready.append(Chunk(*self._lock.chunk(chunk, last=False)))
        if len(self._ready) < AT_ONCE:
            return
        if time.monotonic() > self._ends_at:
            raise DeadlineExceeded("the upload took too long")
        store = self._parts.store
        if not self._begun:
            self._begun = True
            if not await store.begin_upload(self._upload, self._vault_key.n, self._lock.wrapped, self._call.now):
                raise _gone()
        await self._stored()
        some, self._ready = self._ready, []
        self._storing = asyncio.create_task(store.add_chunks(self._upload, some), name="store chunks")

    async def _stored(self) -> None:
        """Wait until the chunks that were given to the store are durable; the next ones may follow then."""
        storing, self._storing = self._storing, None
        if storing is not None and not await storing:
            raise _gone()

    def put(self, end: v1.StoreMessageEnd) -> tuple[Put, QueuePut, Digest]:
        """The record with what is left of its chunks, its place in the queue, and the digest of its stored bytes."""
        now, header = self._call.now, self._header
        dead_at = self._parts.policy.retention.messages.after(now)
        plain = Message(kind=header.kind)
        plain.create_time.FromMilliseconds(now)
        stream = header.stream
        body = StoredRecord(
            unprotected=plain.SerializeToString(deterministic=True),
            envelopes=header.sealed,
            stream=Stream(
                epoch_id=stream.epoch_id,
                step=stream.step,
                salt=stream.salt,
                field=BODY.number,
                chunks=chunks_of(self._length),
                length=self._length,
            ),
        ).SerializeToString(deterministic=True)
        locked = self._lock.body(now, dead_at + BOUNCE_MS, body)
        owner, name, key_id = self._owner, self._name, self._lock.key_id
        put = Put(
            row=Row(owner, name, key_id, 1, now, dead_at + BOUNCE_MS, locked.stored),
            key=WrappedKey(owner, name, key_id, self._vault_key.n, now, locked.wrapped),
            replaces=None,
            chunks=tuple(self._ready),
            uploaded=self._begun,
        )
        return put, QueuePut(self._queue_row(dead_at), self._recipients(), end.dedupe_token), digest_of(locked.stored)

    def _queue_row(self, dead_at: int) -> QueueRow:
        now, header = self._call.now, self._header
        due_at = milliseconds(header.due_time, "header.due_time") if header.HasField("due_time") else now
        return QueueRow(
            owner=self._owner,
            record_name=self._name,
            key_id=self._lock.key_id,
            kind=int(header.kind),
            size=self._length,
            chunks=self._count,
            stored_at=now,
            due_at=max(now, min(due_at, dead_at)),
            dead_at=dead_at,
            expires_at=dead_at + BOUNCE_MS,
            lease=b"",
            attempts=0,
            reason=0,
            status="",
            revision=1,
        )

    def _recipients(self) -> tuple[RecipientRow, ...]:
        waiting = int(v1.RECIPIENT_STATE_WAITING)
        return tuple(
            RecipientRow(place, tokens.token, tokens.next_hop, waiting, "", 0)
            for place, tokens in enumerate(self._header.recipients)
        )

    def end(self) -> None:
        """The record is stored."""
        if self._begun:
            self._parts.store.end_upload(self._upload)

    def discard(self) -> asyncio.Task[None] | None:
        """Have everything destroyed that was stored, whoever waits or not; the task that does it."""
        if self._storing is not None:
            # The store takes one after the other; without the mark, which goes now, chunks that come later are refused.
            self._storing.add_done_callback(_seen)
        if not self._begun:
            return None
        return asyncio.create_task(self._parts.store.discard_upload(self._upload), name="discard upload")


def _seen(task: asyncio.Task[bool]) -> None:
    if not task.cancelled():
        task.exception()  # what failed is discarded anyway


def _gone() -> NotFound:
    return NotFound(DENIED, reason=status.REASON_CUSTOMER_NOT_AVAILABLE)


assert AT_ONCE * CHUNK_SIZE <= 1 << 20  # noqa: S101 - what the head of this file promises
