"""From rows to opened records: the key from the key store, the record lock, then the form of what was inside.

A row whose key is not there is read again: gone is gone, another key id is another version; the same key id twice is
loss. Nothing that fails here stops the other records of a batch.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from google.protobuf.message import DecodeError

from vault.crypto import envelope
from vault.crypto.record_lock import Header
from vault.domain import statements
from vault.domain.names import RecordName
from vault.errors import DataLoss, InvalidArgument, OpenError
from vault.keyring.vault_keys import VaultKeys
from vault.policy.facts import CustomerFacts
from vault.storage.port import YOUNG_MS, Locked, RecordStore, Row, WrappedKey
from vault.store.v1 import record_pb2
from vault.v1.envelope_pb2 import Envelope

_SLICE = 128
"""Records between two breaths of the event loop: about a millisecond."""
_LOST = "a stored record does not open; the entry in the log names it"


class Opened(NamedTuple):
    """A record behind its first lock."""

    locked: Locked
    record: record_pb2.StoredRecord
    envelopes: Sequence[tuple[Envelope, frozenset[int]]]
    """Its envelopes, each with the numbers of its boxes' fields."""

    @property
    def row(self) -> Row:
        """The row that it was in."""
        return self.locked.row

    @property
    def key(self) -> WrappedKey:
        """The key that opened it."""
        return self.locked.key


Opening = Opened | DataLoss


class Records:
    """Fetches and opens rows."""

    def __init__(self, store: RecordStore, vault_keys: VaultKeys) -> None:
        self._store = store
        self._keys = vault_keys

    async def open(
        self, names: Sequence[RecordName], now: int, *, expired: bool = False
    ) -> Mapping[RecordName, Opening]:
        """The records that exist and have not expired; those that do not open stand as DataLoss.

        Args:
            names: of the records.
            now: milliseconds since 1970.
            expired: whether those that have expired are wanted, too: a write replaces what is there, and a sweep takes
                it out. No read asks for them.
        """
        opened: dict[RecordName, Opening] = {}
        keyless: dict[RecordName, bytes] = {}
        missing: Sequence[RecordName] = names
        present: set[RecordName] = set()
        while missing:
            found, lost = await self._fetch(missing)
            opened |= dict.fromkeys(lost, DataLoss(_LOST))
            again: list[RecordName] = []
            for at, locked in enumerate(found, 1):
                name = locked.record_name
                present.add(name)
                if locked.wrapped:
                    # The expiry counts once it is authenticated: an altered one is loss, not absence.
                    record = self.unlock(locked)
                    if expired or not 0 < locked.expires_at <= now or isinstance(record, DataLoss):
                        opened[name] = record
                elif keyless.get(name) != locked.key_id:
                    keyless[name] = locked.key_id
                    again.append(name)
                elif not await self._store.erased(locked.owner):
                    # Not gone with its owner's keys, whose rows an erasure takes out next.
                    opened[name] = DataLoss(_LOST)
                if at % _SLICE == 0:
                    await asyncio.sleep(0)
            missing = again
        if absent := [name for name in names if name not in present and name not in opened]:
            # Nothing authenticates an absence, so it is not believed against the key store, which knows the name.
            opened |= dict.fromkeys(await self._store.hidden(absent, now - YOUNG_MS), DataLoss(_LOST))
        return opened

    async def _fetch(self, names: Sequence[RecordName]) -> tuple[Sequence[Locked], Sequence[RecordName]]:
        """Rows with their keys; where a damaged page is in the way, one by one, so that it costs only what is on it.

        Returns:
            What was found, and the names of what is lost.
        """
        try:
            return await self._store.fetch_locked(names), ()
        except DataLoss:
            if len(names) == 1:
                return (), names
        found: list[Locked] = []
        lost: list[RecordName] = []
        for name in names:
            one, gone = await self._fetch([name])
            found += one
            lost += gone
        return found, lost

    def unlock(self, locked: Locked) -> Opening:
        """Open the record lock and check the form of what is inside."""
        _, name, key_id, version, written_at, expires_at, stored, n, _, wrapped = locked
        try:
            header = Header(name, key_id, version, written_at, expires_at)
            record = record_pb2.StoredRecord.FromString(self._keys.version(n).wrapping.open(header, wrapped, stored))
            envelopes = list(record.envelopes)
            if envelopes:
                fields = envelope.check_record(envelopes, stream_field=record.stream.field)
                return Opened(locked, record, list(zip(envelopes, fields, strict=True)))
        except (OpenError, DecodeError, InvalidArgument):
            # A column out of its range cannot even be encoded: it is no more what was written than any other change.
            return DataLoss(_LOST)
        return Opened(locked, record, ())

    def retire(self, key: WrappedKey) -> WrappedKey:
        """A record's key, wrapped again so that no read can open it; it serves restores for a while.

        Raises:
            OpenError: the key does not open any more.
        """
        record_key = self._keys.version(key.n).wrapping.unwrap(key.wrapped, key.key_id, key.record_name)
        current = self._keys.current
        wrapped = current.wrapping.wrap(record_key, key.key_id, key.record_name, retired=True)
        return key._replace(n=current.n, wrapped=wrapped)


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


def policy_facts(facts: record_pb2.CustomerFacts, now: int) -> CustomerFacts:
    """The same at a time, as the policy looks at it."""
    return CustomerFacts(statements.consented(facts, now), statements.objected(facts), statements.restricted(facts))
