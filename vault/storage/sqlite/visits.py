"""Counts of visits in SQLite: one statement adds to all counts of a group.

A report may add up a month of counts, which takes longer than the event loop may stand still, so it has a thread and a
connection of its own.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from vault.domain.visits import OTHER
from vault.storage.engine import sqlite3
from vault.storage.sqlite import failures, rows
from vault.storage.sqlite.connection import connect
from vault.storage.sqlite.stores import Stores
from vault.storage.visits import CountedBy, VisitKey, Visits

_ADD = """INSERT INTO visit_counts (counted_by, hour, name, visits) {values}
    ON CONFLICT (counted_by, hour, name) DO UPDATE SET visits = visits + excluded.visits"""
_NAMES = "SELECT name FROM visit_counts WHERE counted_by = ? AND hour = ?"
_BY_NAME = """SELECT name, sum(visits) FROM visit_counts WHERE counted_by = ? AND hour >= ? AND hour < ?
    GROUP BY name ORDER BY sum(visits) DESC, name"""
_BY_HOUR = """SELECT hour, sum(visits) FROM visit_counts WHERE counted_by = 'page' AND hour >= ? AND hour < ?
    GROUP BY hour ORDER BY hour"""
_FORGET = """DELETE FROM visit_counts WHERE (counted_by, hour, name) IN
    (SELECT counted_by, hour, name FROM visit_counts WHERE counted_by = ? AND hour < ? LIMIT ?)"""
_AT_ONCE = 10_000


def add(data: sqlite3.Connection, visits: Sequence[Visits]) -> None:
    """Add counts, in the data transaction of their entries."""
    for one in visits:
        named: dict[tuple[CountedBy, int], dict[str, int]] = defaultdict(dict)
        for (by, hour, name), count in one.counts.items():
            named[by, hour][name] = count
        totals: Counter[VisitKey] = Counter()
        for (by, hour), counts in named.items():
            known = {name for (name,) in data.execute(_NAMES, (by, hour))}
            for name, count in counts.items():
                kept = name if name in known or len(known) < one.most else OTHER
                known.add(kept)
                totals[VisitKey(by, hour, kept)] += count
        rows.execute(data, _ADD, [(*key, count) for key, count in totals.items()])


def by_name(path: Path, by: CountedBy, start: int, end: int) -> Sequence[tuple[str, int]]:
    """See the port."""
    return _read(path, lambda data: data.execute(_BY_NAME, (by, start, end)).fetchall())


def by_hour(path: Path, start: int, end: int) -> Sequence[tuple[int, int]]:
    """See the port."""
    return _read(path, lambda data: data.execute(_BY_HOUR, (start, end)).fetchall())


def forget(before: int) -> Callable[[Stores], int]:
    """Remove some of the counts before an hour; how many, none if there are no more."""

    def run(stores: Stores) -> int:
        with stores.data_transaction() as data:
            return sum(data.execute(_FORGET, (by, before, _AT_ONCE)).rowcount for by in CountedBy)

    return run


def _read(path: Path, ask: Callable[[sqlite3.Connection], Sequence[tuple[Any, int]]]) -> Sequence[tuple[Any, int]]:
    try:
        with closing(connect(path, read_only=True, secret=False)) as data:
            return ask(data)
    except sqlite3.Error as error:
        raise failures.while_reading(error) from None
