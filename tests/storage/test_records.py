"""Rows and their keys: what a commit does to them, and how they are found again."""

import pytest

from tests.storage.values import commit, item, keys_of, name, owner, put, remove, store_one, work
from vault.storage.port import Locked, Result, Storage


async def test_a_stored_record_is_fetched_with_its_key(store: Storage) -> None:
    """Every column comes back as it went in."""
    new = put(name(1, "contact"))
    assert await commit(store, new) == (Result.DONE,)
    assert await store.fetch([name(1, "contact")]) == {new.row.record_name: new.row}
    assert await store.fetch_keys([new.row]) == {new.row.key_id: new.key}
    assert await store.fetch_locked([name(1, "contact")]) == [Locked.of(new.row, new.key)]


async def test_unknown_names_are_left_out(store: Storage) -> None:
    """A miss is no error."""
    row = await store_one(store, name(1))
    assert await store.fetch([name(2), name(1), name(1, "contact")]) == {row.record_name: row}
    assert await store.fetch([]) == {}
    assert await store.fetch_keys([]) == {}
    assert [each.row for each in await store.fetch_locked([name(2), name(1), name(1, "contact")])] == [row]
    assert await store.fetch_locked([]) == []


async def test_hundreds_of_records_are_fetched_at_once(store: Storage) -> None:
    """Of any owners, in one call."""
    new = [put(name(customer, "contact")) for customer in range(300)]
    await store.commit(work(*[item(each) for each in new]))
    found = await store.fetch([each.row.record_name for each in new])
    assert found == {each.row.record_name: each.row for each in new}
    assert await store.fetch_keys(list(found.values())) == {each.row.key_id: each.key for each in new}
    locked = await store.fetch_locked([each.row.record_name for each in new])
    assert {(each.row, each.key) for each in locked} == {(each.row, each.key) for each in new}


async def test_a_new_record_needs_an_empty_place(store: Storage) -> None:
    """The record that is there stays, and the refused one leaves no key."""
    row, second = await store_one(store, name(1)), put(name(1))
    assert await commit(store, second) == (Result.EXISTS,)
    assert await store.fetch([name(1)]) == {name(1): row}
    assert await keys_of(store, row, second.row) == 1


async def test_a_record_is_replaced_only_by_who_saw_it(store: Storage) -> None:
    """The key id decides, because a version may return after a deletion."""
    first = await store_one(store, name(1))
    second = put(name(1), first.key_id, version=2)
    late = put(name(1), first.key_id, version=2)
    assert await commit(store, second) == (Result.DONE,)
    assert await commit(store, late) == (Result.CHANGED,)
    assert await store.fetch([name(1)]) == {name(1): second.row}
    assert await keys_of(store, second.row, late.row) == 1


async def test_what_is_gone_cannot_be_replaced_or_removed(store: Storage) -> None:
    """It is as if another version had taken its place."""
    row = await store_one(store, name(1))
    assert await commit(store, remove(row)) == (Result.DONE,)
    assert await commit(store, put(name(1), row.key_id)) == (Result.CHANGED,)
    assert await commit(store, remove(row)) == (Result.CHANGED,)
    assert await store.fetch([name(1)]) == {}


async def test_a_removed_record_leaves_no_key(store: Storage) -> None:
    """Nor do its earlier versions; the owner's other records keep theirs."""
    other = await store_one(store, name(1))
    first = await store_one(store, name(1, "contact"))
    second = put(name(1, "contact"), first.key_id, version=2)
    await commit(store, second)
    assert await commit(store, remove(second.row)) == (Result.DONE,)
    assert await keys_of(store, first, second.row, other) == 1
    assert (await store.erase(owner(1), 1, "log-0", lambda keys, _: b"%d" % keys)).keys == 1


async def test_keys_of_a_record_without_a_row_are_destroyed_on_demand(store: Storage) -> None:
    """What an interrupted deletion left; a record that is there keeps its keys."""
    row = await store_one(store, name(1))
    assert await store.destroy_keys(owner(1), name(1)) == 0
    assert await store.destroy_keys(owner(1), name(1, "contact")) == 0
    assert await keys_of(store, row) == 1


async def test_a_record_can_return(store: Storage) -> None:
    """Under a new key, in the same item or later, and then it has that key."""
    row = await store_one(store, name(1, "contact"))
    await commit(store, remove(row))
    back = await store_one(store, name(1, "contact"))
    assert await keys_of(store, back) == 1
    again = put(name(1, "contact"))
    together = await store.commit(work(item(remove(back)), item(again)))
    assert together.results == (Result.DONE, Result.DONE)
    assert await store.fetch([name(1, "contact")]) == {name(1, "contact"): again.row}
    assert await keys_of(store, again.row) == 1
    assert await keys_of(store, back) == 0


async def test_an_item_is_done_whole_or_not_at_all(store: Storage) -> None:
    """One change that cannot be made takes the others of its item back, and only those."""
    taken = await store_one(store, name(1, "cards/a"))
    torn = (put(name(1)), put(name(1, "contact")), put(name(1, "cards/a")))
    whole = put(name(2))
    removing = await store_one(store, name(3, "contact"))
    half = (put(name(3)), remove(removing), remove(taken))
    committed = await store.commit(work(item(*torn), item(whole), item(*half)))
    assert committed.results == (Result.EXISTS, Result.DONE, Result.DONE)
    assert set(await store.fetch([name(1), name(1, "contact"), name(2), name(3)])) == {name(2), name(3)}
    assert await keys_of(store, torn[0].row, torn[1].row, torn[2].row) == 0


async def test_later_items_see_earlier_ones(store: Storage) -> None:
    """As if each had been committed by itself."""
    first = put(name(1))
    second = put(name(1), first.row.key_id, version=2)
    again = put(name(1))
    committed = await store.commit(work(item(first), item(again), item(second)))
    assert committed.results == (Result.DONE, Result.EXISTS, Result.DONE)
    assert await store.fetch([name(1)]) == {name(1): second.row}


async def test_a_replaced_key_is_retired_by_a_later_commit(store: Storage) -> None:
    """No read finds it then, though it is still there."""
    first = await store_one(store, name(1))
    second = put(name(1), first.key_id, version=2)
    await commit(store, second)
    await store_one(store, name(2))
    assert await keys_of(store, first, second.row) == 1
    assert (await store.erase(owner(1), 1, "log-0", lambda keys, _: b"%d" % keys)).keys == 2


async def test_rows_are_listed_by_name(store: Storage) -> None:
    """By prefix, after a name, up to a limit, and never another owner's."""
    names = [name(4, f"cards/{card}") for card in ("a", "b", "c", "d")]
    for each in (*names, name(4), name(4, "contact"), name(42), name(42, "cards/a")):
        await store_one(store, each)

    async def listed(prefix: str, after: str = "", limit: int = 100) -> list[str]:
        return [row.record_name for row in await store.list_rows(owner(4), prefix, after, limit)]

    assert await listed("customers/4/cards/") == names
    assert await listed("customers/4/cards/", names[1]) == names[2:]
    assert await listed("customers/4/cards/", limit=3) == names[:3]
    assert await listed("") == [name(4), *names, name(4, "contact")]
    assert await listed("customers/42") == []


async def test_records_are_found_by_token(store: Storage) -> None:
    """Under any version of the vault key, ascending, in pages; a token of another field or version finds nothing."""
    token = ("contact.phone", b"t" * 16)
    for customer in (3, 1, 2):
        await store_one(store, name(customer, "contact"), tokens=[token, ("contact.name", b"n" * 16)])
    names = [name(customer, "contact") for customer in (1, 2, 3)]
    assert await store.find("contact.phone", [(2, b"u" * 16), (1, b"t" * 16)], "", 10) == names
    assert await store.find("contact.phone", [(1, b"t" * 16)], names[0], 1) == names[1:2]
    assert await store.find("contact.email", [(1, b"t" * 16)], "", 10) == []
    assert await store.find("contact.phone", [(2, b"t" * 16)], "", 10) == []
    assert await store.find("contact.phone", [], "", 10) == []


async def test_lookups_go_with_their_key(store: Storage) -> None:
    """Unless they are carried over to the new one."""
    phone, mail = ("contact.phone", b"p" * 16), ("contact.email", b"m" * 16)
    first = await store_one(store, name(1, "contact"), tokens=[phone, mail])
    second = put(name(1, "contact"), first.key_id, version=2, carry=["contact.email"])
    await commit(store, second)
    await store_one(store, name(2))  # retires the first key
    assert await store.find("contact.phone", [(1, b"p" * 16)], "", 10) == []
    assert await store.find("contact.email", [(1, b"m" * 16)], "", 10) == [name(1, "contact")]
    await commit(store, remove(second.row))
    assert await store.find("contact.email", [(1, b"m" * 16)], "", 10) == []


@pytest.mark.parametrize("odd", ["customers/1/cards/%", "customers/1/cards/_", "customers/1/cards/a b'\"--"])
async def test_names_are_values(store: Storage, odd: str) -> None:
    """Nothing in a name is read as a pattern or as SQL."""
    row = await store_one(store, name(1, odd.removeprefix("customers/1/")))
    await store_one(store, name(1, "cards/ab"))
    assert await store.fetch([row.record_name]) == {row.record_name: row}
    assert [r.record_name for r in await store.list_rows(owner(1), odd, "", 10)] == [odd]
