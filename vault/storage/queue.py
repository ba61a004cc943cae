"""The storage port's part for messages in transit: their chunks, and the queue that they wait in.

The record of a message is a row like any other, locked and keyed. Beside it, in the data store:

- *chunks*: `stored_i` of its body, by owner, record name, key id and place. They come before the record does, so while
  an upload runs a *loose mark* says that chunks of this key may be there which no record names. The mark goes in the
  commit that brings the record. Whatever takes a message's row out (a delivery, an expiry, an erasure, a restore) sets
  the mark again in the same commit, so chunks are never forgotten: `sweep_chunks` destroys what marks say.
- *queue rows*: when a message is due, who leases it, what became of its recipients. They hold times, sizes, states and
  the caller's tokens, and go with the record's row. A change is a compare-and-swap on the row's revision; what changes
  mean is decided above (`vault.service.mail_states`).

An upload: mark in, then its key in, then chunks in bounded commits of their own, which calls of others go between.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from vault.crypto.record_lock import KeyId
from vault.domain.names import Owner, RecordName


class Chunk(NamedTuple):
    """One stored chunk of a body."""

    place: int
    stored: bytes


class QueueRow(NamedTuple):
    """A message in the queue, as the data store holds it. Times are milliseconds since 1970."""

    owner: Owner
    record_name: RecordName
    key_id: KeyId
    kind: int
    size: int
    chunks: int
    stored_at: int
    due_at: int
    """When it can be claimed: for one that is leased, when its lease ends."""
    dead_at: int
    expires_at: int
    """A copy of the record's, which is the one that counts."""
    lease: bytes
    """16 random bytes of whoever claimed it last; empty after a release."""
    attempts: int
    reason: int
    status: str
    revision: int
    """Counts its changes, from 1."""


class RecipientRow(NamedTuple):
    """One recipient of a message, by its place in the sealed list."""

    place: int
    token: bytes
    next_hop: bytes
    state: int
    status: str
    changed_at: int


@dataclass(frozen=True, slots=True)
class Queued:
    """A message in the queue, with its recipients by place."""

    row: QueueRow
    recipients: tuple[RecipientRow, ...]


@dataclass(frozen=True, slots=True)
class QueuePut:
    """Put a queue row in its place, if the row there has the revision before it; recipients given take their places."""

    row: QueueRow
    recipients: tuple[RecipientRow, ...] = ()
    dedupe: bytes = b""
    """Of a new message: a token that no message of this owner may have brought before."""


@dataclass(frozen=True, slots=True)
class Upload:
    """An upload that was begun: its key is in the key store."""

    owner: Owner
    record_name: RecordName
    key_id: KeyId


@dataclass(frozen=True, slots=True)
class DueQuery:
    """Which messages to claim."""

    now: int
    dead: bool
    limit: int
    kinds: tuple[int, ...] = ()
    next_hop: bytes = b""


@dataclass(frozen=True, slots=True)
class ListQuery:
    """Which messages to list, after (value of the order, name) of the page before."""

    now: int
    limit: int
    owner: str = ""
    state: int = 0
    """1 waiting, 2 leased, 3 dead; 0 all."""
    token: bytes = b""
    next_hop: bytes = b""
    by_size: bool = False
    after: tuple[int, str] | None = None


@dataclass(frozen=True, slots=True)
class Depth:
    """How the queue stands."""

    waiting: int
    leased: int
    dead: int
    size: int
    oldest: int
    """When the oldest was stored; 0 if there is none."""


class MailStore(Protocol):
    """Chunks and the queue, as the mail service needs them."""

    async def begin_upload(self, upload: Upload, n: int, wrapped: bytes, now: int) -> bool:
        """Mark an upload and store its key, durable on return; False if the owner was erased."""

    async def add_chunks(self, upload: Upload, chunks: Sequence[Chunk]) -> bool:
        """Store some chunks, durable with their record's commit; False if the upload is gone (its owner was erased)."""

    async def discard_upload(self, upload: Upload) -> None:
        """Destroy what an upload has stored: key, chunks, mark."""

    def end_upload(self, upload: Upload) -> None:
        """Say that an upload is over, its record stored: what is marked of it from now on may be swept."""

    async def sweep_chunks(self) -> int:
        """Destroy what loose marks say, but for uploads that run now; how many chunks went."""

    async def read_chunks(self, record: Upload, first: int, limit: int) -> Sequence[Chunk]:
        """Chunks in order, from a place on."""

    async def queued(self, names: Collection[RecordName]) -> Sequence[Queued]:
        """Those of these messages that are in the queue, with their recipients."""

    async def due(self, query: DueQuery) -> Sequence[RecordName]:
        """Messages that can be claimed, the longest due first."""

    async def next_due(self, query: DueQuery) -> int:
        """When the next message that is not due yet will be; 0 if there is none."""

    async def list_queue(self, query: ListQuery) -> Sequence[RecordName]:
        """Messages by age, or by size."""

    async def depth(self, now: int) -> Depth:
        """How the queue stands."""

    async def duplicate(self, owner: Owner, token: bytes) -> RecordName | None:
        """The message of an owner that brought this token, maybe gone since."""

    async def forget_dedupe(self, before: int) -> int:
        """Forget tokens of messages that were stored before a time and are gone; how many."""
