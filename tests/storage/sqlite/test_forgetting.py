"""What is destroyed is in no byte of the key store's files: not in a page, not in its unused part, not in the WAL."""

import asyncio
import random
import time
from collections.abc import Awaitable

import pytest

from tests.storage.conftest import SqliteDriver
from tests.storage.values import LOG, NOW, commit, item, name, owner, put, remove, store_one, work
from vault.errors import OutcomeUnknown
from vault.storage.engine import sqlite3
from vault.storage.port import Put
from vault.storage.sqlite import connection, driver, house
from vault.storage.system import SystemRow


def _bytes(sqlite: SqliteDriver) -> bytes:
    wal = sqlite.keys.with_name("keys.db-wal")
    return sqlite.keys.read_bytes() + (wal.read_bytes() if wal.exists() else b"")


def _entry(keys: int, rows: int) -> bytes:
    return b"erased"


async def test_an_erased_owners_keys_are_gone_when_it_is_answered(sqlite: SqliteDriver) -> None:
    """Live and retired ones; before, they were there."""
    store = await sqlite.open()
    first = put(name(1))
    second = put(name(1), first.row.key_id, version=2)
    other = put(name(2))
    for each in (first, second, other):
        await commit(store, each)
    assert second.key.wrapped in _bytes(sqlite)
    await store.erase(owner(1), NOW, LOG, _entry)
    assert sqlite.keys.with_name("keys.db-wal").stat().st_size == 0
    for gone in (first.key.wrapped, second.key.wrapped):
        assert gone not in _bytes(sqlite)
    assert other.key.wrapped in _bytes(sqlite)
    await store.close()


async def test_pages_that_were_split_and_merged_keep_no_copy(sqlite: SqliteDriver) -> None:
    """Cells move between pages, and SQLite leaves their bytes where they were: keys must lie where nothing moves."""
    chance = random.Random(11)
    store = await sqlite.open()
    wrapped: dict[str, list[bytes]] = {}
    erased = 0
    for _ in range(120):
        customers = [f"{chance.randrange(1 << 40):x}"[: chance.randint(3, 10)] for _ in range(10)]
        for customer in set(customers) - wrapped.keys():
            puts = [put(name(customer, f"cards/{'x' * chance.randint(1, 40)}{i}")) for i in range(3)]
            wrapped[customer] = [each.key.wrapped for each in puts]
            await commit(store, *puts)
        for customer in chance.sample(sorted(wrapped), 2):
            await store.erase(owner(customer), NOW, LOG, _entry)
            content = _bytes(sqlite)
            assert not [key for key in wrapped.pop(customer) if key in content]
            erased += 1
    assert erased == 240
    assert sqlite.keys.stat().st_size > 300_000
    await store.close()


async def test_destroyed_slots_are_used_again(sqlite: SqliteDriver) -> None:
    """The key store does not grow with what was forgotten."""
    store = await sqlite.open()
    for customer in range(20):
        await commit(store, *[put(name(customer, f"cards/{card}")) for card in range(20)])
        await store.erase(owner(customer), NOW, LOG, _entry)
    slots = await store._writer.run(lambda stores: stores.keys.execute("SELECT count(*) FROM slots").fetchone()[0])
    assert slots == 20
    await store.close()


@pytest.mark.parametrize("kind", ["removed", "replaced"])
async def test_keys_of_removed_and_replaced_rows_leave_the_files_soon(
    sqlite: SqliteDriver, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits for it: a moment after the commit, without another call."""
    monkeypatch.setattr(house, "SETTLE_AFTER_S", 0.05)
    store = await sqlite.open()
    first = put(name(1))
    await commit(store, first)
    await commit(store, remove(first.row) if kind == "removed" else put(name(1), first.row.key_id, version=2))
    for _ in range(100):
        if first.key.wrapped not in _bytes(sqlite):
            break
        await asyncio.sleep(0.02)
    assert first.key.wrapped not in _bytes(sqlite)
    await store.close()


async def test_a_failed_write_leaves_no_key(sqlite: SqliteDriver) -> None:
    """Of items that were refused, and of a work whose entry could not be made."""
    store = await sqlite.open()
    await store_one(store, name(1))
    refused = put(name(1))
    await commit(store, refused)
    assert refused.key.wrapped not in _bytes(sqlite)
    await store.close()


async def test_destroyed_day_keys_are_gone(sqlite: SqliteDriver) -> None:
    """After them, old fingerprints of requests can be matched to nothing."""
    store = await sqlite.open()
    days = [SystemRow("day", f"{day:03}", 1, 1, b"sealed day key %03d" % day) for day in range(200)]
    for day in days:
        await store.add_system_rows([day, SystemRow("epoch", day.row, 1, 1, b"e" * 700)])
        if int(day.row) > 2:
            await store.remove_system_rows("day", f"{int(day.row) - 1:03}")
    await store.close()
    assert [day.row for day in days if day.sealed in _bytes(sqlite)] == ["198", "199"]


async def test_a_reader_of_another_process_does_not_hold_writers_up(sqlite: SqliteDriver) -> None:
    """Cutting the key store's WAL after a deletion can wait until it is gone; whoever writes meanwhile cannot."""
    store = await sqlite.open()
    new, other = put(name(1)), put(name(2))
    await commit(store, new)
    await commit(store, other)
    reader = sqlite3.connect(sqlite.keys)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM record_keys").fetchall()
    await commit(store, remove(new.row))
    await asyncio.sleep(house.SETTLE_AFTER_S * 1.5)
    waits = [await _timed(commit(store, put(name(customer)))) for customer in range(3, 9)]
    assert sorted(waits)[3] < connection.WRITER_WAITS_S / 2
    reader.close()
    for _ in range(50):
        if new.key.wrapped not in _bytes(sqlite):
            break
        await asyncio.sleep(0.1)
    assert new.key.wrapped not in _bytes(sqlite)
    assert other.key.wrapped in _bytes(sqlite)
    await store.close()


async def _timed(work_: Awaitable[object]) -> float:
    start = time.monotonic()
    await work_
    return time.monotonic() - start


async def test_an_erasure_waits_for_a_reader_and_says_so(sqlite: SqliteDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    """While another process reads, the WAL cannot be cut; the erasure is repeated when it can."""
    monkeypatch.setattr(driver, "ERASURE_WAITS_S", 0)
    store = await sqlite.open()
    new: Put = put(name(1))
    await store.commit(work(item(new)))
    reader = sqlite3.connect(sqlite.keys)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM record_keys").fetchall()
    with pytest.raises(OutcomeUnknown, match="repeat the erasure"):
        await store.erase(owner(1), NOW, LOG, _entry)
    assert await store.erased(owner(1))
    reader.close()
    erased = await store.erase(owner(1), NOW + 5, LOG, _entry)
    assert (erased.keys, erased.rows) == (0, 1)
    assert new.key.wrapped not in _bytes(sqlite)
    assert await store.fetch([name(1)]) == {}
    await store.close()
    store = await sqlite.open()
    assert await store.finish_erasures(LOG, lambda *_: b"") == ()
    await store.close()


async def test_nobody_waits_for_an_erasure_that_waits_for_a_backup(
    sqlite: SqliteDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the key store is copied others write; its receipt then counts what it destroyed at first."""
    monkeypatch.setattr(driver, "ERASURE_AGAIN_S", 0.01)
    store = await sqlite.open()
    await store.commit(work(item(put(name(1)))))
    reader = sqlite3.connect(sqlite.keys)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM record_keys").fetchall()
    erasing = asyncio.ensure_future(store.erase(owner(1), NOW, LOG, _entry))
    for _ in range(1000):
        if await store.erased(owner(1)):
            break
        await asyncio.sleep(0.01)
    for customer in (2, 3):
        await store.commit(work(item(put(name(customer)))))
    assert not erasing.done()
    reader.close()
    erased = await erasing
    assert (erased.keys, erased.rows) == (1, 1)
    assert await store.fetch([name(1), name(2), name(3)]) == await store.fetch([name(2), name(3)])
    await store.close()
