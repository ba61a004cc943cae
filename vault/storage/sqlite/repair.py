"""Making two stores of different times fit each other again: offline, under the vault's lock, step by step.

Each step is one or more commits and can be repeated, so a run that a kill ended is begun again from the start. What
start-up goes by (the key store's sequence number and log sizes, what the data depends on) is left as it was found until
`accept`, the last step: until then a start is refused as before, and the next run comes to the same verdict.

`accept` raises the sequence number by far more than any life of a store counts, so that files from before the restore
are never taken for newer ones of this history.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeVar

from vault.crypto.merkle import leaf_hash
from vault.domain.names import Owner
from vault.errors import ConfigError, ResourceExhausted
from vault.storage.engine import sqlite3
from vault.storage.port import Row, WrappedKey
from vault.storage.sqlite import failures, rows, slots
from vault.storage.sqlite.connection import connect, transaction, truncate
from vault.storage.sqlite.owed import retire
from vault.storage.sqlite.plan import Retirement
from vault.storage.sqlite.reader import Reader
from vault.storage.sqlite.schema import data_migrations, keys_migrations, migrate
from vault.storage.sqlite.startup import LOG_IDS, LOG_SIZE
from vault.storage.sqlite.survey import START, Joined, Place, joined
from vault.storage.system import SystemRow, VaultKeyRow

T = TypeVar("T")

AT_ONCE: Final = 500
"""Keys or rows in one commit."""
ANOTHER_HISTORY: Final = 1 << 32
_REVIVE = """WITH new (owner, record_name, key_id, n, wrapped) AS ({values})
    UPDATE slots SET wrapped = new.wrapped FROM new JOIN key_places USING (owner, record_name, key_id)
    WHERE slots.slot = key_places.slot"""
_LIVE = """WITH new (owner, record_name, key_id, n, wrapped) AS ({values})
    UPDATE key_places SET n = new.n, retired_at = 0 FROM new WHERE (key_places.owner, key_places.record_name,
    key_places.key_id) = (new.owner, new.record_name, new.key_id)"""
_SYSTEM_ROWS = """INSERT INTO system_rows (kind, row, version, n, sealed) {values}
    ON CONFLICT (kind, row, version) DO NOTHING"""
_NOTE_SIZES = "INSERT INTO log_sizes (log_id, size) {values}"


class Look:
    """What a keyring needs of the key store, to be read."""

    def __init__(self, data: Path, keys: Path) -> None:
        self._reader = Reader(data, keys)

    def close(self) -> None:
        """Close what was opened."""
        self._reader.close()

    async def vault_id(self) -> bytes:
        """16 bytes."""
        return self._reader.vault_id()

    async def vault_keys(self) -> Sequence[VaultKeyRow]:
        """All versions of the vault key."""
        return self._reader.vault_keys()

    async def system_row(self, kind: str, row: str, version: int | None = None) -> SystemRow | None:
        """One version of a system row, the newest unless told."""
        return self._reader.system_row(kind, row, version)


class Repair(Look):
    """Both stores, for the one process that has the vault's lock."""

    def __init__(self, data: Path, keys: Path) -> None:
        """Open both for writing.

        Raises:
            ConfigError: one was made by a newer release.
        """
        super().__init__(data, keys)
        self._paths = (data, keys)
        self._data = connect(data, read_only=False, secret=False)
        self._keys = connect(keys, read_only=False, secret=True)
        for connection, migrations, path in (
            (self._data, data_migrations, data),
            (self._keys, keys_migrations, keys),
        ):
            migrate(connection, migrations, path)
            truncate(connection)

    def close(self) -> None:
        """Leave no WAL behind, and close."""
        super().close()
        for connection in (self._data, self._keys):
            truncate(connection)
            connection.close()

    async def add_system_rows(self, new: Sequence[SystemRow], *, ignore_existing: bool = False) -> int:
        """Insert rows; one that is there stays, so that a step can be repeated."""
        del ignore_existing
        values = [(r.kind, r.row, r.version, r.n, r.sealed) for r in new]
        with self._commit(self._keys):
            return rows.execute(self._keys, _SYSTEM_ROWS, values)

    # steps

    def revive(self, live_form: Callable[[WrappedKey], WrappedKey | None]) -> int:
        """Make retired keys live that rows name; how many. What `live_form` cannot open stays as it is."""

        def step(page: Sequence[WrappedKey]) -> int:
            live = [key for key in map(live_form, page) if key is not None]
            values = [(key.owner, key.record_name, key.key_id, key.n, key.wrapped) for key in live]
            with self._commit(self._keys):
                rows.execute(self._keys, _REVIVE, values)
                rows.execute(self._keys, _LIVE, values)
            return len(live)

        return self._walk(Joined.retired, lambda key: key, step)

    def drop_keyless(self, log_id: str, entry: Callable[[Sequence[Row]], bytes]) -> int:
        """Take rows out that have no key; each commit has an entry that names them. How many went."""
        return self._walk(Joined.keyless, lambda row: row, lambda page: self._drop(log_id, page, entry))

    def drop(
        self, log_id: str, gone: Callable[[Row, WrappedKey], bool], entry: Callable[[Sequence[Row]], bytes]
    ) -> int:
        """Take rows out, and their keys, that are known to have been deleted; how many went."""

        def step(page: Sequence[tuple[Row, WrappedKey]]) -> int:
            doomed = [row for row, key in page if gone(row, key)]
            with self._commit(self._keys):
                slots.destroy(self._keys, slots.of_records(self._keys, {(r.owner, r.record_name) for r in doomed}))
            return self._drop(log_id, doomed, entry)

        dropped = self._walk(Joined.whole, lambda pair: pair[0], step)
        truncate(self._keys)
        return dropped

    def settle_loose(
        self, now: int, retired_form: Callable[[WrappedKey], WrappedKey], *, destroy: bool
    ) -> tuple[int, int]:
        """Retire live keys that open no row; how many, and how many were destroyed.

        Args:
            now: milliseconds since 1970.
            retired_form: wraps a key under the label of retired keys.
            destroy: whether the data is the newer store, so that a record without a row was deleted: its keys go.
        """
        destroyed = 0

        def step(page: Sequence[tuple[WrappedKey, bool]]) -> int:
            nonlocal destroyed
            doomed = {(key.owner, key.record_name) for key, has_row in page if destroy and not has_row}
            kept = [key for key, _ in page if (key.owner, key.record_name) not in doomed]
            with self._commit(self._keys):
                places = slots.of_records(self._keys, doomed)
                slots.destroy(self._keys, places)
                retired = retire(self._keys, [Retirement(retired_form(key), now) for key in kept])
            destroyed += len(places)
            return retired

        retired = self._walk(Joined.loose, lambda pair: pair[0], step)
        truncate(self._keys)
        return retired, destroyed

    def forget_requests_since_keys(self) -> int:
        """Forget requests from the key store's last moment on: what they are remembered to have done is lost."""
        newest: int = self._keys.execute("SELECT coalesce(max(created_at), 0) FROM key_places").fetchone()[0]
        with self._commit(self._data):
            return self._data.execute("DELETE FROM requests WHERE seen_at >= ?", (newest,)).rowcount

    def bury(self, tombstones: Sequence[tuple[Owner, int]]) -> None:
        """Note erasures (owner, when); the next opening finishes them."""
        with self._commit(self._data):
            rows.execute(
                self._data,
                "INSERT INTO tombstones (owner, erased_at) {values} ON CONFLICT (owner) DO NOTHING",
                list(tombstones),
            )

    def append(self, log_id: str, entry: bytes, first_checkpoint: Callable[[bytes], str] | None = None) -> None:
        """An entry in; with the signed checkpoint of a log that begins with it."""
        with self._commit(self._data):
            size = self._append(log_id, entry)
            if size == 1 and first_checkpoint is not None:
                note = first_checkpoint(entry)
                self._data.execute("INSERT INTO checkpoints (log_id, size, note) VALUES (?, 1, ?)", (log_id, note))

    def accept(self) -> None:
        """Let start-up take these two stores for what belongs together, and for nothing that was before."""
        sizes = {log: self._size(log) for (log,) in self._data.execute(LOG_IDS).fetchall()}
        (depends_on,) = self._data.execute("SELECT depends_on FROM meta").fetchone()
        with self._commit(self._keys):
            (sequence,) = self._keys.execute("SELECT sequence FROM meta").fetchone()
            sequence = max(sequence, depends_on) + ANOTHER_HISTORY
            self._keys.execute("DELETE FROM log_sizes")
            rows.execute(self._keys, _NOTE_SIZES, sorted(sizes.items()))
            self._keys.execute("UPDATE meta SET sequence = ?", (sequence,))
        with self._commit(self._data):
            self._data.execute("UPDATE meta SET depends_on = ?", (sequence,))

    def _walk(
        self,
        look: Callable[[Joined, Place, int], Sequence[T]],
        where: Callable[[T], Row | WrappedKey],
        step: Callable[[Sequence[T]], int],
    ) -> int:
        """Step from page to page; what the steps counted."""
        after, total = START, 0
        while True:
            with joined(*self._paths) as both:
                page = look(both, after, AT_ONCE)
            total += step(page) if page else 0
            if len(page) < AT_ONCE:
                return total
            last = where(page[-1])
            after = (last.owner, last.record_name, last.key_id)

    @contextmanager
    def _commit(self, connection: sqlite3.Connection) -> Iterator[None]:
        """One commit; what fails leaves the stores refused as before, and the same restore goes on."""
        try:
            with transaction(connection):
                yield
        except sqlite3.Error as error:
            verdict = failures.while_writing(error)
            if isinstance(verdict, ResourceExhausted):
                raise verdict from None
            path = self._paths[connection is self._keys]
            why = "cannot be written; when the cause is gone, run the same restore again"
            raise ConfigError(str(path), "", why) from None

    def _drop(self, log_id: str, page: Sequence[Row], entry: Callable[[Sequence[Row]], bytes]) -> int:
        if page:
            with self._commit(self._data):
                names = [(row.owner, row.record_name) for row in page]
                rows.execute(self._data, "DELETE FROM records WHERE (owner, record_name) IN ({values})", names)
                self._append(log_id, entry(page))
        return len(page)

    def _append(self, log_id: str, entry: bytes) -> int:
        index = self._size(log_id)
        sql = "INSERT INTO log_entries (log_id, idx, entry, leaf) VALUES (?, ?, ?, ?)"
        self._data.execute(sql, (log_id, index, entry, leaf_hash(entry)))
        return index + 1

    def _size(self, log_id: str) -> int:
        size: int = self._data.execute(LOG_SIZE, (log_id,)).fetchone()[0]
        return size
