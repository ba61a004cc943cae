"""What two store files are like, found out without opening the vault: for who looks after it, server running or not.

Opened read-only. A reader keeps the server from emptying a write-ahead log, and an erasure waits until that is done; so
no look takes longer than its caller says, and each lets go before the next.
"""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from vault.errors import ConfigError, DataLoss
from vault.storage import engine
from vault.storage.engine import sqlite3
from vault.storage.port import ClockNote
from vault.storage.sqlite import failures
from vault.storage.sqlite.connection import check_file, connect
from vault.storage.sqlite.startup import LOG_SIZE
from vault.storage.system import VaultKeyRow

_INTERRUPTED = 9
_NO_STORE = {None, 1, 11, 26}
"""ERROR (no such table), CORRUPT, NOTADB, undecodable text; the others are about the moment: busy, I/O, no memory."""
_YEAR_9999_MS = 253_402_300_799_999
_STEPS = 1000
"""Of SQLite's machine, between two looks at the clock: well under a millisecond."""


def look_through(path: Path, seconds: float) -> bool:
    """Look for damage in a file's pages, for some seconds at most; whether that was enough for all of it.

    Raises:
        ConfigError: the file is missing, or cannot be opened.
        DataLoss: it is damaged, or no database.
    """
    until = time.monotonic() + seconds
    with _opened(path) as connection:
        connection.set_progress_handler(lambda: time.monotonic() > until, _STEPS)
        try:
            found = connection.execute("PRAGMA quick_check(1)").fetchall()
        except sqlite3.OperationalError as error:
            if failures.code(error) == _INTERRUPTED:
                return False
            raise
    if found != [("ok",)]:
        raise DataLoss(f"{path}: is damaged")
    return True


def belong_together(data: Path, keys: Path) -> None:
    """Check that two stores are of one vault and that none was put back from a backup beside a newer one.

    Raises:
        ConfigError: they do not belong together, or one cannot be opened.
        DataLoss: one is damaged.
    """
    # Beside a running server both move. Each number is read from the store that lags before the one that leads.
    vault_id, depends_on = _one(data, "SELECT vault_id, depends_on FROM meta")
    same, sequence = _one(keys, "SELECT vault_id, sequence FROM meta")
    if vault_id != same:
        raise ConfigError(str(keys), "", f"is of another vault than {data}")
    if depends_on > sequence:
        raise ConfigError(str(keys), "", f"is older than {data}: one of them was put back from a backup")
    for log_id, size in _all(keys, "SELECT log_id, size FROM log_sizes"):
        if size > _one(data, LOG_SIZE, log_id)[0]:
            raise ConfigError(str(data), "", f"is older than {keys}: one of them was put back from a backup")


def clock_note(data: Path) -> ClockNote | None:
    """What the server last noted of its clock; None if it has not yet.

    Raises:
        ConfigError: the file is missing, or cannot be opened.
        DataLoss: it is damaged.
    """
    if not _all(data, "SELECT 1 FROM sqlite_schema WHERE name = 'clock'"):
        return None
    found = _all(data, "SELECT right_at, doubt FROM clock WHERE right_at BETWEEN 0 AND ?", _YEAR_9999_MS)
    return ClockNote(*found[0]) if found else None


def vault_keys(keys: Path) -> tuple[bytes, list[VaultKeyRow]]:
    """The vault's id and the wrapped versions of its key, as the key store has them.

    Raises:
        ConfigError: the file is missing, or cannot be opened.
        DataLoss: it is damaged.
    """
    rows = _all(keys, "SELECT n, state, created_at, wrapped FROM vault_keys ORDER BY n")
    return _one(keys, "SELECT vault_id FROM meta")[0], [VaultKeyRow(*row) for row in rows]


def _one(path: Path, sql: str, *values: str | int) -> tuple[Any, ...]:
    found = _all(path, sql, *values)
    if not found:
        raise DataLoss(f"{path}: lacks what every store has")
    return found[0]


def _all(path: Path, sql: str, *values: str | int) -> list[tuple[Any, ...]]:
    with _opened(path) as connection:
        return connection.execute(sql, values).fetchall()


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    engine.require()
    check_file(path, private=False)
    try:
        with closing(connect(path, read_only=True, secret=False)) as connection:
            yield connection
    except (sqlite3.Error, UnicodeDecodeError) as error:
        # With the file's name: there are two, and mostly only one is damaged.
        if failures.code(error) in _NO_STORE:
            raise DataLoss(f"{path}: is damaged, or no store of a vault") from None
        raise ConfigError(str(path), "", "cannot be read now") from None
