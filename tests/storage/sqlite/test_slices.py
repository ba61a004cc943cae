"""What goes through a whole store does so in slices: neither the event loop nor the writer is held for long."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from typing import Any

import pytest

from tests.storage.conftest import SqliteDriver
from tests.storage.values import NOW, item, name, put, work
from vault.storage.port import WrappedKey
from vault.storage.sqlite import SqliteStorage, purge, system

HOUR_MS = 3600 * 1000


@pytest.fixture
async def store(sqlite: SqliteDriver) -> AsyncIterator[SqliteStorage]:
    """An open vault."""
    opened = await sqlite.open()
    yield opened
    await opened.close()


async def _breaths(job: Coroutine[Any, Any, object]) -> int:
    """How often the event loop comes round while a job runs."""
    task, breaths = asyncio.create_task(job), 0
    while not task.done():
        await asyncio.sleep(0)
        breaths += 1
    await task
    return breaths


async def test_keys_that_a_walk_does_not_want_are_passed_in_slices(store: SqliteStorage) -> None:
    """Nothing is retired, or everything is young: that is not found out in one query of all keys."""
    await store.commit(work(*[item(put(name(customer))) for customer in range(10 * purge.AT_ONCE)]))

    def unused(key: WrappedKey) -> WrappedKey:
        raise AssertionError(key.record_name)

    assert await _breaths(store.purge(NOW + HOUR_MS)) >= 10
    assert await _breaths(store.sweep(NOW, unused)) >= 10


async def test_the_ranges_hold_every_key_once(store: SqliteStorage) -> None:
    """Also the last one; a range is never longer than was asked for."""
    await store.commit(work(*[item(put(name(customer))) for customer in range(25)]))
    ranges = [store._reader.live_keys(within, 1 << 62) for within in store._reader.key_ranges(5)]
    found = [key.record_name for keys in ranges for key in keys]
    assert found == sorted(set(found))
    assert len(found) == 25
    assert max(map(len, ranges)) == 5


async def test_many_requests_are_forgotten_in_turns(store: SqliteStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls come in between; in the end all are gone that are old."""
    monkeypatch.setattr(system, "FORGOTTEN_AT_ONCE", 3)
    values = [("caller", f"{at:02}", b"f", NOW + at, b"r") for at in range(10)]
    insert = "INSERT INTO requests (caller, request_id, fingerprint, seen_at, response) VALUES (?, ?, ?, ?, ?)"
    await store._writer.run(lambda stores: stores.data.executemany(insert, values).rowcount)
    assert await store._writer.run(system.forget_requests(NOW + 7)) == 3
    assert await store.forget_requests(NOW + 7) == 4
    assert await store.seen_request("caller", "06") is None
    assert await store.seen_request("caller", "07")
