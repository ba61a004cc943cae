"""Reads, on the event loop's thread: a few rows take some ten microseconds, a hand-over to a thread takes more.

Each query is read to its end at once (`fetchall`), so no statement stays open between two steps of the loop: an open
one would hold old pages in the WAL, deleted keys among them.

What a call reads comes with its keys in one query of both files (`fetch_locked`): the key store is attached to the data
store's connection. Measured for 200 records whose pages are cached: 370 microseconds, where two queries took 980 and
their results had to be put together; records all over a file take about 1,000.
"""

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from vault.crypto.record_lock import KeyId
from vault.domain.names import Owner, RecordName, owner_of
from vault.storage.engine import sqlite3
from vault.storage.expiring import Place
from vault.storage.feed import FeedItem
from vault.storage.port import ClockNote, Locked, Row, SeenRequest, WrappedKey
from vault.storage.searching import StoredBucket
from vault.storage.sqlite import failures, feed, rows, topics
from vault.storage.sqlite.connection import connect, read_only_uri
from vault.storage.sqlite.group import SEEN
from vault.storage.sqlite.startup import LOG_IDS, LOG_SIZE
from vault.storage.stats import COUNTED
from vault.storage.system import SystemRow, VaultKeyRow

_ROW = "SELECT owner, record_name, key_id, version, written_at, expires_at, stored FROM records"
_KEY = "SELECT owner, record_name, key_id, n, created_at, wrapped FROM key_places JOIN slots USING (slot)"
_FETCH = f"{_ROW} WHERE (owner, record_name) IN ({{values}})"
_FETCH_KEYS = f"{_KEY} WHERE (owner, record_name, key_id) IN ({{values}}) AND retired_at = 0"
_KEYED = """SELECT record_name, created_at FROM key_places
    WHERE (owner, record_name) IN ({values}) AND retired_at = 0"""
# CROSS JOIN keeps the order: what is asked for, one by one, each looked up. With `IN (VALUES …)` SQLite first sorts it
# into a table of its own, which takes as long as the look-ups.
_FETCH_LOCKED = """WITH wanted (o, r) AS ({values})
    SELECT d.owner, d.record_name, d.key_id, d.version, d.written_at, d.expires_at, d.stored, p.n, p.created_at, wrapped
    FROM wanted CROSS JOIN main.records AS d ON d.owner = o AND d.record_name = r
    LEFT JOIN key_store.key_places AS p
        ON p.owner = o AND p.record_name = r AND p.key_id = d.key_id AND p.retired_at = 0
    LEFT JOIN key_store.slots ON slots.slot = p.slot"""
_ROW_TYPES = (str, str, bytes, int, int, int, bytes)
_KEY_TYPES = (str, str, bytes, int, int, bytes)
_LOCKED_TYPES = (*_ROW_TYPES, *_KEY_TYPES[3:])
_BUCKET_TYPES = (int, int, bytes)
_FIND = """SELECT DISTINCT record_name FROM lookups JOIN key_places USING (owner, record_name, key_id)
    WHERE field = ? AND (token, lookups.n) IN ({values}) AND retired_at = 0 AND record_name > ?
    ORDER BY record_name LIMIT ?"""
_IN_RANGE = "(owner, record_name, key_id) > (?, ?, ?) AND (owner, record_name, key_id) <= (?, ?, ?)"
COUNTING_S = 0.25
_END = "\U0010ffff"
"""After every name that starts with what stands before it."""

KeyRange = tuple[tuple[str, str, bytes], tuple[str, str, bytes]]
"""Keys after one (owner, record name, key id), up to and with another."""


class Reader:
    """Two read-only connections, for one thread."""

    def __init__(self, data_path: Path, keys_path: Path) -> None:
        self._data_path = data_path
        self._data = connect(data_path, read_only=True, secret=False)
        self._keys = connect(keys_path, read_only=True, secret=True)
        self._data.execute("ATTACH ? AS key_store", (read_only_uri(keys_path),))

    def close(self) -> None:
        """Close both."""
        self._data.close()
        self._keys.close()

    def fetch(self, names: Sequence[RecordName]) -> dict[RecordName, Row]:
        """The rows that exist."""
        found = _reading(lambda: rows.select(self._data, _FETCH, [(owner_of(name), name) for name in names]))
        return {row.record_name: row for row in map(_row, found)}

    def fetch_locked(self, names: Sequence[RecordName]) -> list[Locked]:
        """The rows that exist, each with its live key."""
        found = _reading(lambda: rows.select(self._data, _FETCH_LOCKED, [(owner_of(name), name) for name in names]))
        return list(map(_locked, found))

    def order_feed(self, after: int, limit: int) -> list[FeedItem]:
        """Orders after a number."""
        found = _reading(lambda: self._data.execute(feed.SINCE, (after, limit)).fetchall())
        return [FeedItem(*item) for item in found]

    def fetch_keys(self, records: Sequence[Row]) -> dict[KeyId, WrappedKey]:
        """Their live keys."""
        wanted = [(row.owner, row.record_name, row.key_id) for row in records]
        found = _reading(lambda: rows.select(self._keys, _FETCH_KEYS, wanted))
        return {key[2]: WrappedKey._make(key) for key in found if tuple(map(type, key)) == _KEY_TYPES}

    def keyed(self, names: Sequence[RecordName], created_before: int) -> list[RecordName]:
        """Those of these names that have a live key from before a time."""
        wanted = [(owner_of(name), name) for name in names]
        found = _reading(lambda: rows.select(self._keys, _KEYED, wanted))
        return list(dict.fromkeys(RecordName(name) for name, created_at in found if created_at < created_before))

    def list_rows(self, owner: Owner, prefix: str, after: str, limit: int) -> list[Row]:
        """Rows of an owner by prefix, paged."""
        sql = f"{_ROW} WHERE owner = ? AND record_name >= ? AND record_name < ? AND record_name > ?"
        sql += " ORDER BY record_name LIMIT ?"
        return [_row(row) for row in self._all(self._data, sql, owner, prefix, prefix + _END, after, limit)]

    def find(self, field: str, tokens: Sequence[tuple[int, bytes]], after: str, limit: int) -> list[RecordName]:
        """Names of records found by a token."""
        if not tokens:
            return []
        sql = rows.statement_of(_FIND, len(tokens), 2)
        pairs = [value for n, token in tokens for value in (token, n)]
        return [RecordName(name) for (name,) in self._all(self._keys, sql, field, *pairs, after, limit)]

    def seen_request(self, caller: str, request_id: str) -> SeenRequest | None:
        """A caller's request_id, if used."""
        found = _reading(lambda: rows.select(self._data, SEEN, [(caller, request_id)]))
        return SeenRequest(*found[0]) if found else None

    def erased(self, owner: Owner) -> bool:
        """Whether either store has the tombstone."""
        sql = "SELECT 1 FROM tombstones WHERE owner = ?"
        return bool(self._all(self._keys, sql, owner) or self._all(self._data, sql, owner))

    def vault_id(self) -> bytes:
        """16 bytes."""
        vault_id: bytes = self._all(self._data, "SELECT vault_id FROM meta")[0][0]
        return vault_id

    def vault_keys(self) -> list[VaultKeyRow]:
        """All versions, ascending."""
        sql = "SELECT n, state, created_at, wrapped FROM vault_keys ORDER BY n"
        return [VaultKeyRow(*row) for row in self._all(self._keys, sql)]

    def system_rows(self, kind: str, prefix: str, after: str, limit: int) -> list[SystemRow]:
        """The newest version of each, by prefix, paged."""
        # SQLite takes the other columns of a group from the row that has the maximum.
        sql = """SELECT kind, row, max(version), n, sealed FROM system_rows
            WHERE kind = ? AND row >= ? AND row < ? AND row > ? AND NOT destroyed
            GROUP BY row ORDER BY row LIMIT ?"""
        return [SystemRow(*row) for row in self._all(self._keys, sql, kind, prefix, prefix + _END, after, limit)]

    def count_system_rows(self, kind: str, prefix: str) -> int:
        """How many, by prefix."""
        sql = "SELECT count(*) FROM system_rows WHERE kind = ? AND row >= ? AND row < ? AND NOT destroyed"
        count: int = self._all(self._keys, sql, kind, prefix, prefix + _END)[0][0]
        return count

    def system_row(self, kind: str, row: str, version: int | None) -> SystemRow | None:
        """One version of one, the newest unless told."""
        sql = """SELECT kind, row, version, n, sealed FROM system_rows
            WHERE kind = ? AND row = ? AND version = coalesce(?, version) AND NOT destroyed
            ORDER BY version DESC LIMIT 1"""
        found = self._all(self._keys, sql, kind, row, version)
        return SystemRow(*found[0]) if found else None

    def log_ids(self) -> list[str]:
        """All logs, ascending."""
        return [log for (log,) in self._all(self._data, LOG_IDS)]

    def log_size(self, log_id: str) -> int:
        """Durable entries."""
        size: int = self._all(self._data, LOG_SIZE, log_id)[0][0]
        return size

    def log_entries(self, log_id: str, start: int, limit: int) -> list[tuple[int, bytes]]:
        """(index, entry), ascending."""
        sql = "SELECT idx, entry FROM log_entries WHERE log_id = ? AND idx >= ? ORDER BY idx LIMIT ?"
        return self._all(self._data, sql, log_id, start, limit)

    def customers(self, after: str, limit: int) -> list[RecordName]:
        """Names of customer records, ascending, after the name `after`."""
        sql = "SELECT owner FROM records WHERE owner > ? AND owner < 'customers0' AND record_name = owner"
        return [RecordName(name) for (name,) in self._all(self._data, f"{sql} ORDER BY owner LIMIT ?", after, limit)]

    def log_entries_with(self, log_id: str, needle: bytes, start: int, end: int) -> list[tuple[int, bytes]]:
        """(index, entry) of those from `start` to before `end` that contain these bytes, ascending."""
        sql = "SELECT idx, entry FROM log_entries WHERE log_id = ? AND idx >= ? AND idx < ?"
        return self._all(self._data, f"{sql} AND instr(entry, ?) > 0 ORDER BY idx", log_id, start, end, needle)

    def log_topics(self, log_id: str, bucket: int) -> list[StoredBucket]:
        """The buckets of one number, ascending by start."""
        found = self._all(self._data, topics.BUCKETS_OF, log_id, bucket)
        return [StoredBucket._make(each) for each in found if tuple(map(type, each)) == _BUCKET_TYPES]

    def newest_checkpoint(self, log_id: str) -> tuple[int, str] | None:
        """(size, note)."""
        sql = "SELECT size, note FROM checkpoints WHERE log_id = ? ORDER BY size DESC LIMIT 1"
        found = self._all(self._data, sql, log_id)
        return found[0] if found else None

    def expired(self, now: int, after: Place, limit: int) -> list[Place]:
        """Places of rows whose end has come, in their order."""
        sql = """SELECT expires_at, owner, record_name FROM records
            WHERE expires_at > 0 AND expires_at <= ? AND (expires_at, owner, record_name) > (?, ?, ?)
            ORDER BY expires_at, owner, record_name LIMIT ?"""
        return [Place(*place) for place in self._all(self._data, sql, now, *after, limit)]

    def clock_note(self) -> ClockNote | None:
        """What was noted of the clock."""
        found = self._all(self._data, "SELECT right_at, doubt FROM clock")
        return ClockNote(*found[0]) if found else None

    def key_ranges(self, keys: int) -> Iterator[KeyRange]:
        """The whole key store in key order, in ranges of so many keys, whether a walk wants many of them or none."""
        sql = """SELECT owner, record_name, key_id FROM key_places WHERE (owner, record_name, key_id) > (?, ?, ?)
            ORDER BY owner, record_name, key_id LIMIT 1 OFFSET ?"""
        after: tuple[str, str, bytes] = ("", "", b"")
        while found := self._all(self._keys, sql, *after, keys - 1):
            yield after, found[0]
            after = found[0]
        yield after, (_END, _END, b"")

    def live_keys(self, within: KeyRange, created_before: int) -> list[WrappedKey]:
        """Live keys of a range, for the sweep."""
        sql = f"{_KEY} WHERE {_IN_RANGE} AND retired_at = 0 AND created_at < ?"
        return [WrappedKey(*key) for key in self._all(self._keys, sql, *within[0], *within[1], created_before)]

    def retired_keys(self, within: KeyRange, retired_before: int) -> list[WrappedKey]:
        """Retired keys of a range, for the purge."""
        sql = f"{_KEY} WHERE {_IN_RANGE} AND retired_at > 0 AND retired_at < ?"
        return [WrappedKey(*key) for key in self._all(self._keys, sql, *within[0], *within[1], retired_before)]

    def scan(self, wanted: Collection[KeyId]) -> set[KeyId]:
        """Which of these ids rows have, whatever their index says; from any thread, on a connection of its own."""

        def query() -> list[Any]:
            with closing(connect(self._data_path, read_only=True, secret=False)) as store:
                ids = store.execute("SELECT key_id FROM records NOT INDEXED")
                return [key_id for (key_id,) in ids if key_id in wanted]

        return set(_reading(query))

    def _all(self, store: sqlite3.Connection, sql: str, *values: rows.Value | None) -> list[Any]:
        return _reading(lambda: store.execute(sql, values).fetchall())


def count_retired(keys_path: Path) -> tuple[int, int] | None:
    """How many retired keys wait for the purge, up to `COUNTED`, and since when the oldest does; None if it took long.

    Over a connection of its own, so that it can run in a thread. It gives up after a moment: a reader that goes through
    millions of keys stands in the way of a checkpoint, and an erasure waits for one.
    """
    connection = connect(keys_path, read_only=True, secret=True)
    ends = time.monotonic() + COUNTING_S
    connection.set_progress_handler(lambda: time.monotonic() > ends, 10_000)
    try:
        sql = """SELECT count(*), coalesce(min(retired_at), 0)
            FROM (SELECT retired_at FROM key_places WHERE retired_at > 0 LIMIT ?)"""
        found: tuple[int, int] = connection.execute(sql, (COUNTED,)).fetchone()
    except sqlite3.Error:
        return None
    else:
        return found
    finally:
        connection.close()


def _reading(query: Callable[[], list[Any]]) -> list[Any]:
    try:
        return query()
    except Exception as error:  # noqa: BLE001 - a driver's text may quote a value
        raise failures.while_reading(error) from None


def _row(columns: tuple[Any, ...]) -> Row:
    """A row as stored; one whose columns changed their types opens under no key, whoever tries."""
    if tuple(map(type, columns)) == _ROW_TYPES:
        return Row._make(columns)
    return Row(columns[0], columns[1], KeyId(b""), 0, 0, 0, b"")


def _locked(columns: tuple[Any, ...]) -> Locked:
    """A row with its key; a key whose columns changed their types is none."""
    if tuple(map(type, columns)) == _LOCKED_TYPES:
        return Locked._make(columns)
    return Locked.of(_row(columns[:7]), None)
