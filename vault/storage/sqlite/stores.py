"""The two write connections, and what is known of the stores without asking them.

Two files never commit together, so each says how far the other must be:

- every key-store commit takes the next `sequence` number and notes the size of each log;
- every data commit that follows a new number stores it as `depends_on`.

A store put back from a backup is then behind what the other says, and start-up refuses.
"""

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from vault.domain.names import Owner
from vault.storage.engine import sqlite3
from vault.storage.sqlite import rows
from vault.storage.sqlite.connection import transaction
from vault.storage.sqlite.owed import Owed

_NOTE_SIZES = """INSERT INTO log_sizes (log_id, size) {values}
    ON CONFLICT (log_id) DO UPDATE SET size = excluded.size"""


@dataclass(slots=True)
class Stores:
    """Both stores, as the writer's thread holds them."""

    data: sqlite3.Connection
    keys: sqlite3.Connection
    sequence: int
    depends_on: int
    log_sizes: dict[str, int]
    """Durable entries of each log."""
    noted_sizes: dict[str, int]
    """The sizes that the key store knows."""
    owed: Owed = field(default_factory=Owed)
    written: int = 0
    """Bytes of WAL since the last checkpoint, estimated."""
    unfinished: dict[Owner, Callable[["Stores"], object]] = field(default_factory=dict)
    """Erasures that were stopped after their keys, to be run again when there is room."""
    destroyed: bool = False
    """Keys were deleted since the key store's WAL was last cut: their old pages are still in it."""

    @contextmanager
    def key_transaction(self) -> Iterator[sqlite3.Connection]:
        """A commit of the key store: settles what is owed, takes a number, notes the logs' sizes."""
        settled, sizes = self.owed, self.log_sizes.items() - self.noted_sizes.items()
        with transaction(self.keys):
            settled.settle(self.keys)
            yield self.keys
            self.keys.execute("UPDATE meta SET sequence = ?", (self.sequence + 1,))
            rows.execute(self.keys, _NOTE_SIZES, sorted(sizes))
        self.sequence += 1
        self.noted_sizes.update(sizes)
        self.destroyed |= bool(settled.retire or settled.discard or settled.destroy)
        settled.clear()

    @contextmanager
    def data_transaction(self) -> Iterator[sqlite3.Connection]:
        """A commit of the data store: depends on all key-store commits before it, those made inside of it included."""
        with transaction(self.data):
            yield self.data
            relies_on = self.sequence
            if relies_on != self.depends_on:
                self.data.execute("UPDATE meta SET depends_on = ?", (relies_on,))
        self.depends_on = relies_on

    @contextmanager
    def riding(self) -> Iterator[None]:
        """Data commits inside are written and not synced: they are durable with the next commit outside, or before.

        A commit's fsync is one of the whole WAL, so what one that was synced relies on is on the disk if it is; and
        no checkpoint moves a page whose WAL is not synced (SQLite's rule for synchronous=NORMAL).
        """
        self.data.execute("PRAGMA synchronous = NORMAL").fetchall()
        try:
            yield
        finally:
            self.data.execute("PRAGMA synchronous = FULL").fetchall()

    @contextmanager
    def waiting(self, seconds: float) -> Iterator[None]:
        """Wait only so long for another process that holds a lock (a backup): calls are waiting behind."""
        before = [(store, store.execute("PRAGMA busy_timeout").fetchone()[0]) for store in (self.data, self.keys)]
        try:
            for store, _ in before:
                store.execute(f"PRAGMA busy_timeout = {seconds * 1000:.0f}").fetchall()
            yield
        finally:
            for store, milliseconds in before:
                store.execute(f"PRAGMA busy_timeout = {milliseconds}").fetchall()

    def close(self) -> None:
        """Close both connections; their WALs go with them."""
        self.data.close()
        self.keys.close()

    def abandon(self) -> None:
        """Never close these connections, not even when the interpreter ends.

        Closing would checkpoint, and after a failed fsync that could copy pages that are no longer what was written.
        """
        for connection in (self.data, self.keys):
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection))
