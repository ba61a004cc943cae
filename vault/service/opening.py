"""From rows to opened records: the key from the key store, the record lock, then the form of what was inside.

A row whose key is not there is read again: gone is gone, another key id is another version; the same key id twice is
loss. Nothing that fails here stops the other records of a batch.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from google.protobuf.message import DecodeError

from vault.crypto import envelope
from vault.crypto.record_lock import Header, unlock
from vault.domain.names import RecordName
from vault.errors import DataLoss, InvalidArgument, OpenError
from vault.keyring.vault_keys import VaultKeys
from vault.policy.facts import CustomerFacts
from vault.storage.port import YOUNG_MS, RecordStore, Row, WrappedKey
from vault.store.v1 import record_pb2

_SLICE = 64
"""Records between two breaths of the event loop: about a millisecond."""
_LOST = "a stored record does not open; the entry in the log names it"


@dataclass(frozen=True, slots=True)
class Opened:
    """A record behind its first lock."""

    row: Row
    key: WrappedKey
    record: record_pb2.StoredRecord


Opening = Opened | DataLoss

A = TypeVar("A")
K = TypeVar("K")
V = TypeVar("V")


class Records:
    """Fetches and opens rows."""

    def __init__(self, store: RecordStore, vault_keys: VaultKeys) -> None:
        self._store = store
        self._keys = vault_keys

    async def open(self, names: Sequence[RecordName], now: int) -> Mapping[RecordName, Opening]:
        """The records that exist and have not expired; those that do not open stand as DataLoss."""
        opened: dict[RecordName, Opening] = {}
        keyless: dict[RecordName, bytes] = {}
        missing = names
        present: set[RecordName] = set()
        while missing:
            rows = await _each(self._store.fetch, missing, lambda name: opened.update({name: DataLoss(_LOST)}))
            keys = await _each(self._store.fetch_keys, list(rows.values()), _keyless)
            present.update(rows)
            missing = []
            for at, (name, row) in enumerate(rows.items(), 1):
                key = keys.get(row.key_id)
                if key is not None:
                    # The expiry counts once it is authenticated: an altered one is loss, not absence.
                    found = self.unlock(row, key)
                    if isinstance(found, DataLoss) or not 0 < row.expires_at <= now:
                        opened[name] = found
                elif keyless.get(name) != row.key_id:
                    keyless[name] = row.key_id
                    missing.append(name)
                elif not await self._store.erased(row.owner):
                    # Not gone with its owner's keys, whose rows an erasure takes out next.
                    opened[name] = DataLoss(_LOST)
                if at % _SLICE == 0:
                    await asyncio.sleep(0)
        if absent := [name for name in names if name not in present and name not in opened]:
            # Nothing authenticates an absence, so it is not believed against the key store, which knows the name.
            opened |= dict.fromkeys(await self._store.hidden(absent, now - YOUNG_MS), DataLoss(_LOST))
        return opened

    def unlock(self, row: Row, key: WrappedKey) -> Opening:
        """Open the record lock and check the form of what is inside."""
        try:
            record_key = self._keys.version(key.n).wrapping.unwrap(key.wrapped, row.key_id, row.record_name)
            header = Header(row.record_name, row.key_id, row.version, row.written_at, row.expires_at)
            record = record_pb2.StoredRecord.FromString(unlock(record_key, self._keys.vault_id, header, row.stored))
            if record.envelopes:
                envelope.check_record(record.envelopes, stream_field=record.stream.field)
        except (OpenError, DecodeError, InvalidArgument):
            # A column out of its range cannot even be encoded: it is no more what was written than any other change.
            return DataLoss(_LOST)
        return Opened(row, key, record)

    def retire(self, key: WrappedKey) -> WrappedKey:
        """A record's key, wrapped again so that no read can open it; it serves restores for a while.

        Raises:
            OpenError: the key does not open any more.
        """
        record_key = self._keys.version(key.n).wrapping.unwrap(key.wrapped, key.key_id, key.record_name)
        current = self._keys.current
        wrapped = current.wrapping.wrap(record_key, key.key_id, key.record_name, retired=True)
        return replace(key, n=current.n, wrapped=wrapped)


async def _each(
    fetch: Callable[[Sequence[A]], Awaitable[Mapping[K, V]]], asked: Sequence[A], lost: Callable[[A], None]
) -> Mapping[K, V]:
    """Fetch; where a damaged page is in the way, one by one, so that it costs only what is on it."""
    try:
        return await fetch(asked)
    except DataLoss:
        if len(asked) == 1:
            lost(asked[0])
            return {}
    found: dict[K, V] = {}
    for each in asked:
        found |= await _each(fetch, [each], lost)
    return found


def _keyless(_row: Row) -> None:
    """Leave it out: a row without its key is loss, as the caller finds."""


def customer_facts(opened: Opened) -> record_pb2.CustomerFacts:
    """The body of a customer record.

    Raises:
        DataLoss: it is no such body.
    """
    try:
        facts = record_pb2.CustomerFacts.FromString(opened.record.unprotected)
    except DecodeError:
        raise DataLoss(_LOST) from None
    if len(facts.subject) != 16:  # noqa: PLR2004 - the pseudonym's size
        raise DataLoss(_LOST)
    return facts


def policy_facts(facts: record_pb2.CustomerFacts) -> CustomerFacts:
    """The same, as the policy looks at it."""
    return CustomerFacts(frozenset(facts.consents), frozenset(facts.objections), facts.restricted)
