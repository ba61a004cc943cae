"""A key store on disk and an open keyring."""

import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from vault.crypto.hpke import PurposeKeyPair, new_seed
from vault.domain.audience import Custody, Purpose
from vault.keyring.keyring import Keyring
from vault.keyring.purposes import Pinned
from vault.keyring.root import FileProvider
from vault.storage.sqlite import SqliteStorage

BILLING = PurposeKeyPair(new_seed())
CUSTODY = {Purpose("provisioning"): Custody.VAULT, Purpose("payment"): Custody.CALLER, Purpose("traffic"): Custody.NONE}


class Deployment:
    """Files that a keyring can be opened on again and again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.provider = FileProvider(folder / "root.key")
        self.pinned = {Purpose("payment"): Pinned(BILLING.fingerprint)}
        self.store: SqliteStorage
        self.now = 1_790_000_000_000

    async def create(self) -> None:
        """Make stores and first keys."""
        await SqliteStorage.create(self.folder / "vault.db", self.folder / "keys.db", secrets.token_bytes(16))
        await self.open_store()
        await Keyring.create(self.store, self.provider, self.now)

    async def open_store(self) -> None:
        """Open the files."""
        self.store = await SqliteStorage.open(self.folder / "vault.db", self.folder / "keys.db", fatal=pytest.fail)

    async def open(self) -> Keyring:
        """Open the keyring."""
        return await Keyring.open(
            self.store, self.provider, owner="vault", custody=CUSTODY, pinned=self.pinned, now=self.now
        )


@pytest.fixture
async def deployment(tmp_path: Path) -> AsyncIterator[Deployment]:
    """A fresh one."""
    made = Deployment(tmp_path)
    await made.create()
    yield made
    await made.store.close()


@pytest.fixture
async def keyring(deployment: Deployment) -> AsyncIterator[Keyring]:
    """With billing's key registered."""
    ring = await deployment.open()
    pinned = deployment.pinned[Purpose("payment")]
    await ring.purposes.register(Purpose("payment"), BILLING.public_key, pinned, deployment.now)
    yield ring
    ring.close()
