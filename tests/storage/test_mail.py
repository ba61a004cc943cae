"""Chunks and the queue: what a driver keeps of messages in transit, and what it never forgets."""

from dataclasses import replace

from tests.storage.values import LOG, NOW, commit, item, put, remove, work
from vault.domain.names import Owner, RecordName
from vault.storage.port import Item, Put, Result, Storage
from vault.storage.queue import Chunk, DueQuery, QueuePut, QueueRow, Upload

OWNER = Owner("domains/example.net")
NAME = RecordName("domains/example.net/messages/m1")
DAY = 24 * 3600 * 1000


def message(chunks: int = 0) -> tuple[Put, QueuePut]:
    """A message's record and its place in the queue."""
    new = replace(put(NAME), chunks=tuple(Chunk(at, b"stored %d" % at) for at in range(chunks)))
    row = QueueRow(OWNER, NAME, new.row.key_id, 1, 9, chunks, NOW, NOW, NOW + DAY, NOW + 2 * DAY, b"", 0, 0, "", 1)
    return new, QueuePut(row, dedupe=b"t" * 16)


async def store_message(store: Storage, chunks: int = 0) -> tuple[Put, QueuePut]:
    """Stored in one commit."""
    new, queue = message(chunks)
    assert (await store.commit(work(Item(OWNER, (new,), queue=(queue,))))).results == (Result.DONE,)
    return new, queue


def upload_of(new: Put) -> Upload:
    """The same as an upload."""
    return Upload(OWNER, NAME, new.row.key_id)


async def test_a_queue_row_is_changed_only_by_who_saw_it(store: Storage) -> None:
    """The revision decides: of two workers who claim one message, one gets it."""
    _, queue = await store_message(store)
    second = QueuePut(queue.row._replace(revision=2, lease=b"l" * 16))
    results = (await store.commit(work(*[Item(OWNER, queue=(second,))] * 2))).results
    assert results == (Result.DONE, Result.CHANGED)
    assert (await store.queued([NAME]))[0].row == second.row


async def test_a_token_brings_one_message(store: Storage) -> None:
    """In one commit as in two, and after the message is gone; then it is forgotten."""
    new, queue = await store_message(store)
    other = RecordName("domains/example.net/messages/m2")
    again = put(other)
    twin = QueuePut(queue.row._replace(record_name=other, key_id=again.row.key_id), dedupe=queue.dedupe)
    assert (await store.commit(work(Item(OWNER, (again,), queue=(twin,))))).results == (Result.DUPLICATE,)
    assert await store.duplicate(OWNER, queue.dedupe) == NAME
    assert await store.forget_dedupe(NOW + 1) == 0
    assert await commit(store, remove(new.row)) == (Result.DONE,)
    assert await store.duplicate(OWNER, queue.dedupe) == NAME
    assert await store.forget_dedupe(NOW + 1) == 1
    assert await store.duplicate(OWNER, queue.dedupe) is None


async def test_a_row_that_goes_takes_queue_and_chunks_along(store: Storage) -> None:
    """Few chunks in the same commit, many by their mark."""
    for chunks in (3, 40):
        new, _ = await store_message(store, chunks)
        assert len(await store.read_chunks(upload_of(new), 0, 100)) == chunks
        assert await commit(store, remove(new.row)) == (Result.DONE,)
        assert not await store.queued([NAME])
        assert not await store.due(DueQuery(NOW, dead=False, limit=10))
        await store.sweep_chunks()
        assert not await store.read_chunks(upload_of(new), 0, 100)
        await store.forget_dedupe(NOW + 1)


async def test_an_upload_that_is_discarded_leaves_neither_chunks_nor_key(store: Storage) -> None:
    """And the sweep leaves one alone that still runs."""
    new, _ = message()
    upload = upload_of(new)
    assert await store.begin_upload(upload, 1, new.key.wrapped, NOW)
    assert await store.add_chunks(upload, [Chunk(at, b"stored") for at in range(40)])
    assert await store.sweep_chunks() == 0
    assert new.row.key_id in await store.fetch_keys([new.row])
    await store.discard_upload(upload)
    assert not await store.read_chunks(upload, 0, 100)
    assert not await store.fetch_keys([new.row])
    assert not await store.add_chunks(upload, [Chunk(40, b"late")])


async def test_a_discard_that_comes_too_late_takes_nothing(store: Storage) -> None:
    """A caller went away while its commit was under way: the message is stored, and stays."""
    new, queue = message(1)
    upload = upload_of(new)
    assert await store.begin_upload(upload, 1, new.key.wrapped, NOW)
    stored = replace(new, uploaded=True)
    assert (await store.commit(work(Item(OWNER, (stored,), queue=(queue,))))).results == (Result.DONE,)
    await store.discard_upload(upload)
    assert len(await store.read_chunks(upload, 0, 100)) == 1
    assert new.row.key_id in await store.fetch_keys([new.row])


async def test_an_erased_owner_begins_no_upload(store: Storage) -> None:
    """And one that runs gets no further."""
    new, _ = message()
    upload = upload_of(new)
    assert await store.begin_upload(upload, 1, new.key.wrapped, NOW)
    assert await store.add_chunks(upload, [Chunk(0, b"stored")])
    await store.erase(OWNER, NOW, LOG, lambda _keys, _rows: b"erased")
    assert (await store.commit(work(item(replace(new, uploaded=True))))).results == (Result.ERASED,)
    await store.discard_upload(upload)
    assert not await store.read_chunks(upload, 0, 100)
    assert not await store.begin_upload(upload, 1, new.key.wrapped, NOW)
