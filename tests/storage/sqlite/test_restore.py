"""A start finds what a crash cut short and finishes it, and what a backup brought back and refuses it."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.storage.conftest import SqliteDriver
from tests.storage.sqlite.faults import IOERR, break_store
from tests.storage.values import LOG, commit, entries, item, keys_of, name, owner, put, store_one, work
from vault.domain.names import Owner
from vault.errors import ConfigError, OutcomeUnknown
from vault.storage.engine import sqlite3
from vault.storage.port import Result, Row
from vault.storage.sqlite import erase


def _run(path: Path, statement: str, *values: str) -> None:
    connection = sqlite3.connect(path)
    with connection:
        connection.execute(statement, values)
    connection.close()


def _finished(whose: Owner, rows: Sequence[Row]) -> bytes:
    return f"{whose}: ".encode() + b",".join(row.stored for row in rows)


async def _session(sqlite: SqliteDriver, customer: str) -> None:
    store = await sqlite.open()
    await store_one(store, name(customer))
    await store.add_checkpoint(LOG, await store.log_size(LOG), "note")
    await store.close()


@pytest.mark.parametrize(("restored", "named"), [("vault.db", "vault.db"), ("keys.db", "keys.db")])
async def test_one_store_put_back_from_a_backup_is_refused(sqlite: SqliteDriver, restored: str, named: str) -> None:
    """The error names the older file and the command; with the right file back, all is well."""
    path = sqlite.data.parent / restored
    await _session(sqlite, "1")
    shutil.copy(path, path.with_suffix(".backup"))
    await _session(sqlite, "2")
    shutil.copy(path, path.with_suffix(".newest"))
    shutil.copy(path.with_suffix(".backup"), path)
    with pytest.raises(ConfigError, match=rf"{named}: is older than .*run customer-vault restore"):
        await sqlite.open()
    shutil.copy(path.with_suffix(".newest"), path)
    store = await sqlite.open()
    assert len(await store.fetch([name(1), name(2)])) == 2
    await store.close()


async def test_a_backup_of_both_stores_from_one_moment_opens(sqlite: SqliteDriver) -> None:
    """Neither is behind the other: the callers' memory of the log is what finds this one."""
    await _session(sqlite, "1")
    for path in (sqlite.data, sqlite.keys):
        shutil.copy(path, path.with_suffix(".backup"))
    await _session(sqlite, "2")
    for path in (sqlite.data, sqlite.keys):
        shutil.copy(path.with_suffix(".backup"), path)
    store = await sqlite.open()
    assert list(await store.fetch([name(1), name(2)])) == [name(1)]
    await store.close()


async def test_reads_alone_are_enough_to_find_an_old_data_file(sqlite: SqliteDriver) -> None:
    """A checkpoint notes the size of the log in the key store, so lost entries are missed without a write."""
    await _session(sqlite, "1")
    shutil.copy(sqlite.data, sqlite.data.with_suffix(".backup"))
    store = await sqlite.open()
    await store.commit(work())
    await store.add_checkpoint(LOG, 2, "note")
    await store.close()
    shutil.copy(sqlite.data.with_suffix(".backup"), sqlite.data)
    with pytest.raises(ConfigError, match=r"vault\.db: is older"):
        await sqlite.open()


async def test_a_start_finishes_an_erasure_that_had_taken_only_the_keys(sqlite: SqliteDriver) -> None:
    """A crash between the two stores: the rows go now, in one commit with their entry."""
    store = await sqlite.open()
    row, other = await store_one(store, name(1)), await store_one(store, name(2))
    await store.close()
    _run(sqlite.keys, "INSERT INTO tombstones VALUES ('customers/1', 5)")
    _run(sqlite.keys, "DELETE FROM key_places WHERE owner = 'customers/1'")
    store = await sqlite.open()
    before = len(await entries(store))
    assert await store.finish_erasures(LOG, _finished) == (owner(1),)
    assert (await entries(store))[before:] == [b"customers/1: " + row.stored]
    assert list(await store.fetch([name(1), name(2)])) == [name(2)]
    assert await keys_of(store, row, other) == 1
    assert await commit(store, put(name(1))) == (Result.ERASED,)
    await store.close()
    store = await sqlite.open()
    assert await store.finish_erasures(LOG, _finished) == ()
    assert len(await entries(store)) == before + 2
    await store.close()


async def test_a_crash_while_a_start_finishes_an_erasure_loses_no_entry(sqlite: SqliteDriver) -> None:
    """Whether the commit failed or had its effect: the next start leaves the rows out and one entry in."""
    for customer, after in ((1, False), (2, True)):
        store = await sqlite.open()
        row = await store_one(store, name(customer))
        _run(sqlite.keys, "INSERT INTO tombstones VALUES (?, 5)", owner(customer))
        await break_store(store, "data", "COMMIT", IOERR, after=after)
        with pytest.raises(OutcomeUnknown):
            await store.finish_erasures(LOG, _finished)
        await store.close()
        store = await sqlite.open()
        await store.finish_erasures(LOG, _finished)
        assert await store.fetch([name(customer)]) == {}
        assert (await entries(store)).count(f"customers/{customer}: ".encode() + row.stored) == 1
        await store.close()


async def test_an_erasure_of_many_rows_is_finished_in_entries_of_some(
    sqlite: SqliteDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each row is in one of them."""
    monkeypatch.setattr(erase, "_ROWS_PER_ENTRY", 2)
    store = await sqlite.open()
    puts = [put(name(1, f"cards/{card}")) for card in range(4)]
    await store.commit(work(item(*puts)))
    _run(sqlite.keys, "INSERT INTO tombstones VALUES ('customers/1', 5)")
    await store.finish_erasures(LOG, _finished)
    halves = [b",".join(each.row.stored for each in half) for half in (puts[:2], puts[2:])]
    assert (await entries(store))[1:] == [b"customers/1: " + half for half in halves]
    await store.close()


async def test_a_tombstone_in_the_data_counts_for_the_keys(sqlite: SqliteDriver) -> None:
    """A key store put back from before an erasure must not bring its keys back."""
    store = await sqlite.open()
    row = await store_one(store, name(1))
    await store.erase(owner(3), 5, LOG, lambda keys, rows: b"")
    await store.close()
    _run(sqlite.data, "INSERT INTO tombstones VALUES ('customers/1', 5)")
    store = await sqlite.open()
    assert await store.finish_erasures(LOG, _finished) == (owner(1),)
    assert await keys_of(store, row) == 0
    assert await store.erased(owner(1))
    await store.close()


async def test_a_store_that_does_not_know_its_vault_is_refused(sqlite: SqliteDriver) -> None:
    """Somebody took the line out."""
    _run(sqlite.keys, "DELETE FROM meta")
    with pytest.raises(ConfigError, match=r"keys\.db: does not say which vault"):
        await sqlite.open()
