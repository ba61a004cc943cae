"""Erasure: one owner's keys first, then the rows, in an order that a crash can cut anywhere.

    1. keys:  tombstone in, all keys and lookups out; COMMIT
    2. keys:  truncating checkpoint, so that no page with a key is left in the WAL
    3. data:  rows out, entry in, a copy of the tombstone in; COMMIT
    4. the answer

The data transaction begins first and holds what it counts, so the entry is made before anything is destroyed and a
failure of `finish` leaves all as it was. After step 1 there is no way back: start-up takes each store's tombstones to
the other, and a repeated erasure finishes what a failed one left.
"""

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, repeat

from vault.crypto.merkle import leaf_hash
from vault.domain.names import Owner
from vault.errors import OutcomeUnknown, Unavailable
from vault.storage.engine import sqlite3
from vault.storage.port import Erased
from vault.storage.sqlite import failures, slots
from vault.storage.sqlite.connection import truncate
from vault.storage.sqlite.stores import Stores

_TOMBSTONE = "INSERT OR IGNORE INTO tombstones (owner, erased_at) VALUES (?, ?)"
_TOMBSTONES = "SELECT owner, erased_at FROM tombstones ORDER BY owner"
_COUNT = "SELECT count(*) FROM records WHERE owner = ?"
_KEYS = 0
"""The key store, in `_in_one_only`."""
_ENTRY = "INSERT INTO log_entries (log_id, idx, entry, leaf) VALUES (?, ?, ?, ?)"


@dataclass(frozen=True, slots=True)
class Erasure:
    """One call of `erase`."""

    owner: Owner
    erased_at: int
    log_id: str
    finish: Callable[[int, int], bytes]

    def run(self, stores: Stores) -> Erased:
        """All steps, in the writer's thread.

        Raises:
            OutcomeUnknown: it stopped after step 1; the owner counts as erased, and repeating finishes it.
        """
        before = stores.sequence
        try:
            return self._steps(stores)
        except (Unavailable, sqlite3.Error) as error:
            if stores.sequence == before or isinstance(failures.while_writing(error), failures.Fatal):
                raise
            raise OutcomeUnknown("the keys are destroyed; repeat the erasure to finish it") from None

    def _steps(self, stores: Stores) -> Erased:
        index = stores.log_sizes.get(self.log_id, 0)
        with stores.data_transaction() as data:
            row_count: int = data.execute(_COUNT, (self.owner,)).fetchone()[0]
            with stores.key_transaction() as keys:  # (1)
                doomed = slots.of_owner(keys, self.owner)
                entry = self.finish(len(doomed), row_count)
                bury_keys(keys, self.owner, self.erased_at, doomed)
            truncate(stores.keys)  # (2)
            bury_rows(data, self.owner, self.erased_at)  # (3)
            data.execute(_ENTRY, (self.log_id, index, entry, leaf_hash(entry)))
        stores.log_sizes[self.log_id] = index + 1
        return Erased(len(doomed), row_count, index)


def bury_keys(keys: sqlite3.Connection, owner: Owner, erased_at: int, doomed: Sequence[slots.Place]) -> None:
    """Tombstone in, all keys and lookups out."""
    keys.execute(_TOMBSTONE, (owner, erased_at))
    slots.destroy(keys, doomed)
    keys.execute("DELETE FROM lookups WHERE owner = ?", (owner,))


def bury_rows(data: sqlite3.Connection, owner: Owner, erased_at: int) -> None:
    """Rows out, a copy of the tombstone in."""
    data.execute(_TOMBSTONE, (owner, erased_at))
    data.execute("DELETE FROM records WHERE owner = ?", (owner,))


def finish_erasures(stores: Stores) -> tuple[Owner, ...]:
    """Take each store's tombstones to the other, keys before rows; at start-up, before anything is served.

    Returns:
        The owners whose erasure was not whole; whoever opened the stores enters them in the log.
    """
    rows_to_go: list[tuple[Owner, int]] = []
    keys_to_go: list[tuple[Owner, int]] = []
    for owner, erased_at, store in _in_one_only(stores.keys.execute(_TOMBSTONES), stores.data.execute(_TOMBSTONES)):
        (rows_to_go if store is _KEYS else keys_to_go).append((owner, erased_at))
    if keys_to_go:
        with stores.key_transaction() as keys:
            for owner, erased_at in keys_to_go:
                bury_keys(keys, owner, erased_at, slots.of_owner(keys, owner))
        truncate(stores.keys)
    unfinished = [*rows_to_go, *keys_to_go]
    if unfinished:
        with stores.data_transaction() as data:
            for owner, erased_at in unfinished:
                bury_rows(data, owner, erased_at)
    return tuple(owner for owner, _ in unfinished)


def _in_one_only(*stores: Iterable[tuple[Owner, int]]) -> Iterator[tuple[Owner, int, int]]:
    """Tombstones that one store lacks, with the number of the store that has them; both come sorted by owner."""
    numbered = [zip(store, repeat(number)) for number, store in enumerate(stores)]
    for _, same in groupby(heapq.merge(*numbered), key=lambda tombstone: tombstone[0][0]):
        found = list(same)
        if len(found) == 1:
            (owner, erased_at), number = found[0]
            yield owner, erased_at, number
