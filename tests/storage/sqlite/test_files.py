"""The files: private, ours, whole, and opened by one process with a SQLite that can be trusted."""

import stat
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.storage.conftest import VAULT_ID, SqliteDriver
from tests.storage.values import item, name, put, store_one, work
from vault.errors import ConfigError, DataLoss
from vault.storage import engine, logfile
from vault.storage.engine import sqlite3
from vault.storage.sqlite import SqliteStorage


def _names(folder: Path) -> set[str]:
    return {file.name for file in folder.iterdir()}


async def test_every_file_is_for_its_user_alone(sqlite: SqliteDriver) -> None:
    """Those that SQLite adds, too."""
    store = await sqlite.open()
    await store_one(store, name(1))
    files = {file.name: stat.S_IMODE(file.stat().st_mode) for file in sqlite.data.parent.iterdir()}
    await store.close()
    assert files == dict.fromkeys(
        ["vault.db", "vault.db-wal", "vault.db-shm", "keys.db", "keys.db-wal", "keys.db-shm", "keys.db.lock"], 0o600
    )


async def test_a_closed_vault_is_two_files(sqlite: SqliteDriver) -> None:
    """No write-ahead log is left that a copy could forget."""
    store = await sqlite.open()
    await store_one(store, name(1))
    await store.close()
    assert _names(sqlite.data.parent) == {"vault.db", "keys.db", "keys.db.lock"}


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
async def test_a_key_store_that_others_may_open_is_refused(sqlite: SqliteDriver, mode: int) -> None:
    """With the command that repairs it."""
    sqlite.keys.chmod(mode)
    with pytest.raises(ConfigError, match=r"keys\.db: .*chmod 600"):
        await sqlite.open()
    sqlite.keys.chmod(0o600)
    await (await sqlite.open()).close()


@pytest.mark.parametrize("taken", ["vault.db", "keys.db"])
async def test_nothing_is_overwritten(tmp_path: Path, taken: str) -> None:
    """A file that is there stays, and no half of a new vault beside it."""
    (tmp_path / taken).write_bytes(b"dear")
    with pytest.raises(ConfigError, match=rf"{taken}: exists already"):
        await SqliteStorage.create(tmp_path / "vault.db", tmp_path / "keys.db", VAULT_ID)
    assert _names(tmp_path) == {taken}
    assert (tmp_path / taken).read_bytes() == b"dear"


async def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    """For making and for opening."""
    data, keys = tmp_path / "no" / "vault.db", tmp_path / "no" / "keys.db"
    with pytest.raises(ConfigError, match=r"vault\.db: cannot be made: No such file"):
        await SqliteStorage.create(data, keys, VAULT_ID)
    with pytest.raises(ConfigError, match=r"vault\.db: cannot be opened: No such file"):
        await SqliteStorage.open(data, keys, fatal=pytest.fail)


async def test_an_old_sqlite_is_refused(sqlite: SqliteDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    """By whoever opens a file, with what to install."""
    old = SimpleNamespace(sqlite_version_info=(3, 51, 2), sqlite_version="3.51.2")
    monkeypatch.setattr(engine, "sqlite3", old)
    for opening in (sqlite.open, sqlite.create):
        with pytest.raises(ConfigError, match=r"version 3\.51\.2 can corrupt.*pip install 'pysqlite3"):
            await opening()
    with pytest.raises(ConfigError, match=r"3\.51\.2"):
        logfile.logs(sqlite.data)


def test_without_pysqlite3_the_machines_sqlite_is_judged() -> None:
    """It is used if it is new enough, and else refused with what to do; there is no traceback."""
    program = (
        "import sys; sys.modules['pysqlite3'] = None\n"
        "from vault.storage import engine\n"
        "import sqlite3\n"
        "assert engine.sqlite3 is sqlite3\n"
        "try: engine.require(); print('ok', sqlite3.sqlite_version_info >= engine.OLDEST)\n"
        "except Exception as error: print(type(error).__name__, 'pysqlite3' in str(error))"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    expected = "ok True" if _machines_sqlite() >= engine.OLDEST else "ConfigError True"
    assert run.stdout.strip() == expected


def _machines_sqlite() -> tuple[int, ...]:
    from sqlite3 import sqlite_version_info  # noqa: PLC0415 - no file is opened through it

    return sqlite_version_info


async def test_one_process_has_a_vault_open(sqlite: SqliteDriver) -> None:
    """The second is told; after the first has closed it may."""
    store = await sqlite.open()
    with pytest.raises(ConfigError, match="another process has this vault open"):
        await sqlite.open()
    await store_one(store, name(1))
    await store.close()
    await (await sqlite.open()).close()


async def test_files_that_are_no_stores_are_refused(sqlite: SqliteDriver) -> None:
    """Changed for each other, empty, or not SQLite at all."""
    swapped = SqliteStorage.open(sqlite.keys, sqlite.data, fatal=pytest.fail)
    with pytest.raises(ConfigError, match=r"keys\.db: is not this store"):
        await swapped
    for content in (b"", b"no database at all" * 1000):
        sqlite.data.write_bytes(content)
        with pytest.raises(ConfigError, match=r"vault\.db"):
            await sqlite.open()


async def test_files_of_two_vaults_are_refused(sqlite: SqliteDriver, tmp_path: Path) -> None:
    """Keys of the one would open nothing of the other."""
    other = tmp_path / "other"
    other.mkdir()
    await SqliteStorage.create(other / "vault.db", other / "keys.db", b"another id of 16")
    with pytest.raises(ConfigError, match=r"keys\.db: is of another vault"):
        await SqliteStorage.open(sqlite.data, other / "keys.db", fatal=pytest.fail)


async def test_a_file_of_a_newer_release_is_refused(sqlite: SqliteDriver) -> None:
    """Its tables may mean something else."""
    connection = sqlite3.connect(sqlite.data)
    with connection:
        connection.execute("UPDATE _sqlite_migrations SET name = 'data_9' WHERE name = 'data_1'")
    connection.close()
    with pytest.raises(ConfigError, match="made by a newer release"):
        await sqlite.open()


async def test_the_log_is_read_without_the_driver(sqlite: SqliteDriver) -> None:
    """While the vault runs, with what is only in the WAL, and after it has closed."""
    store = await sqlite.open()
    for customer in range(3):
        await store.commit(work(item(put(name(customer)))))
    await store.commit(work(log_id="log-9"))
    await store.add_checkpoint("log-0", 3, "note")
    for _ in range(2):
        assert logfile.logs(sqlite.data) == ["log-0", "log-9"]
        found = list(logfile.entries(sqlite.data, "log-0"))
        assert [(index, entry) for index, entry, _ in found] == [(index, b"entry done") for index in range(3)]
        assert logfile.checkpoints(sqlite.data, "log-0") == [(3, "note")]
        assert logfile.checkpoints(sqlite.data, "log-9") == []
        await store.close()
    foreign = sqlite.data.with_name("foreign")
    foreign.write_bytes(b"no database at all" * 1000)
    for wrong in (sqlite.keys, foreign, sqlite.data.parent, sqlite.data.parent / "none"):
        with pytest.raises(ConfigError):
            logfile.logs(wrong)


async def test_a_damaged_log_is_data_loss(sqlite: SqliteDriver) -> None:
    """The verifier says so, and names no other reason."""
    store = await sqlite.open()
    for _ in range(300):
        await store.commit(work())
    await store.close()
    content = bytearray(sqlite.data.read_bytes())
    page = content.rindex(b"entry ") // 4096 * 4096
    content[page : page + 64] = b"\xff" * 64
    sqlite.data.write_bytes(content)
    with pytest.raises(DataLoss, match="damaged"):
        list(logfile.entries(sqlite.data, "log-0"))


async def test_a_long_log_is_read_in_parts(sqlite: SqliteDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every entry once, in order."""
    monkeypatch.setattr(logfile, "AT_ONCE", 3)
    store = await sqlite.open()
    for _ in range(10):
        await store.commit(work())
    assert [index for index, _, _ in logfile.entries(sqlite.data, "log-0")] == list(range(10))
    await store.close()
