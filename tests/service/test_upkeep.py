"""Keys that no row opens under are retired, and nothing else is touched."""

import asyncio
import secrets
import time
from typing import Any

import pytest

from tests.vaults import OpenVault, contact, new_request_id
from vault.audit.entry import describe
from vault.crypto import record_lock
from vault.domain import names
from vault.domain.names import CustomerId
from vault.storage.port import Item, Put, Result, Row, Work, WrappedKey
from vault.v1.contact_service_pb2 import PutContactRequest

HOUR_MS = 3600 * 1000


async def orphan(vault: OpenVault, age_ms: int) -> tuple[Row, WrappedKey]:
    """A key of a version that was never written, as a crash between the two stores leaves it."""
    current = vault.parts.keyring.vault_keys.current
    created_at = time.time_ns() // 1_000_000 - age_ms
    name = names.card_name(CustomerId("42"), secrets.token_hex(4))
    locked = record_lock.lock(current.wrapping, name, 1, created_at, 0, b"")
    owner = names.owner_of(name)
    row = Row(owner, name, locked.header.key_id, 1, created_at, 0, locked.stored)
    key = WrappedKey(owner, name, row.key_id, current.n, created_at, locked.wrapped)
    entry = (await vault.entries())[0]
    work = Work("log-0", lambda _: (entry, None), (Item(owner, (Put(row, key, None),)),))
    assert (await vault.parts.store.commit(work)).results == (Result.DONE,)
    # The row goes by hand: the storage port has no way to leave a key behind.
    sql = "DELETE FROM records WHERE record_name = ?"
    store: Any = vault.parts.store
    await store._writer.run(lambda stores: stores.data.execute(sql, (name,)).rowcount)
    return row, key


async def test_an_old_key_without_a_row_is_retired(vault: OpenVault) -> None:
    """A read cannot open it any more; keys of rows that are there stay."""
    created = await vault.create()
    row, _ = await orphan(vault, 2 * HOUR_MS)
    assert await vault.parts.store.fetch_keys([row])
    assert await vault.vault._upkeep.round() == 1
    assert not await vault.parts.store.fetch_keys([row])
    assert await vault.vault._upkeep.round() == 0
    assert (await vault.get_contact()).name
    assert (await vault.get_card(created.record_names[1])).sealed


async def test_requests_are_forgotten_after_a_day(vault: OpenVault) -> None:
    """Their record names go with them."""
    request_id = new_request_id()
    vault.now_shift = -25 * HOUR_MS
    await vault.create(request_id=request_id)
    caller = "spiffe://vault.example/storefront"
    assert await vault.parts.store.seen_request(caller, request_id)
    await vault.vault._upkeep.round()
    assert not await vault.parts.store.seen_request(caller, request_id)


async def test_a_young_key_is_left_alone(vault: OpenVault) -> None:
    """Its write may be under way."""
    row, _ = await orphan(vault, HOUR_MS // 2)
    assert await vault.vault._upkeep.round() == 0
    assert await vault.parts.store.fetch_keys([row])


async def test_a_replaced_value_ends_with_its_restore_window(vault: OpenVault) -> None:
    """Its retired key is destroyed, and the log says how many; keys of what is there now stay."""
    await vault.create()
    put = PutContactRequest(customer_id="42", contact=contact(name="Later Name"))
    await vault.call("care", "ContactService.PutContact", put)
    await vault.create("43")  # retiring rides on the next commit
    store: Any = vault.parts.store
    now = time.time_ns() // 1_000_000
    await vault.vault._upkeep._purge(now + 6 * 24 * HOUR_MS)
    assert not any(b"PurgeKeys" in entry for entry in await vault.entries())
    await vault.vault._upkeep._purge(now + 8 * 24 * HOUR_MS)
    (entry,) = [describe(entry) for entry in await vault.entries() if b"PurgeKeys" in entry]
    assert entry["counts"] == {"keys_destroyed": 1, "keys_kept": 0}
    assert store._reader.retired_keys(next(store._reader.key_ranges(10)), 1 << 62) == []
    assert (await vault.get_contact()).name == "Later Name"


async def test_the_purge_keeps_a_key_that_a_row_names(vault: OpenVault) -> None:
    """It should not have been retired: better a finding than a loss."""
    await vault.create()
    store: Any = vault.parts.store
    sql = "UPDATE key_places SET retired_at = 1 WHERE record_name = 'customers/42/contact'"
    await store._writer.run(lambda stores: stores.keys.execute(sql).rowcount)
    await vault.vault._upkeep.round()
    (entry,) = [describe(entry) for entry in await vault.entries() if b"PurgeKeys" in entry]
    assert entry["counts"] == {"keys_destroyed": 0, "keys_kept": 1}
    assert len(store._reader.retired_keys(next(store._reader.key_ranges(10)), 1 << 62)) == 1


async def test_a_fault_in_one_round_does_not_end_the_next(vault: OpenVault, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that nobody foresaw: a column that changed its type, say. It is counted, and the hour comes again."""
    upkeep: Any = vault.vault._upkeep
    await upkeep.close()
    rounds = 0

    async def broken() -> int:
        nonlocal rounds
        rounds += 1
        raise TypeError

    monkeypatch.setattr(upkeep, "round", broken)
    upkeep._every_s = 0.01
    before = upkeep.failures
    upkeep.start()
    for _ in range(500):
        if rounds > 1:
            break
        await asyncio.sleep(0.01)
    assert upkeep.failures - before >= 1
    assert rounds > 1
