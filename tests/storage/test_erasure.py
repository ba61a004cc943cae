"""Erasing an owner: keys, rows and whatever finds them, for ever."""

import pytest

from tests.storage.conftest import Driver
from tests.storage.values import LOG, commit, entries, item, keys_of, name, owner, put, remove, store_one, work
from vault.storage.port import Erased, Result, Storage


def _entry(keys: int, rows: int) -> bytes:
    return b"erased %d %d" % (keys, rows)


async def test_an_erasure_takes_all_of_one_owner(store: Storage) -> None:
    """Rows, live and retired keys, lookups; and leaves everybody else's."""
    row = await store_one(store, name(4))
    contact = await store_one(store, name(4, "contact"), tokens=[("contact.phone", b"p" * 16)])
    newer = put(name(4), row.key_id, version=2)
    await commit(store, newer)
    others = [await store_one(store, each) for each in (name(42), name("4-"), name(5, "contact"))]
    assert await store.erase(owner(4), 7, LOG, _entry) == Erased(3, 2, 6)
    assert (await entries(store))[-1] == b"erased 3 2"
    assert await store.fetch([name(4), name(4, "contact")]) == {}
    assert await keys_of(store, row, contact, newer.row) == 0
    assert await store.find("contact.phone", [(1, b"p" * 16)], "", 10) == []
    assert len(await store.fetch([other.record_name for other in others])) == 3
    assert await keys_of(store, *others) == 3


async def test_an_erased_owner_never_returns(driver: Driver) -> None:
    """Not in a new record, not in a deletion, not after a restart."""
    store = await driver.open()
    await store_one(store, name(4))
    assert not await store.erased(owner(4))
    await store.erase(owner(4), 7, LOG, _entry)
    for _ in range(2):
        assert await store.erased(owner(4))
        new = put(name(4, "contact"))
        assert await commit(store, new) == (Result.ERASED,)
        assert await commit(store, remove(new.row)) == (Result.ERASED,)
        assert await keys_of(store, new.row) == 0
        await store.close()
        store = await driver.open()
    await store.close()


async def test_an_erasure_may_be_repeated(store: Storage) -> None:
    """The second finds nothing, and has its entry; one of an unknown owner likewise."""
    await store_one(store, name(4))
    await store.erase(owner(4), 7, LOG, _entry)
    assert await store.erase(owner(4), 8, LOG, _entry) == Erased(0, 0, 2)
    assert await store.erase(owner(5), 8, LOG, _entry) == Erased(0, 0, 3)
    assert await store.erased(owner(5))


async def test_without_an_entry_nothing_is_erased(store: Storage) -> None:
    """The entry is made before the first key goes."""

    def fails(keys: int, rows: int) -> bytes:
        raise LookupError

    row = await store_one(store, name(4))
    with pytest.raises(LookupError):
        await store.erase(owner(4), 7, LOG, fails)
    assert not await store.erased(owner(4))
    assert await keys_of(store, row) == 1
    assert len(await entries(store)) == 1
    await store_one(store, name(4, "contact"))


async def test_other_items_of_a_work_are_done_beside_an_erased_owner(store: Storage) -> None:
    """A batch reports the miss and goes on."""
    await store.erase(owner(4), 7, LOG, _entry)
    committed = await store.commit(work(item(put(name(4))), item(put(name(5)))))
    assert committed.results == (Result.ERASED, Result.DONE)
