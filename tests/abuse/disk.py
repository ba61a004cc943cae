"""The two files as somebody sees and changes them who is not the vault: a second connection, same library."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from vault.storage.engine import sqlite3

DATA, KEYS = "data/vault.db", "keys/keys.db"
HOLDINGS = {
    DATA: ("records", "requests", "tombstones"),
    KEYS: ("key_places", "slots", "lookups", "system_rows", "vault_keys", "tombstones"),
}
"""What a refused call must leave as it is; logs grow by design."""

Row = tuple[Any, ...]


@contextmanager
def writer(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that may write, committing at once; it waits for the vault's own locks."""
    with closing(sqlite3.connect(str(path), isolation_level=None, timeout=5)) as connection:
        yield connection


def rows(path: Path, table: str) -> list[Row]:
    """All rows of a table, sorted."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        found: list[Row] = connection.execute(f"SELECT * FROM {table}").fetchall()  # noqa: S608 - a table of ours
    return sorted(found, key=repr)


def holdings(home: Path) -> dict[str, list[Row]]:
    """Everything that is stored, but for the log."""
    return {f"{file}:{table}": rows(home / file, table) for file, tables in HOLDINGS.items() for table in tables}
