"""What is said of two files without opening the vault agrees with what a start would say."""

import shutil

import pytest

from tests.storage.conftest import VAULT_ID, SqliteDriver
from tests.storage.values import LOG, name, store_one
from vault.errors import ConfigError, DataLoss
from vault.storage import inspect
from vault.storage.engine import sqlite3
from vault.storage.system import VaultKeyRow

SECONDS = 10.0


async def _session(sqlite: SqliteDriver, customer: str) -> None:
    store = await sqlite.open()
    await store_one(store, name(customer))
    await store.add_checkpoint(LOG, await store.log_size(LOG), "note")
    await store.close()


async def test_two_whole_stores_are_well_beside_the_process_that_writes_them(sqlite: SqliteDriver) -> None:
    """Nothing is locked, nothing is taken for damage, and the vault closes in order afterwards."""
    store = await sqlite.open()
    await store.add_vault_key(VaultKeyRow(1, "active", 7, b"wrapped"))
    await store_one(store, name("1"))
    assert inspect.look_through(sqlite.data, SECONDS)
    assert inspect.look_through(sqlite.keys, SECONDS)
    inspect.belong_together(sqlite.data, sqlite.keys)
    assert inspect.vault_keys(sqlite.keys) == (VAULT_ID, [VaultKeyRow(1, "active", 7, b"wrapped")])
    await store.close()
    assert sqlite.fatal == []


@pytest.mark.parametrize("restored", ["vault.db", "keys.db"])
async def test_one_store_put_back_from_a_backup_is_found(sqlite: SqliteDriver, restored: str) -> None:
    """The older one is named, as a start names it."""
    path = sqlite.data.parent / restored
    await _session(sqlite, "1")
    shutil.copy(path, path.with_suffix(".backup"))
    await _session(sqlite, "2")
    inspect.belong_together(sqlite.data, sqlite.keys)
    shutil.copy(path.with_suffix(".backup"), path)
    with pytest.raises(ConfigError, match=f"{restored}: is older than"):
        inspect.belong_together(sqlite.data, sqlite.keys)


async def test_an_altered_page_is_damage_wherever_it_is(sqlite: SqliteDriver) -> None:
    """In pages that no start reads, too; and the file is named."""
    await _session(sqlite, "1")
    pages = sqlite.data.stat().st_size // 4096
    whole = sqlite.data.read_bytes()
    found = 0
    for page in range(pages):
        sqlite.data.write_bytes(whole[: page * 4096] + b"\x5a" * 4096 + whole[(page + 1) * 4096 :])
        with pytest.raises(DataLoss, match=r"vault\.db: is damaged"):
            inspect.look_through(sqlite.data, SECONDS)
        found += 1
    assert found > 10


async def test_another_database_is_no_store(sqlite: SqliteDriver) -> None:
    """It is whole, but not ours; the error names it."""
    sqlite.data.unlink()
    connection = sqlite3.connect(sqlite.data)
    connection.execute("CREATE TABLE t (x)")
    connection.close()
    assert inspect.look_through(sqlite.data, SECONDS)
    with pytest.raises(DataLoss, match=r"vault\.db: is damaged, or no store of a vault"):
        inspect.belong_together(sqlite.data, sqlite.keys)


async def test_a_file_that_is_locked_for_the_moment_is_not_called_damaged(sqlite: SqliteDriver) -> None:
    """Whoever restores a backup for it would lose what was written since."""
    connection = sqlite3.connect(sqlite.data, isolation_level=None)
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    connection.execute("BEGIN EXCLUSIVE")
    connection.execute("UPDATE meta SET depends_on = depends_on")
    with pytest.raises(ConfigError, match="cannot be read now"):
        inspect.look_through(sqlite.data, SECONDS)
    connection.execute("ROLLBACK")
    connection.close()
