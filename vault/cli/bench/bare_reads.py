"""The bare loops of reads: through the storage's own reader, opened with the functions of `vault.crypto`."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NoReturn

from vault.cli.bench.case import CALLERS, Reads
from vault.cli.bench.commits import LOG_ID, GroupCommits
from vault.crypto import envelope
from vault.crypto.envelope import Step
from vault.crypto.record_lock import Header
from vault.domain.audience import Purpose
from vault.domain.fields import ALL_FIELDS, ProtectedField
from vault.domain.names import RecordName, owner_of
from vault.keyring.keyring import Keyring
from vault.policy.model import Caller
from vault.service.call import Call
from vault.service.entries import Touched, touched_entry
from vault.service.root_key import root_key_provider
from vault.service.settings import Settings
from vault.storage.port import Locked, Work
from vault.storage.sqlite.reader import Reader
from vault.storage.system import SystemRow, VaultKeyRow
from vault.store.v1.audit_entry_pb2 import OUTCOME_ALLOWED
from vault.store.v1.record_pb2 import CustomerFacts, StoredRecord

_CALLER = Caller("spiffe://vault.example/provisioning", frozenset({"provisioning"}))


class _ReadOnly:
    """The key store as a keyring reads it; a second process beside the server must not write."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def vault_id(self) -> bytes:
        return self._reader.vault_id()

    async def vault_keys(self) -> Sequence[VaultKeyRow]:
        return self._reader.vault_keys()

    async def system_row(self, kind: str, row: str, version: int | None = None) -> SystemRow | None:
        return self._reader.system_row(kind, row, version)

    async def system_rows(
        self, kind: str, prefix: str = "", after: str = "", limit: int = 1 << 31
    ) -> Sequence[SystemRow]:
        return self._reader.system_rows(kind, prefix, after, limit)

    async def add_vault_key(self, row: VaultKeyRow) -> NoReturn:
        raise NotImplementedError

    async def add_system_rows(self, rows: Sequence[SystemRow], *, ignore_existing: bool = False) -> NoReturn:
        raise NotImplementedError

    async def count_system_rows(self, kind: str, prefix: str) -> int:
        return self._reader.count_system_rows(kind, prefix)

    async def remove_system_rows(self, kind: str, before: str) -> NoReturn:
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class ReadLoop:
    """What the loops have at hand; nothing of it is looked up in a store while they run."""

    reader: Reader
    keyring: Keyring
    commits: GroupCommits
    names: Sequence[RecordName]
    items: int
    """Records in a call."""
    fields: Sequence[str]
    steps: Mapping[tuple[bytes, int], Step]
    wanted: Mapping[int, ProtectedField]
    """Fields whose boxes are opened."""

    @classmethod
    async def make(
        cls,
        reader: Reader,
        keyring: Keyring,
        commits: GroupCommits,
        what: Reads,
        names: Sequence[RecordName],
        items: int,
    ) -> "ReadLoop":
        """Prepare the loops for these records."""
        fields = _fields(what.category)
        loop = cls(reader, keyring, commits, names, items, sorted(f.policy_name for f in fields), {}, {})
        if not what.purpose:
            return loop
        used = {(e.epoch_id, e.step) for name in names for r in loop.read([name]) for e in r.envelopes}
        purpose = Purpose(what.purpose)
        epochs = {i: epoch for i, _ in used if (epoch := await keyring.epochs.get(i)) is not None}
        secrets = await keyring.opening.secrets(purpose, epochs.values())
        steps = {(i, number): keyring.opening.step(purpose, epochs[i], secrets[i], number) for i, number in used}
        return replace(loop, steps=steps, wanted={f.number: f for f in fields})

    def strict(self, seconds: float) -> float:
        """Only the rows that are asked for; records in a second."""
        done, began = 0, time.perf_counter()
        while (taken := time.perf_counter() - began) < seconds:
            done += len(self.read(self._asked(done)))
        return done / taken

    def floor(self, seconds: float) -> float:
        """All that the design makes a call do; calls in a second."""
        done, began = 0, time.perf_counter()
        while time.perf_counter() - began < seconds:
            self.commits.add([self._call(self._asked((done + n) * self.items)) for n in range(CALLERS)])
            done += CALLERS
        self.commits.finish()
        return done / (time.perf_counter() - began)

    def read(self, names: Sequence[RecordName]) -> list[StoredRecord]:
        """Fetch some records and open them."""
        return [self._open(locked) for locked in self.reader.fetch_locked(names)]

    def _call(self, names: Sequence[RecordName]) -> Work:
        found = self.reader.fetch_locked([*(RecordName(owner_of(name)) for name in names), *names])
        locked = {each.record_name: each for each in found}
        touched = Touched()
        for name in names:
            facts = CustomerFacts.FromString(self._unlock(locked[RecordName(owner_of(name))]).unprotected)
            self._open(locked[name])
            touched.read(facts.subject, name, OUTCOME_ALLOWED)
        call = Call(_CALLER, "ContactService.GetContact", time.time_ns() // 1_000_000)
        entry = touched_entry(call, touched, purpose="service_provisioning", fields=self.fields)
        return Work(LOG_ID, lambda _: (entry, None))

    def _asked(self, done: int) -> Sequence[RecordName]:
        start = done % (len(self.names) - self.items + 1)
        return self.names[start : start + self.items]

    def _open(self, locked: Locked) -> StoredRecord:
        record = self._unlock(locked)
        if self.wanted:
            for sealed in record.envelopes:
                step = self.steps[sealed.epoch_id, sealed.step]
                boxes = envelope.open_boxes(self.keyring.vault_id, step, locked.record_name, sealed, self.wanted)
                for _, plaintext in boxes:
                    plaintext.decode()
        return record

    def _unlock(self, locked: Locked) -> StoredRecord:
        _, *columns, stored, n, _, wrapped = locked
        wrapping = self.keyring.vault_keys.version(n).wrapping
        return StoredRecord.FromString(wrapping.open(Header._make(columns), wrapped, stored))


def _fields(category: str) -> list[ProtectedField]:
    return [field for name, field in ALL_FIELDS.items() if name.startswith(f"{category}.")]


async def open_keys(reader: Reader, settings: Settings) -> Keyring:
    """The keys of a vault that another process has open; for reading."""
    provider = root_key_provider(settings.root_key)
    # Without purposes to look after, it makes no key and changes no state.
    return await Keyring.open(_ReadOnly(reader), provider, owner="", custody={}, pinned={}, now=0)
