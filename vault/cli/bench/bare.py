"""A process: the same rows, fetched and opened in a loop, without policy, log or network.

It reads through the storage's own reader and opens with the functions of `vault.crypto`, as the service does; what
the service takes longer is what the promises cost. It opens only the records that were asked for: the customer's own
record, which the service must open beside each of them to decide, is part of that cost.
"""

import asyncio
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from vault.cli.bench import case as cases
from vault.cli.bench import people
from vault.cli.bench.case import Bare
from vault.cli.bench.child import say
from vault.cli.deployment.layout import Layout
from vault.crypto import envelope, record_lock
from vault.crypto.envelope import Step
from vault.domain.audience import Purpose
from vault.domain.fields import ALL_FIELDS, ProtectedField
from vault.domain.names import RecordName
from vault.keyring.keyring import Keyring
from vault.service.settings import Settings
from vault.service.vault import root_key_provider
from vault.storage.port import Row, SystemRow, VaultKeyRow, WrappedKey
from vault.storage.sqlite.reader import Reader
from vault.store.v1.record_pb2 import StoredRecord


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
class Loop:
    """What the loop has at hand; nothing of it is looked up in a store while it runs."""

    reader: Reader
    keyring: Keyring
    steps: Mapping[tuple[bytes, int], Step]
    wanted: Mapping[int, ProtectedField]

    @classmethod
    async def make(cls, reader: Reader, keyring: Keyring, what: Bare, names: Sequence[RecordName]) -> "Loop":
        """Prepare the loop for these records."""
        loop = cls(reader, keyring, {}, {})
        if not what.purpose:
            return loop
        used = {(e.epoch_id, e.step) for name in names for r in loop.read([name]) for e in r.envelopes}
        purpose = Purpose(what.purpose)
        epochs = {i: epoch for i, _ in used if (epoch := await keyring.epochs.get(i)) is not None}
        secrets = await keyring.opening.secrets(purpose, epochs.values())
        steps = {(i, number): keyring.opening.step(purpose, epochs[i], secrets[i], number) for i, number in used}
        return cls(reader, keyring, steps, {f.number: f for f in _fields(what.category)})

    def read(self, names: Sequence[RecordName]) -> list[StoredRecord]:
        """Fetch some records and open them."""
        rows = self.reader.fetch(names)
        keys = self.reader.fetch_keys(list(rows.values()))
        return [self._open(row, keys[row.key_id]) for row in rows.values()]

    def _open(self, row: Row, key: WrappedKey) -> StoredRecord:
        vault_id = self.keyring.vault_id
        record_key = self.keyring.vault_keys.version(key.n).wrapping.unwrap(key.wrapped, row.key_id, row.record_name)
        header = record_lock.Header(row.record_name, row.key_id, row.version, row.written_at, row.expires_at)
        record = StoredRecord.FromString(record_lock.unlock(record_key, vault_id, header, row.stored))
        if self.wanted:
            for sealed in record.envelopes:
                step = self.steps[sealed.epoch_id, sealed.step]
                for _, plaintext in envelope.open_boxes(vault_id, step, row.record_name, sealed, self.wanted):
                    plaintext.decode()
        return record


def _fields(category: str) -> list[ProtectedField]:
    return [field for name, field in ALL_FIELDS.items() if name.startswith(f"{category}.")]


async def _open_keys(reader: Reader, settings: Settings) -> Keyring:
    provider = root_key_provider(settings.root_key)
    # Without purposes to look after, it makes no key and changes no state.
    return await Keyring.open(_ReadOnly(reader), provider, owner="", custody={}, pinned={}, now=0)


def _run(loop: Loop, names: Sequence[RecordName], items: int, seconds: float) -> dict[str, object]:
    """Read batch after batch for so many seconds."""
    done, began = 0, time.perf_counter()
    while (taken := time.perf_counter() - began) < seconds:
        start = done % (len(names) - items + 1)
        done += len(loop.read(names[start : start + items]))
    return {"items": done, "seconds": taken}


def _main(home: str, customers: str) -> None:
    settings = Settings.load(Layout(Path(home)).config)
    reader = Reader(settings.storage.data, settings.storage.keys)
    keyring = asyncio.run(_open_keys(reader, settings))
    # The order in which the cases ask: neighbours in time are no neighbours on the disk.
    order = [people.customer_id(n * 7919 % int(customers)) for n in range(int(customers))]
    loops: dict[str, tuple[Loop, list[RecordName]]] = {}
    for line in sys.stdin:
        command = json.loads(line)
        case = cases.load(command["case"])
        if case.bare is None:
            say({"items": 0, "seconds": 0.0})
            continue
        if command["case"] not in loops:
            names = [RecordName(f"customers/{customer}/{case.bare.suffix}") for customer in order]
            loops[command["case"]] = asyncio.run(Loop.make(reader, keyring, case.bare, names)), names
        say(_run(*loops[command["case"]], case.items, command["seconds"]))


if __name__ == "__main__":
    _main(*sys.argv[1:])
