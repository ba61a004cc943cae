"""The log: entries as they were made, in one order per log, without a gap."""

import asyncio
from collections.abc import Callable

import pytest

from tests.storage.conftest import Driver
from tests.storage.values import LOG, entries, item, name, put, request, work
from vault.errors import VaultError
from vault.storage.port import Result, Storage


def _making(entry: bytes) -> Callable[[tuple[Result, ...]], tuple[bytes, bytes | None]]:
    return lambda _: (entry, None)


async def test_entries_stand_in_the_order_of_their_indices(store: Storage) -> None:
    """What `finish` returned, byte for byte, at the index that the caller was told."""
    made = [b"entry %d" % i for i in range(5)]
    indices = [(await store.commit(work(finish=_making(entry)))).log_index for entry in made]
    assert indices == [0, 1, 2, 3, 4]
    assert await entries(store) == made
    assert await store.log_entries(LOG, 3, 10) == [(3, b"entry 3"), (4, b"entry 4")]
    assert await store.log_entries(LOG, 1, 2) == [(1, b"entry 1"), (2, b"entry 2")]
    assert await store.log_entries(LOG, 9, 2) == []


async def test_finish_learns_how_each_item_ended(store: Storage) -> None:
    """In the order of the items."""
    await store.commit(work(item(put(name(1)))))
    await store.commit(work(item(put(name(1))), item(put(name(2)))))
    assert (await entries(store))[1] == b"entry exists,done"


async def test_a_work_whose_entry_cannot_be_made_fails_alone(store: Storage) -> None:
    """It does nothing, and those of the same moment are done."""

    def fails(_: tuple[Result, ...]) -> tuple[bytes, bytes | None]:
        raise LookupError("of this work")

    bad = work(item(put(name("bad"))), uses=request(), finish=fails)
    good = [work(item(put(name(customer)))) for customer in range(8)]
    outcomes = await asyncio.gather(*map(store.commit, [*good[:4], bad, *good[4:]]), return_exceptions=True)
    assert [type(each) for each in outcomes].count(LookupError) == 1
    assert isinstance(outcomes[4], LookupError)
    assert len(await store.fetch([name("bad"), *[name(customer) for customer in range(8)]])) == 8
    assert await entries(store) == [b"entry done"] * 8
    assert await store.seen_request("shop", "r1") is None


@pytest.mark.parametrize("bad", [put(name("\ud800")), put(name("big"), version=1 << 64)])
async def test_a_work_that_cannot_be_stored_fails_alone(store: Storage, bad: object) -> None:
    """Its neighbours are done; the error says nothing of its values."""
    works = [work(item(put(name(customer)))) for customer in range(8)]
    broken = work(item(bad))  # type: ignore[arg-type]
    outcomes = await asyncio.gather(*map(store.commit, [*works[:4], broken, *works[4:]]), return_exceptions=True)
    assert [type(each) for each in outcomes].count(VaultError) == 1
    assert str(outcomes[4]) == "the store could not work with a value"
    assert outcomes[4].__cause__ is None  # type: ignore[union-attr]
    assert len(await store.fetch([name(customer) for customer in range(8)])) == 8
    assert await store.log_size(LOG) == 8


async def test_logs_count_by_themselves(driver: Driver) -> None:
    """One for each process slot; all are found again."""
    store = await driver.open()
    for log_id in ("log-1", "log-0", "log-1"):
        await store.commit(work(log_id=log_id))
    assert await store.log_ids() == ["log-0", "log-1"]
    assert [await store.log_size(log_id) for log_id in ("log-0", "log-1", "log-2")] == [1, 2, 0]
    await store.close()
    store = await driver.open()
    assert (await store.commit(work(log_id="log-1"))).log_index == 2
    assert len(await entries(store, "log-1")) == 3
    await store.close()


async def test_the_newest_checkpoint_is_the_largest(store: Storage) -> None:
    """Notes are kept as they are."""
    await asyncio.gather(*[store.commit(work()) for _ in range(3)])
    assert await store.newest_checkpoint(LOG) is None
    for size, note in ((2, "note two\n"), (3, "note three\n\n— k sig\n"), (3, "note three again")):
        await store.add_checkpoint(LOG, size, note)
    assert await store.newest_checkpoint(LOG) == (3, "note three again")
    assert await store.newest_checkpoint("log-1") is None


async def test_a_log_has_one_writer(store: Storage) -> None:
    """Until its lease runs out; it renews its own."""
    assert await store.acquire_log(LOG, "a", 1000, 500)
    assert not await store.acquire_log(LOG, "b", 1499, 500)
    assert await store.acquire_log(LOG, "a", 1400, 500)
    assert not await store.acquire_log(LOG, "b", 1899, 500)
    assert await store.acquire_log(LOG, "b", 1900, 500)
    assert not await store.acquire_log(LOG, "a", 2000, 500)
    assert await store.acquire_log("log-1", "a", 2000, 500)


async def test_buckets_of_topics_are_kept_by_number_and_stretch(store: Storage) -> None:
    """Ascending by start; a stretch that begins at the same entry takes the place of the one before."""
    await store.add_log_topics(LOG, 5, 9, [b"a5", b"b5"])
    await store.add_log_topics(LOG, 0, 5, [b"a0", b"b0"])
    await store.add_log_topics("other", 0, 7, [b"x", b"y"])
    assert await store.log_topics(LOG, 1) == [(0, 5, b"b0"), (5, 9, b"b5")]
    await store.add_log_topics(LOG, 5, 8, [b"a6", b"b6"])
    assert await store.log_topics(LOG, 0) == [(0, 5, b"a0"), (5, 8, b"a6")]
    await store.drop_log_topics(LOG, 5)
    assert await store.log_topics(LOG, 0) == [(0, 5, b"a0")]
    assert await store.log_topics("other", 1) == [(0, 7, b"y")]
    assert await store.log_topics(LOG, 2) == []
