"""What of messages is in the two files: rows, chunks and keys, counted through connections of its own.

Of the same copy of SQLite as the vault's: a second copy would drop its locks.
"""

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from vault.storage.engine import sqlite3


@dataclass(frozen=True, slots=True)
class Left:
    """Counts of what messages have in the stores."""

    records: int
    queue: int
    recipients: int
    chunks: int
    marks: int
    keys: int


NOTHING = Left(0, 0, 0, 0, 0, 0)
_MESSAGES = "record_name GLOB '*/*/messages/*'"


def left(home: Path) -> Left:
    """Count them; keys, live and retired."""
    with closing(sqlite3.connect(f"file:{home}/data/vault.db?mode=ro", uri=True)) as data:
        found = [
            data.execute(f"SELECT count(*) FROM {table} WHERE {_MESSAGES}").fetchone()[0]  # noqa: S608 - ours
            for table in ("records", "mail_queue", "mail_recipients", "mail_chunks", "mail_loose")
        ]
    with closing(sqlite3.connect(f"file:{home}/keys/keys.db?mode=ro", uri=True)) as keys:
        found.append(keys.execute(f"SELECT count(*) FROM key_places WHERE {_MESSAGES}").fetchone()[0])  # noqa: S608
    return Left(*found)
