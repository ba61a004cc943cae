"""The storage port: what the vault asks of a database, and in which order things become durable.

Two stores, so that what must be forgotten never sits in the backups that must be kept: *data* (records, the log,
requests seen) and the *key store* (record keys, lookups, system rows, tombstones). Nothing here opens, decides or knows
gRPC. Work is described by values, not by callbacks into SQL, so that a driver can group the work of many calls into
one commit and a second driver can be native.

**A write** (`commit`): (1) new keys commit in the key store; (2) one data transaction: per item compare-and-swap on
key_id, all items or none of an item, then the log entry; (3) replaced keys are retired with the next group commit and
are not waited for. **A deletion**: (1) the data transaction, rows out and entry in; (2) keys destroyed; (3) the answer.
**An erasure** (`erase`): tombstone in and all keys out in one key-store transaction; the key store's WAL truncated;
rows out, entry and a copy of the tombstone in; the answer.

Definite failures raise `Unavailable` or `ResourceExhausted` with nothing done. After an fsync error nobody knows what
is on the disk: `OutcomeUnknown` is raised for what was in flight, `fatal` is called once, and every later call raises
`Unavailable`; the process is expected to exit.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple, Protocol, Self

from vault.crypto.record_lock import KeyId
from vault.domain.names import Owner, RecordName
from vault.storage.expiring import ExpiryStore
from vault.storage.feed import OrderFeed
from vault.storage.logs import LogStore
from vault.storage.queue import Chunk, MailStore, QueuePut
from vault.storage.searching import LogSearch
from vault.storage.stats import Figures
from vault.storage.system import SystemStore
from vault.storage.visits import Visits, VisitStore


class Row(NamedTuple):
    """One record as the data store holds it."""

    owner: Owner
    record_name: RecordName
    key_id: KeyId
    version: int
    written_at: int
    expires_at: int
    stored: bytes


class WrappedKey(NamedTuple):
    """One record key as the key store holds it."""

    owner: Owner
    record_name: RecordName
    key_id: KeyId
    n: int
    """Version of the vault key that wraps it."""
    created_at: int
    wrapped: bytes


class Locked(NamedTuple):
    """One record and its key, as a read finds them; a tuple as the database gives it, since a batch has hundreds."""

    owner: Owner
    record_name: RecordName
    key_id: KeyId
    version: int
    written_at: int
    expires_at: int
    stored: bytes
    n: int
    created_at: int
    wrapped: bytes
    """Of the live key; empty if the key store has none under this key id."""

    @classmethod
    def of(cls, row: Row, key: WrappedKey | None) -> Self:
        """Put together what was read apart."""
        return cls(*row, key.n, key.created_at, key.wrapped) if key else cls(*row, 0, 0, b"")

    @property
    def row(self) -> Row:
        """The record."""
        return Row._make(self[:7])

    @property
    def key(self) -> WrappedKey:
        """Its key."""
        return WrappedKey(self.owner, self.record_name, self.key_id, self.n, self.created_at, self.wrapped)


@dataclass(frozen=True, slots=True)
class Lookup:
    """A masked search token of a record version; it goes when its key goes."""

    owner: Owner
    key_id: KeyId
    field: str
    n: int
    token: bytes


@dataclass(frozen=True, slots=True)
class Put:
    """Write one row, with its new key; `replaces` is the key id of the row that must be there, None if none may be."""

    row: Row
    key: WrappedKey
    replaces: KeyId | None
    lookups: tuple[Lookup, ...] = ()
    carry: tuple[str, ...] = ()
    """Fields whose lookups move over from the replaced key to the new one."""
    retire: WrappedKey | None = None
    """The replaced key, wrapped again as a retired key; takes effect with the next group commit after this one."""
    chunks: tuple[Chunk, ...] = ()
    """Of a message: those that an upload has not stored yet."""
    uploaded: bool = False
    """Of a message: its key is in the key store since the upload was begun, and its loose mark goes now."""


@dataclass(frozen=True, slots=True)
class Remove:
    """Take one row out, if it still has this key, and destroy the key."""

    owner: Owner
    record_name: RecordName
    key_id: KeyId


@dataclass(frozen=True, slots=True)
class Item:
    """What must happen together: all changes, or none."""

    owner: Owner
    puts: tuple[Put, ...] = ()
    removes: tuple[Remove, ...] = ()
    queue: tuple[QueuePut, ...] = ()


class Result(Enum):
    """How one item ended."""

    DONE = "done"
    EXISTS = "exists"
    """A row is there that should not be."""
    CHANGED = "changed"
    """The row is gone, or another version took its place."""
    ERASED = "erased"
    """The owner has a tombstone."""
    DUPLICATE = "duplicate"
    """A message of the owner brought the same token before."""


REQUEST_LIFETIME_MS = 24 * 3600 * 1000
"""How long a request_id has one effect, at least: until the upkeep forgets it, which trusts no clock in doubt."""


YOUNG_MS = 3_600_000
"""A key that is younger may belong to a write that is under way."""


@dataclass(frozen=True, slots=True)
class SeenRequest:
    """A request_id that a caller used: one effect until it is forgotten."""

    caller: str
    request_id: str
    fingerprint: bytes
    """32 bytes over caller, method and request; tells a repeat from another request under the same id."""
    seen_at: int
    response: bytes
    """What the repeat is answered with: a serialized response without protected values."""


@dataclass(frozen=True, slots=True)
class Work:
    """One call's changes, and its log entry.

    `finish` is called inside of the data transaction when the items' results are known, maybe in another thread and
    never concurrently for one log. It returns the serialized log entry, and the response to remember for the
    request_id (ignored if `request` is None); None remembers nothing, so that a failed write can be tried
    again. It must be a pure function, and quick.
    """

    log_id: str
    finish: Callable[[tuple[Result, ...]], tuple[bytes, bytes | None]]
    items: tuple[Item, ...] = ()
    request: SeenRequest | None = None
    visits: Visits | None = None


@dataclass(frozen=True, slots=True)
class Committed:
    """What became durable."""

    results: tuple[Result, ...]
    log_index: int
    replay: SeenRequest | None = None
    """Set if the request_id was seen before: nothing of this work was done, and no entry was written."""


@dataclass(frozen=True, slots=True)
class Erased:
    """What an erasure took out; repeating one finds zeros."""

    keys: int
    rows: int
    log_index: int


EraseEntry = Callable[[int, int], bytes]
"""Makes the log entry of an erasure: (keys, rows) that it takes out."""
FinishEntry = Callable[[Owner, Sequence[Row]], bytes]
"""Makes a log entry of an erasure that a start finishes: whose, and rows that it takes out, maybe not all of them."""


@dataclass(frozen=True, slots=True)
class ClockNote:
    """What the store remembers of the clock, for jobs that destroy what is old."""

    right_at: int
    """The last moment at which the clock was known to be right, milliseconds since 1970."""
    doubt: str
    """Why it is in doubt since then; empty if it is not."""


@dataclass(frozen=True, slots=True)
class Purged:
    """What a purge did."""

    destroyed: int
    kept: int
    """Retired keys that are due, and that a row names all the same."""


class RecordStore(Protocol):
    """Rows, keys and the log, as the use cases need them."""

    async def fetch(self, names: Sequence[RecordName]) -> Mapping[RecordName, Row]:
        """The rows that exist, of any owners, in one query."""

    async def fetch_locked(self, names: Sequence[RecordName]) -> Sequence[Locked]:
        """The rows that exist, each with its live key, in one query of both stores; the names are distinct.

        The stores do not commit together, so a row may have lost its key to a change that is half done: who finds one
        without a key asks again.
        """

    async def fetch_keys(self, rows: Sequence[Row]) -> Mapping[KeyId, WrappedKey]:
        """The live (not retired) keys of these rows, in one query."""

    async def list_rows(self, owner: Owner, prefix: str, after: str, limit: int) -> Sequence[Row]:
        """Rows of an owner whose names start with `prefix`, ascending by name, after the name `after`."""

    async def find(
        self, field: str, tokens: Sequence[tuple[int, bytes]], after: str, limit: int
    ) -> Sequence[RecordName]:
        """Names of records with a live key under one of the (n, token) pairs, ascending by name, after `after`."""

    async def seen_request(self, caller: str, request_id: str) -> SeenRequest | None:
        """What a caller's request_id was used for, if it was."""

    async def erased(self, owner: Owner) -> bool:
        """Whether the owner has a tombstone in either store."""

    async def hidden(self, names: Sequence[RecordName], created_before: int) -> Collection[RecordName]:
        """Those of these names that have a live key from before a time, no row, and no write or deletion under way.

        The index of the rows is damaged where they stood. A deletion that a crash cut short looks the same, until the
        sweep that follows the start has retired its key.
        """

    async def commit(self, work: Work) -> Committed:
        """Make a call's changes and entry durable, in the order of the module's docstring."""

    async def destroy_keys(self, owner: Owner, record_name: RecordName) -> int:
        """Destroy the keys of a record that has no row, durable on return; how many.

        A crash between the two commits of a deletion leaves them, and whoever repeats the deletion wants them gone.
        """

    async def erase(self, owner: Owner, erased_at: int, log_id: str, finish: EraseEntry) -> Erased:
        """Erase an owner."""


class Upkeep(Protocol):
    """What is run at start-up and every hour."""

    async def finish_erasures(self, log_id: str, finish: FinishEntry) -> Sequence[Owner]:
        """Finish the erasures that were interrupted, with their entries; to be called before anything is served.

        Returns:
            Whose they are.
        """

    async def forget_requests(self, before: int) -> int:
        """Remove what is known of request_ids that were used before a time; how many."""

    async def clock_note(self) -> ClockNote | None:
        """What was noted last."""

    async def note_clock(self, note: ClockNote) -> None:
        """Keep another note in its place, durable on return."""

    async def sweep(self, now: int, retired_form: Callable[[WrappedKey], WrappedKey]) -> int:
        """Retire live keys, older than an hour, that no row opens under; how many. It never deletes.

        A crash leaves such keys: new ones whose rows never came, replaced ones not yet retired, those of rows taken
        out. `retired_form` wraps a key again under the label of retired keys.
        """

    async def purge(self, before: int) -> Purged:
        """Destroy keys that were retired before a time, unless a row opens under one; durable on return."""


class Storage(
    RecordStore,
    MailStore,
    SystemStore,
    LogStore,
    VisitStore,
    OrderFeed,
    Upkeep,
    ExpiryStore,
    Figures,
    LogSearch,
    Protocol,
):
    """A whole driver."""

    async def close(self) -> None:
        """Finish what is queued, checkpoint and close; further calls raise Unavailable."""
