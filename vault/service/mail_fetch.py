"""FetchMessage: the envelopes and the stream's header once the entry is durable, then chunk after chunk.

Each chunk is opened from its record lock as it leaves; the purpose lock is the caller's to open. A reader may be slow,
so nothing is held between two chunks but half a mebibyte and the record's key; no statement stays open. Between two
reads the record is looked for again: one that was delivered, erased or has expired meanwhile ends the stream.
"""

from collections.abc import AsyncIterator
from typing import Final

from vault.crypto.stream import ChunkLock
from vault.domain.names import RecordName, owner_of
from vault.errors import DataLoss, InvalidArgument, NotFound, OpenError, VaultError
from vault.policy.decide import DENIED, permit
from vault.service.call import Call
from vault.service.kinds import MESSAGE
from vault.service.mail_view import shown
from vault.service.opening import Opened
from vault.service.parts import Parts
from vault.storage.port import WrappedKey
from vault.storage.queue import Upload
from vault.v1 import mail_service_pb2 as v1

AT_ONCE: Final = 8
"""Chunks that are read at a time: half a mebibyte."""
_BODY: Final = MESSAGE.by_name["body"]
_LOST: Final = "a stored chunk does not open; the entry in the log names the message"


async def fetch(
    parts: Parts, call: Call, name: RecordName, request: v1.FetchMessageRequest
) -> AsyncIterator[v1.FetchMessageResponse]:
    """The header, then chunks from the one asked for.

    Raises:
        NotFound: there is no such message for this caller, or it went meanwhile.
        InvalidArgument: it has no such chunk.
        DataLoss: what is stored does not open.
    """
    allowed = permit(parts.policy, call.caller, request.purpose, "mail")
    header = v1.FetchMessageHeader()
    # Decides, and makes the entry durable before anything leaves.
    (result,) = await parts.reader.read(call, allowed, MESSAGE, [name], iter([header.message]))
    if isinstance(result, VaultError):
        raise result
    opened = (await parts.records.open([name], call.now)).get(name)
    queued = await parts.store.queued([name])
    if not isinstance(opened, Opened) or not queued:
        raise NotFound(DENIED)
    stream = opened.record.stream
    epoch = await parts.keyring.epochs.get(stream.epoch_id)
    if epoch is None:
        raise DataLoss(_LOST)
    if _BODY.policy_name not in allowed.fields or allowed.purpose not in epoch.members:
        raise NotFound(DENIED)
    if request.first_chunk >= stream.chunks:
        raise InvalidArgument("first_chunk", "must be a chunk that the message has")
    header.stream.CopyFrom(stream)
    header.status.CopyFrom(shown(queued[0], call.now))
    yield v1.FetchMessageResponse(header=header)
    async for chunk in _chunks(parts, opened.key, stream.chunks, request.first_chunk):
        yield v1.FetchMessageResponse(chunk=chunk)


async def _chunks(parts: Parts, key: WrappedKey, chunks: int, first: int) -> AsyncIterator[bytes]:
    record = Upload(owner_of(key.record_name), key.record_name, key.key_id)
    wrapping = parts.keyring.vault_keys.version(key.n).wrapping
    try:
        record_key = wrapping.unwrap(key.wrapped, key.key_id, key.record_name)
    except OpenError:
        raise DataLoss(_LOST) from None
    lock = ChunkLock(wrapping.vault_id, key.record_name, key.key_id, _BODY.policy_name, record_key)
    at = first
    while at < chunks:
        some = await parts.store.read_chunks(record, at, min(AT_ONCE, chunks - at))
        there = await parts.store.fetch_locked([key.record_name])
        if not there or there[0].key_id != key.key_id or not there[0].wrapped:
            raise NotFound(DENIED)
        if not some:
            raise DataLoss(_LOST)
        for place, stored in some:
            if place != at:
                raise DataLoss(_LOST)
            try:
                chunk = lock.unlock(at, stored, last=at == chunks - 1)
            except OpenError:
                raise DataLoss(_LOST) from None
            yield chunk
            at += 1
