"""Erasure: one owner's keys first, then the rows, in an order that a crash can cut anywhere.

    1. keys:  tombstone in, all keys and lookups out; COMMIT
    2. keys:  truncating checkpoint, so that no page with a key is left in the WAL
    3. data:  rows out, entry in, a copy of the tombstone in; COMMIT
    4. the answer

The data transaction begins first and holds what it counts, so the entry is made before anything is destroyed and a
failure of `finish` leaves all as it was. After step 1 there is no way back. If what follows fails definitely (a full
disk, a reader in the way), the caller is told that the outcome is open, and the erasure is finished when it can be: by
the writer itself between two turns (`house`), by a repeated call, or by the next start, which takes each store's
tombstones to the other. Rows and entry go in one commit, whoever finishes, so that no crash can come between them.

A reader in the way of step 2 is a backup of the key store, which may take a while; the writer must not, since every
call waits for it. So an attempt gives up soon, and is made again (see the driver) until it has waited long enough.
"""

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, repeat

from vault.crypto.merkle import leaf_hash
from vault.domain.names import Owner
from vault.errors import OutcomeUnknown, Unavailable
from vault.storage.engine import sqlite3
from vault.storage.port import Erased, EraseEntry, FinishEntry, Row
from vault.storage.sqlite import failures, rows, slots
from vault.storage.sqlite.connection import truncate
from vault.storage.sqlite.stores import Stores

_TOMBSTONE = "INSERT OR IGNORE INTO tombstones (owner, erased_at) VALUES (?, ?)"
_TOMBSTONES = "SELECT owner, erased_at FROM tombstones ORDER BY owner"
_COUNT = "SELECT count(*) FROM records WHERE owner = ?"
_ROWS = """SELECT owner, record_name, key_id, version, written_at, expires_at, stored FROM records
    WHERE owner = ? AND record_name > ? ORDER BY record_name LIMIT ?"""
_BRIEFLY_S = 0.05
"""For a reader in the way: longer than any of ours stays there."""
_ROWS_PER_ENTRY = 1000
"""Of an erasure that a start finishes: an entry stays small enough to be read over the wire."""
_KEYS = 0
"""The key store, in `_in_one_only`."""
_ENTRY = "INSERT INTO log_entries (log_id, idx, entry, leaf) {values}"


@dataclass(slots=True)
class Erasure:
    """One call of `erase`."""

    owner: Owner
    erased_at: int
    log_id: str
    finish: EraseEntry
    in_the_way: bool = False
    """Whether the last attempt met a reader of another process, after its keys."""
    _keys: int = 0
    """Destroyed by attempts before."""
    _done: Erased | None = None

    def run(self, stores: Stores) -> Erased:
        """All steps, in the writer's thread; again, if an attempt before did not end and nobody finished it since.

        Raises:
            OutcomeUnknown: it stopped after step 1; the owner counts as erased, and repeating finishes it.
        """
        if self._done is not None:
            return self._done
        before = stores.sequence
        try:
            self._done = self._steps(stores)
        except (Unavailable, sqlite3.Error) as error:
            untouched = stores.sequence == before and not self._keys
            if untouched or isinstance(failures.while_writing(error), failures.Fatal):
                raise
            self.in_the_way = isinstance(error, Unavailable)
            stores.unfinished[self.owner] = self.run
            raise OutcomeUnknown("the keys are destroyed; the rest follows, or repeat the erasure") from None
        stores.unfinished.pop(self.owner, None)
        return self._done

    def _steps(self, stores: Stores) -> Erased:
        with stores.data_transaction() as data:
            row_count: int = data.execute(_COUNT, (self.owner,)).fetchone()[0]
            with stores.key_transaction() as keys:  # (1)
                doomed = slots.of_owner(keys, self.owner)
                entry = self.finish(self._keys + len(doomed), row_count)
                bury_keys(keys, self.owner, self.erased_at, doomed)
            self._keys += len(doomed)
            with stores.waiting(_BRIEFLY_S):
                truncate(stores.keys)  # (2)
            bury_rows(data, self.owner, self.erased_at)  # (3)
            size = _append(stores, self.log_id, [entry])
        stores.log_sizes[self.log_id] = size
        return Erased(self._keys, row_count, size - 1)


def bury_keys(keys: sqlite3.Connection, owner: Owner, erased_at: int, doomed: Sequence[slots.Place]) -> None:
    """Tombstone in, all keys and lookups out."""
    keys.execute(_TOMBSTONE, (owner, erased_at))
    slots.destroy(keys, doomed)
    keys.execute("DELETE FROM lookups WHERE owner = ?", (owner,))


def bury_rows(data: sqlite3.Connection, owner: Owner, erased_at: int) -> None:
    """Rows out, a copy of the tombstone in."""
    data.execute(_TOMBSTONE, (owner, erased_at))
    data.execute("DELETE FROM records WHERE owner = ?", (owner,))
    data.execute("DELETE FROM mail_dedupe WHERE owner = ?", (owner,))


@dataclass(frozen=True, slots=True)
class Unfinished:
    """What a start does about erasures that a crash, or a restored file, left in one store only."""

    log_id: str
    finish: FinishEntry

    def run(self, stores: Stores) -> tuple[Owner, ...]:
        """Take each store's tombstones to the other, before anything is served; the owners.

        The data store's commit comes first here: its entry is then never missing, and a crash before the key store's
        has the next start do both again.
        """
        found = list(_in_one_only(stores.keys.execute(_TOMBSTONES), stores.data.execute(_TOMBSTONES)))
        if not found:
            return ()
        with stores.data_transaction() as data:
            entries: list[bytes] = []
            for owner, erased_at, _ in found:
                entries += self._entries(data, owner)
                bury_rows(data, owner, erased_at)
            size = _append(stores, self.log_id, entries)
        stores.log_sizes[self.log_id] = size
        if lacking := [(owner, erased_at) for owner, erased_at, store in found if store is not _KEYS]:
            with stores.key_transaction() as keys:
                for owner, erased_at in lacking:
                    bury_keys(keys, owner, erased_at, slots.of_owner(keys, owner))
            truncate(stores.keys)
        return tuple(owner for owner, _, _ in found)

    def _entries(self, data: sqlite3.Connection, owner: Owner) -> Iterator[bytes]:
        """The entries of one owner: one at least, and one for each page of rows."""
        after = ""
        while True:
            page = [Row(*row) for row in data.execute(_ROWS, (owner, after, _ROWS_PER_ENTRY)).fetchall()]
            if page or not after:
                yield self.finish(owner, page)
            if len(page) < _ROWS_PER_ENTRY:
                return
            after = page[-1].record_name


def _append(stores: Stores, log_id: str, entries: Sequence[bytes]) -> int:
    """Entries in, inside of a data transaction; the log's size once it has committed."""
    start = stores.log_sizes.get(log_id, 0)
    values = [(log_id, at, entry, leaf_hash(entry)) for at, entry in enumerate(entries, start)]
    rows.execute(stores.data, _ENTRY, values)
    return start + len(entries)


def _in_one_only(*stores: Iterable[tuple[Owner, int]]) -> Iterator[tuple[Owner, int, int]]:
    """Tombstones that one store lacks, with the number of the store that has them; both come sorted by owner."""
    numbered = [zip(store, repeat(number)) for number, store in enumerate(stores)]
    for _, same in groupby(heapq.merge(*numbered), key=lambda tombstone: tombstone[0][0]):
        found = list(same)
        if len(found) == 1:
            (owner, erased_at), number = found[0]
            yield owner, erased_at, number
