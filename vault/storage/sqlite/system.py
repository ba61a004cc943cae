"""Jobs of the writer that are small and rare: system rows, vault keys, leases, checkpoints.

Each function makes a job: a function of the stores that the writer's thread runs in its turn.
"""

from collections.abc import Callable, Sequence

from vault.domain.names import Owner, RecordName, owner_of
from vault.errors import AlreadyExists
from vault.storage.engine import sqlite3
from vault.storage.port import ClockNote
from vault.storage.sqlite import rows, slots
from vault.storage.sqlite.stores import Stores
from vault.storage.system import SystemRow, VaultKeyRow

_SYSTEM_ROWS = "INSERT INTO system_rows (kind, row, version, n, sealed) {values}"
_DESTROY = """UPDATE system_rows SET sealed = zeroblob(length(sealed)), destroyed = 1
    WHERE kind = ? AND row < ? AND NOT destroyed"""
_ROWS = "SELECT record_name FROM records WHERE (owner, record_name) IN ({values})"
_LIVE = "SELECT record_name FROM key_places WHERE (owner, record_name) IN ({values}) AND retired_at = 0"
_ERASED = "SELECT owner FROM tombstones WHERE (owner) IN ({values})"
_FORGET = """DELETE FROM requests WHERE (caller, request_id) IN
    (SELECT caller, request_id FROM requests WHERE seen_at < ? ORDER BY seen_at LIMIT ?)"""
FORGOTTEN_AT_ONCE = 1000
_LEASE = """INSERT INTO log_leases (log_id, holder, expires_at) VALUES (?, ?, ?)
    ON CONFLICT (log_id) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at
    WHERE holder = excluded.holder OR expires_at <= ?"""
_CHECKPOINT = """INSERT INTO checkpoints (log_id, size, note) VALUES (?, ?, ?)
    ON CONFLICT (log_id, size) DO UPDATE SET note = excluded.note"""


def add_system_rows(new: Sequence[SystemRow], *, ignore_existing: bool) -> Callable[[Stores], int]:
    """Insert rows; how many were new."""
    sql = _SYSTEM_ROWS + " ON CONFLICT (kind, row, version) DO NOTHING" if ignore_existing else _SYSTEM_ROWS

    def job(stores: Stores) -> int:
        try:
            with stores.key_transaction() as keys:
                return rows.execute(keys, sql, [(r.kind, r.row, r.version, r.n, r.sealed) for r in new])
        except sqlite3.IntegrityError:
            raise AlreadyExists("a row of this version is there already") from None

    return job


def remove_system_rows(kind: str, before: str) -> Callable[[Stores], None]:
    """Destroy the rows of a kind that sort before a name: overwritten where they are, as keys are (see `slots`)."""

    def job(stores: Stores) -> None:
        with stores.key_transaction() as keys:
            gone = keys.execute(_DESTROY, (kind, before)).rowcount
        stores.destroyed |= gone > 0

    return job


def destroy_keys(owner: Owner, name: RecordName) -> Callable[[Stores], int]:
    """Destroy what keys a record without a row still has."""

    def job(stores: Stores) -> int:
        row = "SELECT 1 FROM records WHERE owner = ? AND record_name = ?"
        if stores.data.execute(row, (owner, name)).fetchone() or not slots.of_records(stores.keys, [(owner, name)]):
            return 0
        with stores.key_transaction() as keys:  # which may first settle that these keys are destroyed: look again
            doomed = slots.of_records(keys, [(owner, name)])
            slots.destroy(keys, doomed)
        stores.destroyed = True
        return len(doomed)

    return job


def without_row(names: Sequence[RecordName]) -> Callable[[Stores], Sequence[RecordName]]:
    """Those of these names that have a live key, no row, and nothing owed: between two turns, nothing is under way."""

    def job(stores: Stores) -> Sequence[RecordName]:
        owed = {doomed.remove.record_name for doomed in stores.owed.destroy}
        owed |= {put.row.record_name for put in stores.owed.discard}
        wanted = [(owner_of(name), name) for name in names if name not in owed]
        there = {name for (name,) in rows.select(stores.data, _ROWS, wanted)}
        keyed = {name for (name,) in rows.select(stores.keys, _LIVE, wanted)}
        erased = {o for store in (stores.keys, stores.data) for (o,) in rows.select(store, _ERASED, _owners(wanted))}
        return [name for owner, name in wanted if name in keyed - there and owner not in erased]

    return job


def _owners(names: Sequence[tuple[Owner, RecordName]]) -> list[tuple[Owner]]:
    return [(owner,) for owner in {owner for owner, _ in names}]


def forget_requests(before: int) -> Callable[[Stores], int]:
    """Remove requests that were seen before a time, so many that calls behind it wait some milliseconds."""

    def job(stores: Stores) -> int:
        with stores.data_transaction() as data:
            return data.execute(_FORGET, (before, FORGOTTEN_AT_ONCE)).rowcount

    return job


def note_clock(note: ClockNote) -> Callable[[Stores], None]:
    """Keep a note of the clock."""

    def job(stores: Stores) -> None:
        with stores.data_transaction() as data:
            data.execute(
                "INSERT OR REPLACE INTO clock (one, right_at, doubt) VALUES (1, ?, ?)", (note.right_at, note.doubt)
            )

    return job


def add_vault_key(row: VaultKeyRow) -> Callable[[Stores], None]:
    """Insert a version of the vault key."""

    def job(stores: Stores) -> None:
        try:
            with stores.key_transaction() as keys:
                values = (row.n, row.state, row.created_at, row.wrapped)
                keys.execute("INSERT INTO vault_keys (n, state, created_at, wrapped) VALUES (?, ?, ?, ?)", values)
        except sqlite3.IntegrityError:
            raise AlreadyExists("a row of this version is there already") from None

    return job


def acquire_log(log_id: str, holder: str, now: int, lease_ms: int) -> Callable[[Stores], bool]:
    """Take or renew a log's lease."""

    def job(stores: Stores) -> bool:
        with stores.data_transaction() as data:
            return bool(data.execute(_LEASE, (log_id, holder, now + lease_ms, now)).rowcount)

    return job


def add_checkpoint(log_id: str, size: int, note: str) -> Callable[[Stores], None]:
    """Keep a checkpoint; then a key-store commit notes the sizes of all logs, as every one does."""

    def job(stores: Stores) -> None:
        with stores.data_transaction() as data:
            data.execute(_CHECKPOINT, (log_id, size, note))
        with stores.key_transaction():
            pass

    return job
