"""A full disk or a held lock is a definite failure: nothing is left behind, and it goes on when it can."""

import asyncio
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.storage.conftest import VAULT_ID, SqliteDriver
from tests.storage.sqlite.faults import BUSY, FULL, break_store, on_writer
from tests.storage.values import LOG, commit, entries, item, keys_of, name, owner, put, remove, request, store_one, work
from vault.domain.names import RecordName
from vault.errors import OutcomeUnknown, ResourceExhausted, Unavailable
from vault.storage.engine import sqlite3
from vault.storage.port import Result, Storage
from vault.storage.sqlite import SqliteStorage, connection, house


@pytest.mark.parametrize("code", [FULL, BUSY])
@pytest.mark.parametrize(("which", "statement"), [("data", "COMMIT"), ("keys", "COMMIT"), ("data", "INSERT INTO rec")])
async def test_a_definite_failure_leaves_nothing(sqlite: SqliteDriver, which: str, statement: str, code: int) -> None:
    """No row, no entry, no key, no request; and the same work is done once the fault has gone."""
    store = await sqlite.open()
    await store_one(store, name(0))
    faulty = await break_store(store, which, statement, code)
    works = [work(item(put(name(c))), uses=request(str(c))) for c in (1, 2)]
    outcomes = await asyncio.gather(*map(store.commit, works), return_exceptions=True)
    assert [type(each) for each in outcomes] == [ResourceExhausted if code == FULL else Unavailable] * 2
    puts = [each.items[0].puts[0] for each in works]
    assert list(await store.fetch([name(c) for c in range(3)])) == [name(0)]
    assert len(await entries(store)) == 1
    faulty.armed = False
    assert [each.results for each in await asyncio.gather(*map(store.commit, works))] == [(Result.DONE,)] * 2
    assert await keys_of(store, *[each.row for each in puts]) == 2
    assert len(await entries(store)) == 3
    assert not sqlite.fatal
    await store.close()


async def test_new_keys_of_a_failed_write_are_taken_out_again(sqlite: SqliteDriver) -> None:
    """They ride on the next commit of the key store."""
    store = await sqlite.open()
    faulty = await break_store(store, "data", "COMMIT", FULL)
    lost = put(name(1))
    with pytest.raises(ResourceExhausted):
        await commit(store, lost)
    faulty.armed = False
    assert await keys_of(store, lost.row) == 1
    await store_one(store, name(2))
    assert await keys_of(store, lost.row) == 0
    await store.close()


async def test_a_deletion_whose_key_stays_is_not_acknowledged(sqlite: SqliteDriver) -> None:
    """The row is out; the key goes with the next commit that there is room for."""
    store = await sqlite.open()
    row = await store_one(store, name(1))
    faulty = await break_store(store, "keys", "COMMIT", FULL)
    outcomes = await asyncio.gather(store.commit(work()), commit(store, remove(row)), return_exceptions=True)
    assert getattr(outcomes[0], "log_index", None) == 1
    assert isinstance(outcomes[1], OutcomeUnknown)
    assert await store.fetch([name(1)]) == {}
    assert await keys_of(store, row) == 1
    faulty.armed = False
    await store_one(store, name(2))
    assert await keys_of(store, row) == 0
    await store.close()


async def test_reads_go_on_while_the_key_store_is_full(sqlite: SqliteDriver) -> None:
    """Their entries need no key, also where they came in one group with a write that does."""
    store = await sqlite.open()
    await break_store(store, "keys", "COMMIT", FULL)
    write, *reads = await asyncio.gather(
        commit(store, put(name(1))), *[store.commit(work()) for _ in range(3)], return_exceptions=True
    )
    assert isinstance(write, ResourceExhausted)
    assert [getattr(read, "log_index", read) for read in reads] == [0, 1, 2]
    assert len(await entries(store)) == 3
    await store.close()


async def test_an_erasure_that_found_no_room_is_finished_when_there_is_some(sqlite: SqliteDriver) -> None:
    """By itself, with its entry, once; meanwhile nothing of it can be read, and the caller was told."""
    store = await sqlite.open()
    row = await store_one(store, name(1))
    faulty = await break_store(store, "data", "COMMIT", FULL)
    with pytest.raises(OutcomeUnknown, match="the rest follows"):
        await store.erase(owner(1), 5, LOG, lambda *_: b"erased")
    assert await keys_of(store, row) == 0
    await asyncio.sleep(house.SETTLE_AFTER_S * 2)
    assert len(await entries(store)) == 1
    faulty.armed = False
    for _ in range(50):
        if len(await entries(store)) > 1:
            break
        await asyncio.sleep(0.1)
    assert await store.fetch([name(1)]) == {}
    await asyncio.sleep(house.SETTLE_AFTER_S * 2)
    assert (await entries(store))[1:] == [b"erased"]
    assert not sqlite.fatal
    await store.close()


async def test_a_repeated_deletion_destroys_the_key_that_stayed(sqlite: SqliteDriver) -> None:
    """Once there is room; of a record that has a row, nothing is destroyed."""
    store = await sqlite.open()
    row, other = await store_one(store, name(1)), await store_one(store, name(2))
    faulty = await break_store(store, "keys", "COMMIT", FULL)
    with pytest.raises(OutcomeUnknown):
        await commit(store, remove(row))
    with pytest.raises(ResourceExhausted):
        await store.destroy_keys(owner(1), name(1))
    faulty.armed = False
    await store.destroy_keys(owner(1), name(1))
    assert await store.destroy_keys(owner(2), name(2)) == 0
    assert await keys_of(store, row, other) == 1
    await store.close()


async def test_a_full_data_disk_is_survived(sqlite: SqliteDriver) -> None:
    """SQLite's own verdict, from a limit on the file."""
    store = await sqlite.open()
    pages = await on_writer(store, lambda s: s.data.execute("PRAGMA page_count").fetchone()[0])
    await on_writer(store, lambda s: s.data.execute(f"PRAGMA max_page_count = {pages + 6}").fetchall())
    acknowledged = await _fill(store)
    assert acknowledged
    assert set(await store.fetch([name(customer) for customer in range(1000)])) == set(acknowledged)
    await on_writer(store, lambda s: s.data.execute("PRAGMA max_page_count = 1000000").fetchall())
    await store_one(store, name("more"))
    await store.close()


async def _fill(store: Storage) -> list[RecordName]:
    """Store until the store says that it is full; what it acknowledged."""
    acknowledged: list[RecordName] = []
    for customer in range(1000):
        try:
            row = await store_one(store, name(customer))
        except ResourceExhausted:
            return acknowledged
        acknowledged.append(row.record_name)
    pytest.fail("never full")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 512 KiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", folder], check=False)
    if mounted.returncode:
        pytest.skip("cannot mount a file system here")
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a file system needs root")
async def test_a_full_file_system_is_survived(small_disk: Path) -> None:
    """Everything acknowledged is there, nothing else, and it goes on when there is room."""
    fatal: list[str] = []
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(100_000))
    data, keys = small_disk / "vault.db", small_disk / "keys.db"
    await SqliteStorage.create(data, keys, VAULT_ID)
    store = await SqliteStorage.open(data, keys, fatal=fatal.append)
    acknowledged = await _fill(store)
    assert set(await store.fetch([name(customer) for customer in range(1000)])) == set(acknowledged)
    assert await store.log_size(LOG) == len(acknowledged)
    ballast.unlink()
    await store_one(store, name("more"))
    assert not fatal
    await store.close()


async def test_a_lock_of_another_process_is_waited_for_and_then_reported(
    sqlite: SqliteDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing was done, and the work may come again."""
    monkeypatch.setattr(connection, "WRITER_WAITS_S", 0.05)
    store = await sqlite.open()
    other = sqlite3.connect(sqlite.data, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable):
        await store.commit(work())
    other.execute("ROLLBACK")
    other.close()
    await store.commit(work())
    assert len(await entries(store)) == 1
    await store.close()
