"""Reads of the queue and of chunks, on the event loop's thread: each is bounded, and read to its end at once."""

from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from vault.domain.names import Owner, RecordName, owner_of
from vault.storage.queue import Chunk, Depth, DueQuery, ListQuery, Queued, QueueRow, RecipientRow, Upload
from vault.storage.sqlite import failures, rows
from vault.storage.sqlite.connection import connect

_ROWS: Final = """SELECT owner, record_name, key_id, kind, size, chunks, stored_at, due_at, dead_at, expires_at, lease,
    attempts, reason, status, revision FROM mail_queue WHERE (owner, record_name) IN ({values})"""
_NAMES: Final = "SELECT q.record_name FROM mail_queue q"
_TIMES: Final = "SELECT q.due_at FROM mail_queue q"
_RECIPIENTS: Final = """SELECT record_name, place, token, next_hop, state, status, changed_at FROM mail_recipients
    WHERE (owner, record_name) IN ({values}) ORDER BY owner, record_name, place"""
_CHUNKS: Final = """SELECT idx, stored FROM mail_chunks WHERE owner = ? AND record_name = ? AND key_id = ? AND idx >= ?
    ORDER BY idx LIMIT ?"""
_FOR_HOP: Final = """EXISTS (SELECT 1 FROM mail_recipients r WHERE r.owner = q.owner AND r.record_name = q.record_name
    AND r.next_hop = ? AND r.state = 1)"""
_FOR_RECIPIENT: Final = """EXISTS (SELECT 1 FROM mail_recipients r WHERE r.token = ? AND r.owner = q.owner
    AND r.record_name = q.record_name)"""
_LEASED: Final = "q.lease <> x'' AND q.due_at > ?"
_STATES: Final = {
    1: (f"NOT ({_LEASED}) AND q.dead_at > ?", 2),
    2: (f"({_LEASED})", 1),
    3: (f"NOT ({_LEASED}) AND q.dead_at <= ?", 2),
}
"""Of `vault.service.mail_states`: a condition, and how often it asks for the time."""
_DEPTH: Final = """SELECT count(*), coalesce(sum(lease <> x'' AND due_at > ?), 0),
    coalesce(sum(NOT (lease <> x'' AND due_at > ?) AND dead_at <= ?), 0), coalesce(sum(size), 0),
    coalesce(min(stored_at), 0) FROM mail_queue"""


class QueueReader:
    """A read-only connection of its own, for one thread."""

    def __init__(self, data: Path) -> None:
        self._data = connect(data, read_only=True, secret=False)

    def close(self) -> None:
        """Close it."""
        self._data.close()

    def chunks(self, record: Upload, first: int, limit: int) -> list[Chunk]:
        """In order, from a place on."""
        found = self._all(_CHUNKS, record.owner, record.record_name, record.key_id, first, limit)
        return [Chunk(*chunk) for chunk in found]

    def queued(self, names: Collection[RecordName]) -> list[Queued]:
        """Queue rows with their recipients, in the order of the names."""
        wanted: list[tuple[rows.Value, ...]] = [(owner_of(name), name) for name in names]
        found = {row[1]: QueueRow(*row) for row in _reading(lambda: rows.select(self._data, _ROWS, wanted))}
        places: dict[str, list[RecipientRow]] = {}
        for name, *place in _reading(lambda: rows.select(self._data, _RECIPIENTS, wanted)):
            places.setdefault(name, []).append(RecipientRow(*place))
        return [Queued(found[name], tuple(places.get(name, ()))) for name in names if name in found]

    def due(self, query: DueQuery) -> list[RecordName]:
        """What can be claimed now."""
        wheres, values = _claimable(query)
        sql = f"{_NAMES} WHERE q.due_at <= ? AND {' AND '.join(wheres)}"
        sql += " ORDER BY q.due_at, q.record_name LIMIT ?"
        return [RecordName(name) for (name,) in self._all(sql, query.now, *values, query.limit)]

    def next_due(self, query: DueQuery) -> int:
        """When the next can be claimed that cannot be now."""
        wheres, values = _claimable(query)
        sql = f"{_TIMES} WHERE q.due_at > ? AND {' AND '.join(wheres)}"
        found = self._all(f"{sql} ORDER BY q.due_at LIMIT 1", query.now, *values)
        return found[0][0] if found else 0

    def listed(self, query: ListQuery) -> list[RecordName]:
        """A page of the queue."""
        wheres: list[str] = ["q.expires_at > ?"]
        values: list[rows.Value] = [query.now]
        for where, some in _filters(query):
            wheres.append(where)
            values += some
        column, order = ("q.size", "DESC") if query.by_size else ("q.stored_at", "ASC")
        sql = f"{_NAMES} WHERE {' AND '.join(wheres)}"
        sql += f" ORDER BY {column} {order}, q.record_name {order} LIMIT ?"
        return [RecordName(name) for (name,) in self._all(sql, *values, query.limit)]

    def depth(self, now: int) -> Depth:
        """Counts of the whole queue."""
        total, leased, dead, size, oldest = self._all(_DEPTH, now, now, now)[0]
        return Depth(total - leased - dead, leased, dead, size, oldest)

    def duplicate(self, owner: Owner, token: bytes) -> RecordName | None:
        """Which message brought a token."""
        found = self._all("SELECT record_name FROM mail_dedupe WHERE owner = ? AND token = ?", owner, token)
        return RecordName(found[0][0]) if found else None

    def _all(self, sql: str, *values: rows.Value) -> list[Any]:
        return _reading(lambda: self._data.execute(sql, values).fetchall())


def _claimable(query: DueQuery) -> tuple[list[str], list[rows.Value]]:
    wheres = ["q.expires_at > ?", f"q.dead_at {'<=' if query.dead else '>'} ?"]
    values: list[rows.Value] = [query.now, query.now]
    if query.kinds:
        wheres.append(f"q.kind IN ({', '.join('?' * len(query.kinds))})")
        values += query.kinds
    if query.next_hop:
        wheres.append(_FOR_HOP)
        values.append(query.next_hop)
    return wheres, values


def _filters(query: ListQuery) -> Iterator[tuple[str, Sequence[rows.Value]]]:
    if query.owner:
        yield "q.owner = ?", [query.owner]
    if query.state:
        where, times = _STATES[query.state]
        yield where, [query.now] * times
    if query.token:
        yield _FOR_RECIPIENT, [query.token]
    if query.next_hop:
        yield _FOR_HOP, [query.next_hop]
    if query.after is not None:
        column, beyond = ("q.size", "<") if query.by_size else ("q.stored_at", ">")
        yield f"({column}, q.record_name) {beyond} (?, ?)", [*query.after]


def _reading(query: Callable[[], list[Any]]) -> list[Any]:
    try:
        return query()
    except Exception as error:  # noqa: BLE001 - a driver's text may quote a value
        raise failures.while_reading(error) from None
