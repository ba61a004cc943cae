"""Stolen files, and all that can be tried with them.

The thief has both stores and the root key, reads our source, and is not bound by policy or log. So nothing here asks
the service: the vault key is unwrapped, every record lock is opened, and on what is inside all keys are tried that can
be found anywhere in the stores, in every place where a key of that size fits. With the same tries and billing's
private key the cards open; that is how one knows that they are real tries.
"""

import json
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from vault.cli.demo.stage import Loot
from vault.crypto.envelope import Step, open_boxes
from vault.crypto.epoch import open_stanza, step_key
from vault.crypto.hpke import PurposeKeyPair
from vault.crypto.record_lock import Header, unlock
from vault.domain.fields import ProtectedField
from vault.domain.names import Owner
from vault.domain.secret import Secret
from vault.errors import OpenError
from vault.keyring.epochs import Epoch
from vault.keyring.keyring import Keyring
from vault.keyring.root import FileProvider
from vault.service.opening import Opened, Records
from vault.storage.port import Locked, Row, WrappedKey
from vault.storage.sqlite import SqliteStorage
from vault.v1.envelope_pb2 import Envelope

_SECRETS: Final = ("purpose-seed", "lookup-key", "log-key", "request-day-key")
"""Kinds of secrets that the key store holds under the vault key: all there are."""

Values = dict[str, str]
"""What was read of one record, by field."""


@dataclass(slots=True)
class Haul:
    """What came out of the records that were tried."""

    records: int = 0
    opened: list[Values] = field(default_factory=list)
    keys: int = 0
    """Different keys that were at hand."""
    tries: int = 0


class Thief:
    """Both stores, opened with the root key."""

    def __init__(self, store: SqliteStorage, keyring: Keyring, found: Sequence[Secret]) -> None:
        self._store = store
        self._keyring = keyring
        self._records = Records(store, keyring.vault_keys)
        self._found = found

    async def rows(self, owners: Sequence[Owner], under: str) -> list[Row]:
        """The rows of customers whose names go on with `under`, such as `cards/`."""
        return [row for owner in owners for row in await self._store.list_rows(owner, f"{owner}{under}", "", 1000)]

    async def keys(self, rows: Sequence[Row]) -> list[WrappedKey]:
        """The record keys of these rows that are in the key store."""
        return list((await self._store.fetch_keys(rows)).values())

    async def plunder(self, rows: Sequence[Row], wanted: Mapping[int, ProtectedField], *extra: PurposeKeyPair) -> Haul:
        """Open the record locks, then try everything on the boxes inside.

        Args:
            rows: of one kind.
            wanted: the fields to read, by number.
            extra: private keys that were stolen elsewhere.
        """
        keys = {key.key_id: key for key in await self.keys(rows)}
        pairs = [*self._pairs(), *extra]
        haul = Haul(len(rows), keys=len(self._found) + len(extra))
        epochs: dict[bytes, tuple[Epoch, list[Secret]]] = {}
        for row in rows:
            opened = self._records.unlock(Locked.of(row, keys[row.key_id])) if row.key_id in keys else None
            values: Values = {}
            for sealed in opened.record.envelopes if isinstance(opened, Opened) else ():
                if sealed.epoch_id not in epochs:
                    epochs[sealed.epoch_id] = await self._epoch(sealed.epoch_id, pairs, haul)
                values |= self._open(row, sealed, *epochs[sealed.epoch_id], wanted, haul)
            if values:
                haul.opened.append(values)
        return haul

    def force(self, rows: Sequence[Row], keys: Sequence[WrappedKey]) -> Haul:
        """Try every record key on every row; a row that opens is one whose record lock is broken."""
        vault_keys = self._keyring.vault_keys
        unwrapped = [vault_keys.version(k.n).wrapping.unwrap(k.wrapped, k.key_id, k.record_name) for k in keys]
        haul = Haul(len(rows), keys=len(keys))
        for row in rows:
            header = Header(row.record_name, row.key_id, row.version, row.written_at, row.expires_at)
            for key in unwrapped:
                haul.tries += 1
                try:
                    unlock(key, self._keyring.vault_id, header, row.stored)
                except OpenError:
                    continue
                haul.opened.append({})
        return haul

    def _pairs(self) -> Iterator[PurposeKeyPair]:
        """Any 32 bytes are a private key, so each secret is taken for one."""
        return (PurposeKeyPair(secret) for secret in self._found)

    async def _epoch(self, epoch_id: bytes, pairs: Sequence[PurposeKeyPair], haul: Haul) -> tuple[Epoch, list[Secret]]:
        """An epoch and what its secret could be: what any private key makes of any stanza, then any other secret."""
        epoch = await self._keyring.epochs.get(epoch_id)
        if epoch is None:
            raise OpenError("the epoch is not in the key store")
        secrets = []
        for key in self._keyring.purposes.all():
            stanza = await self._keyring.epochs.stanza(epoch_id, key.recipient.fingerprint)
            for pair in pairs if stanza else ():
                haul.tries += 1
                try:
                    secrets.append(
                        open_stanza(
                            stanza or b"", self._keyring.vault_id, epoch.audience, epoch.epoch_id, key.purpose, pair
                        )
                    )
                except OpenError:
                    continue
        return epoch, [*secrets, *self._found]

    def _open(
        self,
        row: Row,
        sealed: Envelope,
        epoch: Epoch,
        secrets: Sequence[Secret],
        wanted: Mapping[int, ProtectedField],
        haul: Haul,
    ) -> Values:
        """Take each secret for the epoch's secret, and for the key of the step."""
        for secret in secrets:
            for key in (step_key(secret, sealed.step), secret.reveal()):
                haul.tries += 1
                step = Step(epoch.audience, epoch.epoch_id, sealed.step, key)
                try:
                    boxes = open_boxes(self._keyring.vault_id, step, row.record_name, sealed, wanted)
                except OpenError:
                    continue
                return {field.name: plaintext.decode() for field, plaintext in boxes}
        return {}


@asynccontextmanager
async def broken_in(loot: Loot) -> AsyncIterator[Thief]:
    """Open stolen files with the stolen root key."""
    store = await SqliteStorage.open(loot.data, loot.keys, fatal=_fatal)
    try:
        provider = FileProvider(loot.root_key)
        keyring = await Keyring.open(store, provider, owner="", custody={}, pinned={}, now=0)
        found = [Secret(plain) for kind in _SECRETS for _, plain in await keyring.rows.list(kind)]
        versions = json.loads(loot.root_key.read_text())["versions"].values()
        yield Thief(store, keyring, [*found, *(Secret(bytes.fromhex(version["key"])) for version in versions)])
    finally:
        await store.close()


def _fatal(reason: str) -> None:
    raise RuntimeError(reason)
