"""Streams: a body that is encrypted chunk by chunk, so that nobody holds all of it (section 4; age's STREAM).

    chunk_i   under the stream's key, which the purpose lock derives from a step and a fresh salt: the sealer's and the
              opener's business. The nonce is the chunk's place and whether it is the last, so chunks can be neither
              reordered, left out, nor cut off.
    stored_i  under the record's key R, the record lock's half: the vault's business. R encrypts one body and one
              chunk per place, and the first byte of the nonce tells both apart, so fixed nonces are safe.

What makes them safe is that no key seals two different chunks for one place. So `Sealer` and `MessageLock` draw their
own secrets, count for themselves, go forward only, and are good for one attempt: a retry makes new ones, or sends again
the same bytes.

Nobody may act on a body before `Opener.finish` says that its last chunk was verified.
"""

import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from vault.crypto.context import encode, expand
from vault.crypto.envelope import SALT_SIZE, TAG_SIZE, Step
from vault.crypto.epoch import EPOCH_ID_SIZE, LAST_STEP
from vault.crypto.record_lock import (
    FORMAT,
    KEY_ID_SIZE,
    RECORD_KEY_SIZE,
    Header,
    KeyId,
    Locked,
    WrappingKey,
    seal_body,
)
from vault.domain.fields import ProtectedField
from vault.errors import OpenError
from vault.v1.envelope_pb2 import Stream

CHUNK_SIZE = 65_536
"""Bytes of plaintext of every chunk but the last, which has 1 to as many; an empty body has one empty chunk."""
SEALED_CHUNK_SIZE = CHUNK_SIZE + TAG_SIZE
STORED_OVERHEAD = len(FORMAT) + TAG_SIZE
_INDEX_SIZE = 11
_NO_STREAM = "the stream does not open"


def chunks_of(length: int) -> int:
    """How many chunks a body of so many bytes has."""
    return max(1, -(-length // CHUNK_SIZE))


def check(stream: Stream, field: ProtectedField) -> None:
    """Check what a stream says of itself, before any work.

    Raises:
        OpenError: a size is wrong, the step is above 1,023, it is of another field, or the number of chunks is not that
            of its length.
    """
    if len(stream.epoch_id) != EPOCH_ID_SIZE or len(stream.salt) != SALT_SIZE or stream.step > LAST_STEP:
        raise OpenError(_NO_STREAM)
    if stream.field != field.number or stream.chunks != chunks_of(stream.length):
        raise OpenError(_NO_STREAM)


def stream_key(vault_id: bytes, step: Step, record_name: str, salt: bytes, field: str) -> bytes:
    """The key of one stream, 32 bytes; `field` is its policy name."""
    return expand(
        step.key,
        encode("customer-vault/1 stream", vault_id, step.audience, step.number, record_name, salt, field),
    )


def _chunk_nonce(index: int, *, last: bool) -> bytes:
    return index.to_bytes(_INDEX_SIZE) + (b"\x01" if last else b"\x00")


class Sealer:
    """Seals one body, chunk by chunk, under a fresh salt; what it needs of the step, it takes at once."""

    __slots__ = ("_aead", "_ended", "_stream")

    def __init__(self, vault_id: bytes, step: Step, record_name: str, field: ProtectedField) -> None:
        salt = secrets.token_bytes(SALT_SIZE)
        self._aead = AESGCM(stream_key(vault_id, step, record_name, salt, field.policy_name))
        self._stream = Stream(epoch_id=step.epoch_id, step=step.number, salt=salt, field=field.number)
        self._ended = False

    @property
    def stream(self) -> Stream:
        """What opens it: whole once the last chunk is sealed; before, without the rest of the counts."""
        return self._stream

    def seal(self, plaintext: bytes | memoryview, *, last: bool) -> bytes:
        """The next chunk: of exactly 65,536 bytes, unless it is the last.

        Raises:
            ValueError: of another size, or after the last.
        """
        full = len(plaintext) == CHUNK_SIZE
        alone = last and not self._stream.chunks
        if self._ended or not (full or (last and len(plaintext) < CHUNK_SIZE and (plaintext or alone))):
            raise ValueError("chunks are whole but for the last, which is empty only if the body is")
        sealed = self._aead.encrypt(_chunk_nonce(self._stream.chunks, last=last), plaintext, None)
        self._stream.chunks += 1
        self._stream.length += len(plaintext)
        self._ended = last
        return sealed


class Opener:
    """Opens the chunks of one stream in order, from any of them on."""

    __slots__ = ("_aead", "_next", "_stream")

    def __init__(
        self,
        vault_id: bytes,
        step: Step,
        record_name: str,
        field: ProtectedField,
        stream: Stream,
        *,
        first_chunk: int = 0,
    ) -> None:
        """Nothing is opened yet; `step` is the stream's, under its epoch's audience.

        Raises:
            OpenError: the stream is not what a sealer makes, of another step or epoch, or ends before `first_chunk`.
        """
        check(stream, field)
        if stream.epoch_id != step.epoch_id or stream.step != step.number or not 0 <= first_chunk < stream.chunks:
            raise OpenError(_NO_STREAM)
        self._aead = AESGCM(stream_key(vault_id, step, record_name, stream.salt, field.policy_name))
        self._stream = stream
        self._next = first_chunk

    @property
    def next_chunk(self) -> int:
        """The place of the chunk that comes next: where to go on after a broken fetch."""
        return self._next

    def open(self, chunk: bytes) -> bytes:
        """The plaintext of the next chunk.

        Raises:
            OpenError: it is not the next, or one too many, or not of the right size.
        """
        at, stream = self._next, self._stream
        last = at == stream.chunks - 1
        size = stream.length - at * CHUNK_SIZE if last else CHUNK_SIZE
        if at >= stream.chunks or len(chunk) != size + TAG_SIZE:
            raise OpenError(_NO_STREAM)
        try:
            plaintext = self._aead.decrypt(_chunk_nonce(at, last=last), chunk, None)
        except InvalidTag:
            raise OpenError(_NO_STREAM) from None
        self._next += 1
        return plaintext

    def finish(self) -> None:
        """Only after this may anybody act on what was opened.

        Raises:
            OpenError: the last chunk has not been verified.
        """
        if self._next != self._stream.chunks:
            raise OpenError(_NO_STREAM)


class ChunkLock:
    """The record lock of chunks, under one R."""

    __slots__ = ("_aead", "_context", "_field")

    def __init__(self, vault_id: bytes, record_name: str, key_id: bytes, field: str, record_key: bytes) -> None:
        self._aead = AESGCM(record_key)
        self._context = encode("customer-vault/1 stored-chunk", vault_id, record_name, key_id, field)

    def lock(self, index: int, chunk: bytes, *, last: bool) -> bytes:
        """stored_i; for `MessageLock`, which sees to it that no place has two."""
        return FORMAT + self._aead.encrypt(_stored_nonce(index), chunk, self._aad(index, last=last))

    def unlock(self, index: int, stored: bytes, *, last: bool) -> bytes:
        """chunk_i.

        Raises:
            OpenError: it is not what was stored in this place.
        """
        if stored[:1] != FORMAT:
            raise OpenError("a stored chunk does not open")
        try:
            return self._aead.decrypt(_stored_nonce(index), stored[1:], self._aad(index, last=last))
        except (InvalidTag, ValueError):
            raise OpenError("a stored chunk does not open") from None

    def _aad(self, index: int, *, last: bool) -> bytes:
        return self._context + encode(index, int(last))


def _stored_nonce(index: int) -> bytes:
    return b"\x01" + index.to_bytes(_INDEX_SIZE)


class MessageLock:
    """R of one attempt to store a message: its chunks in order, then its body, once each."""

    __slots__ = ("_chunks", "_ended", "_key", "_next", "_record_key", "_record_name", "key_id", "wrapped")

    def __init__(self, key: WrappingKey, record_name: str, field: ProtectedField) -> None:
        """Draw R and its id, and wrap R: the key can be stored before the first chunk is."""
        self._key = key
        self._record_name = record_name
        self._record_key = secrets.token_bytes(RECORD_KEY_SIZE)
        self.key_id = KeyId(secrets.token_bytes(KEY_ID_SIZE))
        self.wrapped = key.wrap(self._record_key, self.key_id, record_name)
        self._chunks = ChunkLock(key.vault_id, record_name, self.key_id, field.policy_name, self._record_key)
        self._next = 0
        self._ended = False

    def chunk(self, chunk: bytes, *, last: bool) -> tuple[int, bytes]:
        """(i, stored_i) of the next chunk."""
        if self._ended:
            raise ValueError("the last chunk is locked already")
        index, self._next, self._ended = self._next, self._next + 1, last
        return index, self._chunks.lock(index, chunk, last=last)

    def body(self, written_at: int, expires_at: int, body: bytes) -> Locked:
        """The record itself, in its one version, after its last chunk; R is let go."""
        if not self._ended or not self._record_key:
            raise ValueError("a message is locked once, after its last chunk")
        header = Header(self._record_name, self.key_id, 1, written_at, expires_at)
        record_key, self._record_key = self._record_key, b""
        return Locked(header, seal_body(record_key, self._key.vault_id, header, body), self.wrapped)
