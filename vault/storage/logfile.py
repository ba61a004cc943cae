"""The log's bytes, read from the file without the driver: for the verifier, which trusts no running server.

Opened read-only. Entries that are committed but not yet moved from the WAL to the file are seen. The verifier may run
beside the server: both use the same locks, and a reader of a WAL delays nobody but a truncating checkpoint, so each
call here reads a part to its end and lets go.
"""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

from vault.errors import ConfigError, DataLoss
from vault.storage import engine
from vault.storage.engine import sqlite3

AT_ONCE = 10_000
_CORRUPT = 11
"""SQLite's result code."""


def logs(path: Path) -> list[str]:
    """All logs that have entries or checkpoints, ascending.

    Raises:
        ConfigError: the file cannot be opened, or is no vault's data file.
    """
    sql = "SELECT DISTINCT log_id FROM (SELECT log_id FROM log_entries UNION SELECT log_id FROM checkpoints) ORDER BY 1"
    return [log for (log,) in _read(path, sql)]


def entries(path: Path, log_id: str) -> Iterator[tuple[int, bytes, bytes]]:
    """(index, entry, leaf hash) of a log, ascending, exactly as stored: gaps are for the verifier to find.

    Raises:
        ConfigError: the file cannot be opened, or is no vault's data file.
        DataLoss: the file is damaged where it was read.
    """
    sql = "SELECT idx, entry, leaf FROM log_entries WHERE log_id = ? AND idx > ? ORDER BY idx LIMIT ?"
    last = -(1 << 62)
    while part := _read(path, sql, log_id, last, AT_ONCE):
        yield from part
        last = part[-1][0]


def checkpoints(path: Path, log_id: str) -> list[tuple[int, str]]:
    """(size, signed note) of a log, ascending.

    Raises:
        ConfigError: the file cannot be opened, or is no vault's data file.
        DataLoss: the file is damaged where it was read.
    """
    return _read(path, "SELECT size, note FROM checkpoints WHERE log_id = ? ORDER BY size", log_id)


def _read(path: Path, sql: str, *values: str | int) -> list[Any]:
    engine.require()
    if not path.is_file():
        raise ConfigError(str(path), "", "is not a file")
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=ro", uri=True)) as connection:
            for pragma in ("trusted_schema = OFF", "cell_size_check = ON", "query_only = ON"):
                connection.execute(f"PRAGMA {pragma}").fetchall()
            return connection.execute(sql, values).fetchall()
    except (sqlite3.Error, UnicodeDecodeError) as error:
        if getattr(error, "sqlite_errorcode", _CORRUPT) & 0xFF == _CORRUPT:  # undecodable text has no code
            raise DataLoss("the log file is damaged where it was read") from None
        raise ConfigError(str(path), "", "cannot be read as a vault's data file") from None
