"""Chunks of an upload are written without an fsync of their own: the one of their record's commit is theirs, too."""

from dataclasses import replace

from tests.storage.test_mail import OWNER, message, upload_of
from tests.storage.values import NOW, work
from vault.storage.port import Item, Result, Storage
from vault.storage.queue import Chunk
from vault.storage.sqlite import SqliteStorage
from vault.storage.sqlite.stores import Stores

FULL = 2


async def test_only_chunks_go_without_an_fsync(store: Storage) -> None:
    """Whatever comes after them, their own record first of all, is committed as safely as ever."""
    assert isinstance(store, SqliteStorage)
    executed: list[str] = []

    def listen(stores: Stores) -> None:
        stores.data.set_trace_callback(executed.append)

    def level(stores: Stores) -> int:
        found: int = stores.data.execute("PRAGMA synchronous").fetchone()[0]
        return found

    new, queue = message()
    assert await store.begin_upload(upload_of(new), new.key.n, new.key.wrapped, NOW)
    await store._writer.run(listen)
    assert await store.add_chunks(upload_of(new), [Chunk(0, b"stored 0"), Chunk(1, b"stored 1")])
    commit, normal, full = (
        executed.index(s) for s in ("COMMIT", "PRAGMA synchronous = NORMAL", "PRAGMA synchronous = FULL")
    )
    assert normal < commit < full
    assert await store._writer.run(level) == FULL
    del executed[:]
    done = await store.commit(work(Item(OWNER, (replace(new, uploaded=True),), queue=(queue,))))
    assert done.results == (Result.DONE,)
    assert "COMMIT" in executed
    assert not [statement for statement in executed if "synchronous" in statement]


async def test_an_upload_without_its_mark_leaves_the_safe_level_on(store: Storage) -> None:
    """What refuses chunks must not leave later commits unsynced."""
    assert isinstance(store, SqliteStorage)
    new, _ = message()
    assert not await store.add_chunks(upload_of(new), [Chunk(0, b"stored 0")])
    levels = await store._writer.run(lambda stores: stores.data.execute("PRAGMA synchronous").fetchall())
    assert levels == [(FULL,)]
