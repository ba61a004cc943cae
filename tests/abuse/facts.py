"""A customer's facts, written as an operation of the vault would write them: under lock, into the store."""

import time
from collections.abc import Iterable

from tests.vaults import OpenVault
from vault.crypto import record_lock
from vault.domain.names import CustomerId, customer_name, owner_of
from vault.service.opening import Opened, customer_facts
from vault.storage.port import Item, Put, Result, Row, Work, WrappedKey
from vault.store.v1.record_pb2 import StoredRecord


async def set_facts(
    vault: OpenVault,
    customer_id: str,
    *,
    consents: Iterable[str] = (),
    objections: Iterable[str] = (),
    restricted: bool = False,
) -> None:
    """Put the next version of a customer record, with these consents, objections and restriction."""
    parts, name, now = vault.parts, customer_name(CustomerId(customer_id)), time.time_ns() // 1_000_000
    old = (await parts.records.open([name], now))[name]
    assert isinstance(old, Opened)
    facts = customer_facts(old)
    facts.consents[:] = sorted(consents)
    facts.objections[:] = sorted(objections)
    facts.restricted = restricted
    body = StoredRecord(unprotected=facts.SerializeToString()).SerializeToString()
    key, owner = parts.keyring.vault_keys.current, owner_of(name)
    locked = record_lock.lock(key.wrapping, name, old.row.version + 1, now, 0, body)
    put = Put(
        Row(owner, name, locked.header.key_id, old.row.version + 1, now, 0, locked.stored),
        WrappedKey(owner, name, locked.header.key_id, key.n, now, locked.wrapped),
        replaces=old.row.key_id,
    )
    log_id = parts.journal.log_id
    done = await parts.store.commit(Work(log_id, lambda _: (b"", None), (Item(owner, (put,)),)))
    assert done.results == (Result.DONE,)
