"""A request_id has one effect, however often and however concurrently it comes."""

import asyncio

from tests.storage.conftest import Driver
from tests.storage.values import NOW, done, entries, item, keys_of, name, put, request, work
from vault.storage.port import REQUEST_LIFETIME_MS, SeenRequest, Storage


async def test_a_repeat_is_answered_with_what_was_remembered(store: Storage) -> None:
    """And nothing of it is done, not even an entry made."""
    await store.commit(work(item(put(name(1))), uses=request(), response=b"one"))
    second = put(name(2))
    again = await store.commit(work(item(second), uses=request(), response=b"two"))
    assert again.replay == SeenRequest("shop", "r1", b"f" * 32, NOW, b"one")
    assert again.results == ()
    assert await store.fetch([name(2)]) == {}
    assert await keys_of(store, second.row) == 0
    assert len(await entries(store)) == 1


async def test_fifty_at_once_have_one_effect(store: Storage) -> None:
    """Whatever group they fall into."""
    puts = [put(name(customer)) for customer in range(50)]
    committed = await asyncio.gather(*[store.commit(work(item(each), uses=request())) for each in puts])
    assert sum(done(each) for each in committed) == 1
    assert {each.replay.response for each in committed if each.replay} == {b"response"}
    assert len(await store.fetch([name(customer) for customer in range(50)])) == 1
    assert await keys_of(store, *[each.row for each in puts]) == 1
    assert len(await entries(store)) == 1


async def test_request_ids_belong_to_their_caller(store: Storage) -> None:
    """Two callers may draw the same one."""
    assert done(await store.commit(work(item(put(name(1))), uses=request(caller="shop"))))
    assert done(await store.commit(work(item(put(name(2))), uses=request(caller="care"))))


async def test_what_is_not_to_be_remembered_can_be_tried_again(store: Storage) -> None:
    """A failed attempt says so by remembering nothing."""
    await store.commit(work(item(put(name(1))), uses=request(), response=None))
    assert await store.seen_request("shop", "r1") is None
    assert done(await store.commit(work(item(put(name(2))), uses=request())))


async def test_a_request_id_has_one_effect_until_it_is_forgotten(store: Storage) -> None:
    """The clock of a later write forgets nothing: it may be wrong, and a second effect cannot be undone."""
    await store.commit(work(uses=request(seen_at=NOW)))
    late = request(seen_at=NOW + 400 * REQUEST_LIFETIME_MS)
    assert (await store.commit(work(uses=late))).replay is not None
    other = request("other", seen_at=NOW + 400 * REQUEST_LIFETIME_MS)
    assert done(await store.commit(work(uses=other)))
    assert await store.seen_request("shop", "r1") is not None
    assert await store.forget_requests(NOW + 1) == 1
    assert done(await store.commit(work(uses=late)))


async def test_requests_are_forgotten_on_demand(store: Storage) -> None:
    """Those used before a time, and no others."""
    for request_id, seen_at in (("old", NOW), ("new", NOW + 5)):
        await store.commit(work(uses=request(request_id, seen_at=seen_at)))
    assert await store.forget_requests(NOW + 5) == 1
    assert await store.seen_request("shop", "old") is None
    assert await store.seen_request("shop", "new") is not None
    assert await store.forget_requests(NOW + 5) == 0


async def test_requests_are_remembered_across_openings(driver: Driver) -> None:
    """A retry may come after a restart."""
    store = await driver.open()
    await store.commit(work(item(put(name(1))), uses=request()))
    await store.close()
    store = await driver.open()
    assert await store.seen_request("shop", "r1") is not None
    assert (await store.commit(work(item(put(name(1))), uses=request()))).replay is not None
    await store.close()
