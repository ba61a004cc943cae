"""The drivers that keep the port's contract: each test that asks for `store` or `driver` runs on every one of them."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Protocol

import pytest

from vault.storage.port import Storage
from vault.storage.sqlite import SqliteStorage

VAULT_ID = b"sixteen bytes id"


class Driver(Protocol):
    """A deployment of one driver: it can be opened again and again."""

    async def open(self) -> Storage:
        """Open it; an earlier opening must have been closed."""


class SqliteDriver:
    """Two files in a folder."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "vault.db"
        self.keys = folder / "keys.db"
        self.fatal: list[str] = []

    async def create(self) -> None:
        """Make the files."""
        await SqliteStorage.create(self.data, self.keys, VAULT_ID)

    async def open(self) -> SqliteStorage:
        """Open the files."""
        return await SqliteStorage.open(self.data, self.keys, fatal=self.fatal.append)


@pytest.fixture
async def sqlite(tmp_path: Path) -> SqliteDriver:
    """A new SQLite vault, not yet opened."""
    made = SqliteDriver(tmp_path)
    await made.create()
    return made


@pytest.fixture(params=["sqlite"])
def driver(request: pytest.FixtureRequest) -> Driver:
    """Every driver in its turn."""
    made: Driver = request.getfixturevalue(request.param)
    return made


@pytest.fixture
async def store(driver: Driver) -> AsyncIterator[Storage]:
    """An open, empty vault."""
    opened = await driver.open()
    yield opened
    await opened.close()
