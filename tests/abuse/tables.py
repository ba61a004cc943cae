"""A store as a tamperer sees it: tables of rows that he may change at will, and what was in them before.

A mutation changes these lists; `write` makes the files say the same. The differences are then judged row by row: a
record whose row and key are as they were must be served, one with any other authenticated column must not be.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.abuse import disk

RECORDS, KEYS, SLOTS, LOOKUPS, SYSTEM = "records", "key_places", "slots", "lookups", "system_rows"
COLUMNS: dict[str, tuple[str, ...]] = {
    RECORDS: ("owner", "record_name", "key_id", "version", "written_at", "expires_at", "stored"),
    KEYS: ("owner", "record_name", "key_id", "n", "created_at", "retired_at", "slot"),
    SLOTS: ("slot", "wrapped"),
    LOOKUPS: ("owner", "record_name", "key_id", "field", "n", "token"),
    SYSTEM: ("kind", "row", "version", "n", "destroyed", "sealed"),
}
FILES = {RECORDS: disk.DATA, KEYS: disk.KEYS, SLOTS: disk.KEYS, LOOKUPS: disk.KEYS, SYSTEM: disk.KEYS}

Row = dict[str, Any]


def _read(home: Path, table: str) -> list[Row]:
    columns = COLUMNS[table]
    with disk.writer(home / FILES[table]) as connection:
        sql = f"SELECT {', '.join(columns)} FROM {table} ORDER BY {', '.join(columns)}"  # noqa: S608 - names of ours
        return [dict(zip(columns, row, strict=True)) for row in connection.execute(sql).fetchall()]


@dataclass(slots=True)
class Tables:
    """The rows of the tables that hold customers' data and what opens it."""

    rows: dict[str, list[Row]]

    @classmethod
    def read(cls, home: Path) -> "Tables":
        """What the files hold."""
        return cls({table: _read(home, table) for table in COLUMNS})

    def copy(self) -> "Tables":
        """The same rows, to be changed."""
        return Tables({table: [dict(row) for row in rows] for table, rows in self.rows.items()})

    def write(self, home: Path, before: "Tables") -> None:
        """Make the files hold these rows; `before` is what they hold now. Of two rows with one key the last stays."""
        for table, columns in COLUMNS.items():
            if self.rows[table] == before.rows[table]:
                continue
            marks = ", ".join("?" * len(columns))
            insert = f"INSERT OR REPLACE INTO {table} ({', '.join(columns)}) VALUES ({marks})"  # noqa: S608
            with disk.writer(home / FILES[table]) as connection:
                connection.execute("BEGIN IMMEDIATE")
                connection.execute(f"DELETE FROM {table}")  # noqa: S608
                connection.executemany(insert, [tuple(row[c] for c in columns) for row in self.rows[table]])
                connection.execute("COMMIT")
            self.rows[table] = _read(home, table)

    def record(self, name: str) -> Row | None:
        """The row that the vault would read for a name: the last one, under its owner."""
        owner = "/".join(name.split("/")[:2])
        found = [r for r in self.rows[RECORDS] if (r["owner"], r["record_name"]) == (owner, name)]
        return found[-1] if found else None

    def key(self, record: Row) -> Row | None:
        """The live key of a row."""
        wanted = (record["owner"], record["record_name"], record["key_id"])
        found = [k for k in self.rows[KEYS] if (k["owner"], k["record_name"], k["key_id"]) == wanted]
        return found[-1] if found and not found[-1]["retired_at"] else None

    def opens(self, name: str) -> tuple[Any, ...] | None:
        """Everything that the opening of one record depends on; None if there is no row or no key."""
        record = self.record(name)
        key = self.key(record) if record else None
        if record is None or key is None:
            return None
        return (*record.values(), key["n"], self.wrapped(key))

    def wrapped(self, key: Row) -> bytes | None:
        """What lies in a key's slot."""
        return next((slot["wrapped"] for slot in self.rows[SLOTS] if slot["slot"] == key["slot"]), None)

    def names(self) -> Iterator[str]:
        """Names of all records."""
        return (row["record_name"] for row in self.rows[RECORDS])
