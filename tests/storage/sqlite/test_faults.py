"""An I/O error ends the store: what was in flight is unknown, what had not begun was not done."""

import asyncio
from pathlib import Path

import pytest

from tests.storage.conftest import SqliteDriver
from tests.storage.sqlite.faults import IOERR, Faulty, break_store, on_writer
from tests.storage.values import LOG, commit, item, keys_of, name, owner, put, remove, store_one, work
from vault.errors import ConfigError, OutcomeUnknown, Unavailable, VaultError
from vault.storage.sqlite import house, startup


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(("which", "statement"), [("data", "COMMIT"), ("keys", "COMMIT"), ("data", "INSERT INTO log")])
async def test_an_io_error_ends_the_store(sqlite: SqliteDriver, which: str, statement: str, *, after: bool) -> None:
    """In flight: unknown. Queued behind it: not begun. Later: refused. And `fatal` is called once."""
    store = await sqlite.open()
    await store_one(store, name(0))
    faulty = await break_store(store, which, statement, IOERR, after=after)
    in_flight = asyncio.gather(*[store.commit(work(item(put(name(c))))) for c in (1, 2)], return_exceptions=True)
    await asyncio.sleep(0)  # handed over
    await asyncio.sleep(0)
    behind = asyncio.gather(*[store.commit(work(item(put(name(c))))) for c in (3, 4)], return_exceptions=True)
    assert [type(each) for each in await in_flight] == [OutcomeUnknown] * 2
    assert [type(each) for each in await behind] == [Unavailable] * 2
    assert sqlite.fatal == ["I/O error in the store"]
    for call in (store.commit(work()), store.fetch([name(0)]), store.add_checkpoint(LOG, 1, "")):
        with pytest.raises(Unavailable):
            await call
    done_by_then = len(faulty.executed)
    await store.close()
    assert len(faulty.executed) == done_by_then
    assert len(sqlite.fatal) == 1


@pytest.mark.parametrize("statement", ["DELETE FROM records", "INSERT INTO log_entries", "COMMIT"])
async def test_an_io_error_in_an_erasure_ends_the_store_and_the_next_start_finishes(
    sqlite: SqliteDriver, statement: str
) -> None:
    """The keys were gone already; the rows follow."""
    store = await sqlite.open()
    row = await store_one(store, name(1))
    await break_store(store, "data", statement, IOERR)
    with pytest.raises(OutcomeUnknown):
        await store.erase(owner(1), 1, LOG, lambda *_: b"")
    assert sqlite.fatal == ["I/O error in the store"]
    await store.close()
    store = await sqlite.open()
    assert await store.finish_erasures(LOG, lambda *_: b"") == (owner(1),)
    assert await store.fetch([name(1)]) == {}
    assert await keys_of(store, row) == 0
    await store.close()


async def test_an_io_error_while_keys_are_destroyed_ends_the_store(sqlite: SqliteDriver) -> None:
    """The deletion is not acknowledged; reads of the same group are."""
    store = await sqlite.open()
    row = await store_one(store, name(1))
    await break_store(store, "keys", "COMMIT", IOERR)
    outcomes = await asyncio.gather(store.commit(work()), commit(store, remove(row)), return_exceptions=True)
    assert getattr(outcomes[0], "log_index", None) == 1
    assert isinstance(outcomes[1], OutcomeUnknown)
    assert sqlite.fatal == ["I/O error in the store"]
    await store.close()


async def test_a_folder_that_cannot_be_synced_is_no_place_for_a_vault(
    sqlite: SqliteDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name of a new WAL would be gone after a power cut, and everything in it."""

    def fails(_: Path) -> None:
        raise OSError(IOERR, "as if")

    monkeypatch.setattr(startup, "sync_folder", fails)
    with pytest.raises(ConfigError, match=r"keys\.db: disk I/O error"):
        await sqlite.open()


async def test_an_unreadable_sector_fails_the_call_only(sqlite: SqliteDriver) -> None:
    """Reading writes nothing, so nothing is unknown."""
    store = await sqlite.open()
    await store_one(store, name(1))
    faulty = Faulty(store._reader._data, "WITH wanted", IOERR, after=False)
    store._reader._data = faulty  # type: ignore[assignment]
    with pytest.raises(Unavailable, match="cannot be read now"):
        await store.fetch_locked([name(1)])
    faulty.armed = False
    assert len(await store.fetch_locked([name(1)])) == 1
    assert not sqlite.fatal
    await store.close()


async def test_the_wal_is_moved_to_the_file_as_it_grows(sqlite: SqliteDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    """So it starts again at its beginning, and stays small."""
    monkeypatch.setattr(house, "CHECKPOINT_BYTES", 50_000)
    store = await sqlite.open()
    for customer in range(200):
        await store_one(store, name(customer))
    sizes = [path.with_name(f"{path.name}-wal").stat().st_size for path in (sqlite.data, sqlite.keys)]
    assert 0 < max(sizes) < 500_000
    await store.close()


async def test_an_io_error_while_nobody_waits_ends_the_store(sqlite: SqliteDriver) -> None:
    """When keys are retired between commits, or the WAL is moved to the file."""
    store = await sqlite.open()
    row = await store_one(store, name(1))
    await commit(store, put(name(1), row.key_id, version=2))
    await break_store(store, "keys", "PRAGMA wal_checkpoint", IOERR)
    for _ in range(100):
        if sqlite.fatal:
            break
        await asyncio.sleep(0.02)
    assert sqlite.fatal == ["I/O error in the store"]
    await store.close()


async def test_a_writer_that_fails_for_any_reason_leaves_nobody_waiting(
    sqlite: SqliteDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault of ours ends the store as a fault of the disk does."""
    store = await sqlite.open()
    monkeypatch.setattr("vault.storage.sqlite.house.House.keep", lambda *_: 1 // 0)
    outcomes = [await asyncio.gather(store.commit(work()), return_exceptions=True) for _ in range(20)]
    assert isinstance(outcomes[-1][0], Unavailable)
    assert sqlite.fatal == ["the writer failed: ZeroDivisionError"]
    await store.close()


async def test_our_own_mistakes_are_no_fault_of_the_disk(sqlite: SqliteDriver) -> None:
    """A statement that SQLite refuses is an internal error, for that call only."""
    store = await sqlite.open()
    with pytest.raises(VaultError) as raised:
        await on_writer(store, lambda s: s.data.execute("INSERT INTO meta VALUES (1, x'', 0)"))
    assert type(raised.value) is VaultError
    await store.commit(work())
    await store.close()
