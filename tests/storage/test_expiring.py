"""Rows by their end, for the sweep."""

from tests.storage.values import LOG, NOW, entry_of, item, name, put
from vault.storage.expiring import FIRST, Place
from vault.storage.port import Put, Storage, Work


def ending(customer: int, expires_at: int) -> Put:
    """A record with an end."""
    made = put(name(customer, "logs/2026-11"))
    return Put(made.row._replace(expires_at=expires_at), made.key, None)


def place(made: Put) -> Place:
    """Where it stands."""
    return Place(made.row.expires_at, made.row.owner, made.row.record_name)


async def test_rows_come_by_their_end_and_only_when_it_has_come(store: Storage) -> None:
    """Those without an end never; a page goes on after a place."""
    late, early, same, never = ending(1, NOW), ending(2, NOW - 5), ending(3, NOW), ending(4, 0)
    future = ending(5, NOW + 1)
    items = tuple(item(each) for each in (late, early, same, never, future))
    await store.commit(Work(LOG, lambda results: (entry_of(results), None), items))
    found = await store.expired(NOW, FIRST, 10)
    assert found == [place(early), place(late), place(same)]
    assert await store.expired(NOW, FIRST, 2) == found[:2]
    assert await store.expired(NOW, found[1], 2) == found[2:]
    assert await store.expired(NOW, found[2], 2) == []
