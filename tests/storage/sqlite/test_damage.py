"""Altered files are data loss for who reads them; others are served, and no error quotes what was found."""

import asyncio
from pathlib import Path

import pytest

from tests.storage.conftest import SqliteDriver
from tests.storage.sqlite.faults import on_writer
from tests.storage.values import commit, keys_of, name, owner, put, request, store_one, work
from vault.errors import DataLoss
from vault.storage.engine import sqlite3


async def test_a_damaged_page_is_data_loss_for_who_reads_it(sqlite: SqliteDriver) -> None:
    """Others are served."""
    store = await sqlite.open()
    await store_one(store, name(1))
    for version in range(200):
        await store.commit(work(uses=request(f"request {version}")))
    await store.close()
    content = bytearray(sqlite.data.read_bytes())
    root = _root_page(sqlite.data, "records")
    content[(root - 1) * 4096 : root * 4096] = b"\xff" * 4096
    sqlite.data.write_bytes(content)
    store = await sqlite.open()
    with pytest.raises(DataLoss, match="damaged where it was read"):
        await store.fetch([name(1)])
    assert await store.seen_request("shop", "request 7") is not None
    outcomes = await asyncio.gather(commit(store, put(name(2))), store.commit(work()), return_exceptions=True)
    assert [type(each).__name__ for each in outcomes] == ["DataLoss", "Committed"]
    await store.close()


def _root_page(path: Path, table: str) -> int:
    reader = sqlite3.connect(path)
    page: int = reader.execute("SELECT rootpage FROM sqlite_schema WHERE name = ?", (table,)).fetchone()[0]
    reader.close()
    return page


async def test_text_that_is_none_is_data_loss_and_is_not_repeated(sqlite: SqliteDriver) -> None:
    """SQLite's own message would quote it."""
    store = await sqlite.open()
    await store_one(store, name(1))
    await store_one(store, name(2))
    spoil = "UPDATE records SET record_name = CAST('customers/2/secret' || x'ff' AS TEXT) WHERE owner = 'customers/2'"
    await on_writer(store, lambda stores: stores.data.execute(spoil))
    with pytest.raises(DataLoss) as raised:
        await store.list_rows(owner(2), "", "", 10)
    assert "secret" not in str(raised.value)
    assert raised.value.__suppress_context__
    assert list(await store.fetch([name(1)])) == [name(1)]
    await store.close()


async def test_a_damaged_column_makes_a_row_that_nothing_opens(sqlite: SqliteDriver) -> None:
    """It is handed out, so that its reader reports it, and the rest of a batch is whole."""
    store = await sqlite.open()
    good, bad = await store_one(store, name(1)), await store_one(store, name(2))
    await store.close()
    _run(sqlite.data, "UPDATE sqlite_schema SET sql = replace(sql, ') STRICT', ')') WHERE name = 'records'")
    _run(sqlite.data, "UPDATE records SET stored = 'text', key_id = 7 WHERE owner = 'customers/2'")
    store = await sqlite.open()
    found = await store.fetch([good.record_name, bad.record_name])
    assert found[good.record_name] == good
    assert found[bad.record_name].stored == b""
    assert await keys_of(store, found[bad.record_name]) == 0
    locked = {each.record_name: each for each in await store.fetch_locked([good.record_name, bad.record_name])}
    assert locked[good.record_name].row == good
    assert (locked[bad.record_name].stored, locked[bad.record_name].wrapped) == (b"", b"")
    await store.close()


def _run(path: Path, statement: str) -> None:
    writer = sqlite3.connect(path)
    with writer:
        writer.execute("PRAGMA writable_schema = ON")
        writer.execute(statement)
    writer.close()
