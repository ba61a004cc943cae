"""A row that its index does not show any more is not absent: the key store knows its name, and keeps its key."""

from pathlib import Path

from tests.storage.conftest import SqliteDriver
from tests.storage.values import NOW, commit, keys_of, name, put, remove, store_one
from vault.storage.engine import sqlite3
from vault.storage.port import YOUNG_MS, Result

LATER = NOW + 2 * YOUNG_MS


def hide(data: Path, record: str) -> None:
    """Take a record's line out of the index alone: a letter of it, as a flipped bit would."""
    raw = data.read_bytes()
    connection = sqlite3.connect(data)
    sql = "SELECT rootpage FROM sqlite_schema WHERE name = 'sqlite_autoindex_records_1'"
    (page,) = connection.execute(sql).fetchone()
    connection.close()
    start = (page - 1) * 4096
    index = raw[start : start + 4096]
    before, found, after = index.rpartition(record.encode())
    assert found
    spoiled = before + bytes([found[0] ^ 1]) + found[1:] + after
    data.write_bytes(raw[:start] + spoiled + raw[start + 4096 :])


async def test_a_hidden_row_is_told_from_an_absent_one(sqlite: SqliteDriver) -> None:
    """And a young key is none: its write may be under way."""
    store = await sqlite.open()
    await store_one(store, name(1))
    await store_one(store, name(2))
    await store.close()
    hide(sqlite.data, name(1))
    store = await sqlite.open()
    assert await store.fetch([name(1)]) == {}
    assert list(await store.hidden([name(1), name(2), name(3)], LATER)) == [name(1)]
    assert list(await store.hidden([name(1)], NOW - YOUNG_MS)) == []
    await store.close()


async def test_the_key_of_a_hidden_row_is_not_retired(sqlite: SqliteDriver) -> None:
    """The sweep reads the table without its index before it calls a key stale: what is hidden can be repaired."""
    store = await sqlite.open()
    row = await store_one(store, name(1))
    await store.close()
    hide(sqlite.data, name(1))
    store = await sqlite.open()
    assert await store.sweep(LATER, lambda key: key) == 0
    assert await keys_of(store, row) == 1
    await store.close()
    connection = sqlite3.connect(sqlite.data)
    connection.execute("REINDEX records")
    connection.close()
    store = await sqlite.open()
    assert await store.fetch([name(1)]) == {name(1): row}
    await store.close()


async def test_what_was_deleted_is_absent(sqlite: SqliteDriver) -> None:
    """Its keys went with it."""
    store = await sqlite.open()
    row = await store_one(store, name(1))
    assert await commit(store, remove(row)) == (Result.DONE,)
    assert list(await store.hidden([name(1)], LATER)) == []
    assert await commit(store, put(name(1))) == (Result.DONE,)
    await store.close()
