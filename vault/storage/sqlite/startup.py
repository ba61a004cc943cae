"""Making and opening the files: one process, two files that belong together, nothing left half done.

Before anything is served:

    1. the SQLite is new enough; the key store is private; no other process has the vault open
    2. both schemas are brought up to date
    3. both files are of one vault, and neither is behind what the other has seen (a restored backup)
    4. the WALs are emptied into the files: what a failed fsync left in the page cache only is written again; the
       folders are synced, because SQLite ignores an error when it syncs the folder of a WAL that it has just made

Erasures that a crash cut short are finished next, by whoever opens (`erase.Unfinished`): they need a log entry.
"""

import fcntl
import os
from pathlib import Path

from vault.errors import ConfigError
from vault.storage import engine
from vault.storage.engine import sqlite3
from vault.storage.sqlite.connection import check_file, connect, make_file, sync_folder, truncate
from vault.storage.sqlite.failures import Fatal, while_writing
from vault.storage.sqlite.schema import data_migrations, keys_migrations, migrate
from vault.storage.sqlite.stores import Stores

VAULT_ID_SIZE = 16
LOG_IDS = """WITH RECURSIVE logs (id) AS (
        SELECT min(log_id) FROM log_entries
        UNION ALL SELECT (SELECT min(log_id) FROM log_entries WHERE log_id > logs.id) FROM logs WHERE id IS NOT NULL
    ) SELECT id FROM logs WHERE id IS NOT NULL ORDER BY id"""
"""The logs, by one step down the index each: DISTINCT would read every entry."""
LOG_SIZE = "SELECT coalesce(max(idx) + 1, 0) FROM log_entries WHERE log_id = ?"


def create(data_path: Path, keys_path: Path, vault_id: bytes) -> None:
    """Make both files of a new vault; on any error, neither stays.

    Raises:
        ConfigError: one exists already, or a folder cannot be written.
    """
    engine.require()
    made: list[Path] = []
    try:
        for path, migrations, insert in (
            (data_path, data_migrations, "INSERT INTO meta (one, vault_id, depends_on) VALUES (1, ?, 0)"),
            (keys_path, keys_migrations, "INSERT INTO meta (one, vault_id, sequence) VALUES (1, ?, 0)"),
        ):
            make_file(path)
            made.append(path)
            connection = connect(path, read_only=False, secret=path == keys_path)
            try:
                migrate(connection, migrations, path, new=True)
                connection.execute(insert, (vault_id,))
            finally:
                connection.close()
            sync_folder(path)
    except BaseException as error:
        for path in made:
            path.unlink(missing_ok=True)
        if isinstance(error, (sqlite3.Error, OSError)):
            raise ConfigError(str(made[-1]), "", "cannot be written") from None
        raise


class Lock:
    """One process per vault: a lock on a file beside the key store, gone with the process that holds it."""

    def __init__(self, keys_path: Path) -> None:
        path = keys_path.with_name(keys_path.name + ".lock")
        self._file: int | None = None
        try:
            file = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except OSError as error:
            what = f"cannot be opened: {error.strerror}"
            if not path.parent.is_dir():
                what = "its folder is not there: mount it, or make it, for the vault's user only (mode 700)"
            raise ConfigError(str(path), "", what) from None
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(file)
            raise ConfigError(str(keys_path), "", "another process has this vault open: stop it first") from None
        self._file = file

    def release(self) -> None:
        """Let another process have the vault."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def open_stores(data_path: Path, keys_path: Path) -> Stores:
    """Open both files for writing, in the calling thread, and bring them to a state that can be served.

    Raises:
        ConfigError: says which file, and what to do.
    """
    connections: list[sqlite3.Connection] = []
    try:
        for path, migrations in ((data_path, data_migrations), (keys_path, keys_migrations)):
            connections.append(connect(path, read_only=False, secret=path == keys_path))
            migrate(connections[-1], migrations, path)
        stores = _stores(data_path, keys_path, *connections)
        for path, connection in ((data_path, stores.data), (keys_path, stores.keys)):
            truncate(connection)
            sync_folder(path)
    except BaseException as error:
        for connection in connections:
            connection.close()
        if isinstance(error, (sqlite3.Error, OSError, UnicodeError)):
            raise _cannot_open(keys_path if len(connections) > 1 else data_path, error) from None
        raise
    return stores


def check_files(data_path: Path, keys_path: Path) -> None:
    """What can be checked before a file is opened (step 1)."""
    engine.require()
    check_file(data_path, private=False)
    check_file(keys_path, private=True)
    for path in (data_path, keys_path):
        # Root could open it all the same, and would leave a WAL that the owner cannot.
        if path.stat().st_uid != os.geteuid():
            raise ConfigError(str(path), "", "belongs to another user: run the server as that one, or chown the file")
        for place in (path, path.parent):
            if not os.access(place, os.W_OK, effective_ids=True):
                raise ConfigError(str(place), "", "cannot be written: let the server's user write it, and its folder")


def _stores(data_path: Path, keys_path: Path, data: sqlite3.Connection, keys: sqlite3.Connection) -> Stores:
    """Step 3: refuse two files that do not belong together."""
    vault_id, depends_on = _meta(data, "SELECT vault_id, depends_on FROM meta", data_path)
    same_id, sequence = _meta(keys, "SELECT vault_id, sequence FROM meta", keys_path)
    if vault_id != same_id:
        raise ConfigError(str(keys_path), "", f"is of another vault than {data_path}")
    if depends_on > sequence:
        raise _behind(keys_path, data_path)
    sizes = {log: data.execute(LOG_SIZE, (log,)).fetchone()[0] for (log,) in data.execute(LOG_IDS).fetchall()}
    noted = dict(keys.execute("SELECT log_id, size FROM log_sizes").fetchall())
    if any(size > sizes.get(log, 0) for log, size in noted.items()):
        raise _behind(data_path, keys_path)
    return Stores(data, keys, sequence, depends_on, sizes, noted)


def _meta(connection: sqlite3.Connection, sql: str, path: Path) -> tuple[bytes, int]:
    found: tuple[bytes, int] | None = connection.execute(sql).fetchone()
    if found is None:
        raise ConfigError(str(path), "", "does not say which vault it is of")
    return found


def _behind(old: Path, new: Path) -> ConfigError:
    why = f"is older than {new}, so it was put back from a backup: run customer-vault restore, which says what is lost"
    return ConfigError(str(old), "", why)


def _cannot_open(path: Path, error: sqlite3.Error | OSError | UnicodeError) -> ConfigError:
    verdict = while_writing(error)
    io_error = isinstance(verdict, Fatal) or isinstance(error, OSError)
    return ConfigError(str(path), "", "disk I/O error" if io_error else str(verdict))
