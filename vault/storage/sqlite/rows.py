"""SQL of many rows in one statement.

Each step of a statement gives up the interpreter's lock and has to win it back from a busy event loop, which may take
a whole switch interval (5 ms). So what a group writes goes in as few statements as possible: one per table and `MANY`
rows, not one per row. The texts repeat, so SQLite's statement cache holds them prepared.
"""

from collections.abc import Sequence
from functools import lru_cache
from itertools import chain
from typing import Any

from vault.storage.engine import sqlite3

MANY = 128
"""Rows per statement that writes."""
Value = str | bytes | int


@lru_cache(maxsize=512)
def statement_of(statement: str, rows: int, width: int) -> str:
    """The statement with `VALUES (?, …), …` of so many rows and columns for its `{values}`."""
    return statement.format(values="VALUES " + ", ".join([f"({', '.join(['?'] * width)})"] * rows))


def execute(connection: sqlite3.Connection, statement: str, rows: Sequence[tuple[Value, ...]]) -> int:
    """Execute a statement whose `{values}` stands for all rows; how many rows it changed."""
    changed = 0
    for start in range(0, len(rows), MANY):
        some = rows[start : start + MANY]
        sql = statement_of(statement, len(some), len(some[0]))
        changed += connection.execute(sql, tuple(chain.from_iterable(some))).rowcount
    return changed


def select(connection: sqlite3.Connection, statement: str, rows: Sequence[tuple[Value, ...]]) -> list[Any]:
    """All rows of a query whose `{values}` stands for the rows looked for; one statement, so one moment."""
    if not rows:
        return []
    sql = statement_of(statement, len(rows), len(rows[0]))
    found: list[Any] = connection.execute(sql, tuple(chain.from_iterable(rows))).fetchall()
    return found
