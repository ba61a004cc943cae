"""How a file is opened: one connection per thread and store, durable, and distrustful of what the file says.

- `synchronous=FULL`: a COMMIT that returned is on the disk.
- `secure_delete=ON` on the key store: a deleted key is overwritten with zeros in its page.
- `wal_autocheckpoint=0`: SQLite's own checkpoints run inside of a COMMIT and swallow their errors. A swallowed fsync
  error would be followed by one that reports success over lost pages, so checkpoints are ours and their errors count.
- `trusted_schema=OFF`, `cell_size_check=ON`: a file that somebody prepared runs no functions from its schema, and a
  page that was altered is found when it is read.
- `mmap_size=0`: a bad sector is an error of one read, not a signal that ends the process.

Files are made here, with mode 0600, before SQLite sees them; it gives its WAL and shared-memory files the same mode.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from vault.errors import ConfigError, Unavailable
from vault.storage.engine import sqlite3
from vault.storage.sqlite import failures

WRITER_WAITS_S = 5.0
"""For another process that holds a lock (a backup, somebody's shell): longer than any of ours holds one."""
READER_WAITS_S = 0.2
"""Readers of a WAL wait for nobody but a recovery; they run on the event loop, so not for long."""
STATEMENTS = 256


def make_file(path: Path) -> None:
    """Make an empty file that only this user reads.

    Raises:
        ConfigError: it is there already, or cannot be made.
    """
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        raise ConfigError(str(path), "", "exists already; it will not be overwritten") from None
    except OSError as error:
        raise ConfigError(str(path), "", f"cannot be made: {error.strerror}") from None


def sync_folder(path: Path) -> None:
    """Make a new file's name durable, too."""
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def check_file(path: Path, *, private: bool) -> None:
    """Refuse a file that is missing or, if `private`, open to other users.

    Raises:
        ConfigError: says what to do.
    """
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise ConfigError(str(path), "", f"cannot be opened: {error.strerror}") from None
    if not stat.S_ISREG(mode):
        raise ConfigError(str(path), "", "is not a file")
    if private and stat.S_IMODE(mode) & 0o077:
        raise ConfigError(str(path), "", "other users may open the key store: chmod 600")


def connect(path: Path, *, read_only: bool, secret: bool) -> sqlite3.Connection:
    """Open an existing file, for the calling thread only; `secret` is the key store."""
    connection = sqlite3.connect(
        _uri(path, "ro" if read_only else "rw"),
        uri=True,
        isolation_level=None,
        timeout=READER_WAITS_S if read_only else WRITER_WAITS_S,
        cached_statements=STATEMENTS,
    )
    try:
        for pragma in _pragmas(read_only=read_only, secret=secret):
            connection.execute(f"PRAGMA {pragma}").fetchall()
    except BaseException:
        connection.close()
        raise
    return connection


def read_only_uri(path: Path) -> str:
    """A file's name for ATTACH on a connection that reads."""
    return _uri(path, "ro")


def _uri(path: Path, mode: str) -> str:
    return f"file:{quote(str(path.absolute()))}?mode={mode}"


def _pragmas(*, read_only: bool, secret: bool) -> Iterator[str]:
    yield "trusted_schema = OFF"
    yield "cell_size_check = ON"
    yield "mmap_size = 0"
    if read_only:
        yield "query_only = ON"
        return
    yield "journal_mode = WAL"
    yield "synchronous = FULL"
    yield "wal_autocheckpoint = 0"
    yield f"secure_delete = {'ON' if secret else 'OFF'}"


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """BEGIN IMMEDIATE to COMMIT; any error rolls back and goes on.

    A COMMIT that fails for want of space is rolled back here, too: its commit record is the last thing written, so
    nothing of it counts. One that fails by I/O error is told apart by the caller (`failures`).
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def checkpoint(connection: sqlite3.Connection) -> None:
    """Move what readers do not hold from the WAL to the file; a reader in the way is no error."""
    connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()


def truncate(connection: sqlite3.Connection) -> None:
    """Move all of the WAL to the file and cut it to nothing, so that no deleted page is left in it.

    Raises:
        Unavailable: a reader of another process stayed in the way.
    """
    for _ in range(3):
        try:
            busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except sqlite3.OperationalError as error:
            if not failures.is_busy(error):
                raise
            busy = 1
        if not busy:
            return
    raise Unavailable("a reader of another process holds the write-ahead log of the key store")
