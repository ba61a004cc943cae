"""Many at once, and what is left when a store is closed."""

import asyncio
from dataclasses import replace

import pytest

from tests.storage.conftest import Driver
from tests.storage.values import (
    HOUR,
    LOG,
    NOW,
    commit,
    done,
    entries,
    item,
    keys_of,
    name,
    owner,
    put,
    remove,
    store_one,
    work,
)
from vault.domain.names import RecordName
from vault.errors import Unavailable
from vault.storage.port import Result, Row, Storage, WrappedKey


async def test_a_hundred_at_once_are_all_done(store: Storage) -> None:
    """Each has its own index, and reads see them."""
    puts = [put(name(customer)) for customer in range(100)]
    committed = await asyncio.gather(*[store.commit(work(item(each))) for each in puts])
    assert all(map(done, committed))
    assert sorted(each.log_index for each in committed) == list(range(100))
    assert await store.fetch([each.row.record_name for each in puts]) == {e.row.record_name: e.row for e in puts}
    assert await keys_of(store, *[each.row for each in puts]) == 100
    assert await store.log_size(LOG) == 100


async def test_of_many_creations_one_wins(store: Storage) -> None:
    """The losers leave no key."""
    puts = [put(name(1)) for _ in range(20)]
    results = await asyncio.gather(*[commit(store, each) for each in puts])
    assert sorted(result.value for (result,) in results) == ["done"] + ["exists"] * 19
    assert await keys_of(store, *[each.row for each in puts]) == 1


async def test_of_many_updates_one_wins(store: Storage) -> None:
    """Round after round: nobody's write is lost without being told."""
    row = await store_one(store, name(1))
    for version in range(2, 6):
        puts = [put(name(1), row.key_id, version=version) for _ in range(10)]
        results = await asyncio.gather(*[commit(store, each) for each in puts])
        assert [each for (each,) in results].count(Result.DONE) == 1
        row = puts[results.index((Result.DONE,))].row
        assert await store.fetch([name(1)]) == {name(1): row}


async def test_an_erasure_among_writes_is_final(store: Storage) -> None:
    """Whatever was queued before it goes with it, whatever comes after is refused."""
    before = [commit(store, put(name(4, f"cards/a{card}"))) for card in range(20)]
    after = [commit(store, put(name(4, f"cards/b{card}"))) for card in range(20)]
    erasing = store.erase(owner(4), 1, LOG, lambda keys, rows: b"%d %d" % (keys, rows))
    outcomes = await asyncio.gather(*before, erasing, *after)
    assert outcomes[:20] == [(Result.DONE,)] * 20
    assert outcomes[21:] == [(Result.ERASED,)] * 20
    assert await store.list_rows(owner(4), "", "", 100) == []
    assert (await entries(store))[20] == b"20 20"


async def test_a_caller_who_leaves_takes_nothing_with_him(store: Storage) -> None:
    """His work is done all the same, and so are the others'."""
    tasks = [asyncio.create_task(store.commit(work(item(put(name(customer)))))) for customer in range(10)]
    await asyncio.sleep(0)
    tasks[3].cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(each) for each in outcomes].count(asyncio.CancelledError) == 1
    await store.commit(work())
    assert len(await store.fetch([name(customer) for customer in range(10)])) == 10


async def test_closing_finishes_what_was_queued(driver: Driver) -> None:
    """Acknowledged or not, it is there at the next opening, with retired keys retired."""
    store = await driver.open()
    row = await store_one(store, name(0))
    newer = put(name(0), row.key_id, version=2)
    tasks = [
        asyncio.create_task(store.commit(work(item(each)))) for each in (newer, *map(put, map(name, range(1, 30))))
    ]
    await asyncio.sleep(0)
    await store.close()
    assert all(done(task.result()) for task in tasks)
    store = await driver.open()
    assert len(await store.fetch([name(customer) for customer in range(30)])) == 30
    assert await keys_of(store, row) == 0
    assert await store.log_size(LOG) == 31
    await store.close()


async def test_a_closed_store_does_nothing(driver: Driver) -> None:
    """Every call says so; closing again is allowed."""
    store = await driver.open()
    await store.close()
    await store.close()
    for call in (store.fetch([name(1)]), store.commit(work()), store.log_size(LOG), store.vault_keys()):
        with pytest.raises(Unavailable):
            await call


async def test_the_sweep_retires_keys_that_no_row_opens_under(store: Storage) -> None:
    """If they are older than an hour; it leaves every other key, and deletes none."""
    asked: list[bytes] = []

    def retired_form(key: WrappedKey) -> WrappedKey:
        asked.append(key.key_id)
        return key

    live = await store_one(store, name(1))
    old = await _left_behind(store, name(1, "cards/a"), NOW)
    young = await _left_behind(store, name(1, "cards/b"), NOW + HOUR)
    assert await keys_of(store, live, old, young) == 3
    assert await store.sweep(NOW + HOUR + HOUR // 2, retired_form) == 1
    assert asked == [old.key_id]
    assert await keys_of(store, live, old, young) == 2
    assert await store.sweep(NOW + 3 * HOUR, retired_form) == 1
    assert await store.sweep(NOW + 3 * HOUR, retired_form) == 0
    assert await keys_of(store, live, old, young) == 1
    assert (await store.erase(owner(1), 1, LOG, lambda keys, _: b"%d" % keys)).keys == 5


async def _left_behind(store: Storage, record: RecordName, created_at: int) -> Row:
    """A version whose key was not retired when it was replaced: what a crash leaves."""
    first = await store_one(store, record, now=created_at)
    second = replace(put(record, first.key_id, version=2, now=created_at), retire=None)
    assert await commit(store, second) == (Result.DONE,)
    return first


async def test_removing_and_writing_one_name_at_once_keeps_one_key(store: Storage) -> None:
    """The key that is destroyed is never the new one's."""
    row = await store_one(store, name(1))
    for _ in range(10):
        new = put(name(1))
        outcomes = await asyncio.gather(*[commit(store, each) for each in (remove(row), new)])
        assert outcomes == [(Result.DONE,), (Result.DONE,)]
        assert await keys_of(store, row, new.row) == 1
        row = new.row
