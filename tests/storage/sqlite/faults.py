"""Faults put between the driver and SQLite: a statement fails as if the disk had."""

from collections.abc import Callable
from typing import Any

from vault.storage.engine import sqlite3
from vault.storage.sqlite import SqliteStorage
from vault.storage.sqlite.stores import Stores

IOERR, FULL, BUSY = 10, 13, 5


class Faulty:
    """A connection on which statements that start with `statement` fail with a code, while `armed`."""

    def __init__(self, connection: sqlite3.Connection, statement: str, code: int, *, after: bool) -> None:
        self._connection = connection
        self._statement = statement
        self._code = code
        self._after = after
        self.armed = True
        self.executed: list[str] = []

    def execute(self, sql: str, *values: Any) -> Any:
        """As the connection does, or fail; `after` the statement had its effect, or without it."""
        self.executed.append(sql)
        if self.armed and sql.startswith(self._statement):
            if self._after:
                self._connection.execute(sql, *values)
            error = sqlite3.OperationalError("as if")
            error.sqlite_errorcode = self._code
            raise error
        return self._connection.execute(sql, *values)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


async def break_store(storage: SqliteStorage, which: str, statement: str, code: int, *, after: bool = False) -> Faulty:
    """Let a statement of one store's write connection fail from now on."""

    def install(stores: Stores) -> Faulty:
        faulty = Faulty(getattr(stores, which), statement, code, after=after)
        setattr(stores, which, faulty)
        return faulty

    return await storage._writer.run(install)


async def on_writer(storage: SqliteStorage, job: Callable[[Stores], Any]) -> Any:
    """Run something where the write connections are."""
    return await storage._writer.run(job)
