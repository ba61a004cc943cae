"""All live keys of one server process, opened together."""

import secrets
from collections.abc import Mapping

from vault.crypto.vault_key import RowName
from vault.domain.audience import Custody, Purpose
from vault.domain.secret import Secret
from vault.errors import AlreadyExists, DataLoss, OperatorError
from vault.keyring.epochs import Epochs
from vault.keyring.opening import Opening
from vault.keyring.purposes import Pinned, PurposeKeys
from vault.keyring.requests import RequestKeys
from vault.keyring.root import RootKeyProvider
from vault.keyring.sealing import Sealing
from vault.keyring.system_rows import SystemRows
from vault.keyring.vault_keys import VaultKeys
from vault.storage.system import SystemStore

_LOOKUP = "lookup-key"
LOG_KEY = "log-key"
"""Kind of the row of a log's signing key."""
LOG_INDEX_KEY = "log-index-key"
"""Kind of the row of the key that seals the index of the log."""


class Keyring:
    """The keys; made by `create`, used after `open`."""

    def __init__(self, vault_keys: VaultKeys, rows: SystemRows, lookup_key: Secret, owner: str) -> None:
        self.vault_id = vault_keys.vault_id
        self.owner = owner
        """Under which name the vault publishes its own epochs."""
        self.vault_keys = vault_keys
        self.rows = rows
        self.lookup_key = lookup_key
        self.epochs = Epochs(rows)
        self.purposes = PurposeKeys(rows)
        self.requests = RequestKeys(rows)
        self.sealing = Sealing(self.vault_id, owner, self.purposes, self.epochs)
        self.opening = Opening(self.vault_id, self.purposes, self.epochs)

    @classmethod
    async def create(cls, store: SystemStore, provider: RootKeyProvider, now: int) -> None:
        """Make the first keys of a deployment: root and vault key version 1, and the lookup key."""
        await VaultKeys.create_first(store, provider, now)
        rows = SystemRows(store, await VaultKeys.open(store, provider))
        await rows.add([(RowName(_LOOKUP, "", 1), secrets.token_bytes(32))])

    @classmethod
    async def open(
        cls,
        store: SystemStore,
        provider: RootKeyProvider,
        *,
        owner: str,
        custody: Mapping[Purpose, Custody],
        pinned: Mapping[Purpose, Pinned],
        now: int,
    ) -> "Keyring":
        """Open everything.

        Args:
            store: the key store.
            provider: of the root key.
            owner: under which name the vault publishes its own epochs.
            custody: who holds each purpose's private key.
            pinned: the fingerprints that the policy names.
            now: milliseconds since 1970.

        Raises:
            ConfigError: the root key or a pinned fingerprint is not the right one.
            DataLoss: a row of the key store does not open.
        """
        vault_keys = await VaultKeys.open(store, provider)
        rows = SystemRows(store, vault_keys)
        lookup = await rows.get(_LOOKUP, "")
        if lookup is None:
            raise DataLoss("the lookup key is missing from the key store; restore the key store")
        keyring = cls(vault_keys, rows, Secret(lookup[1]), owner)
        try:
            await keyring.purposes.load(custody, pinned, now)
        except AlreadyExists:
            raise DataLoss("a purpose's key is in the key store and not found there; restore the key store") from None
        return keyring

    async def log_seed(self, log_id: str) -> tuple[int, Secret]:
        """(key version, Ed25519 seed) of a log's signing key, made at the first asking."""
        return await log_seed(self.rows, log_id)

    async def log_index_key(self) -> Secret:
        """What seals the index of the log, 32 bytes, made at the first asking.

        With another key the index is made again from the log, so one that cannot be read or kept is no reason not to
        start.
        """
        try:
            return (await _made_once(self.rows, LOG_INDEX_KEY, ""))[1]
        except (DataLoss, OperatorError):
            return Secret(secrets.token_bytes(32))

    def close(self) -> None:
        """Overwrite what can be."""
        self.sealing.close()


async def log_seed(rows: SystemRows, log_id: str) -> tuple[int, Secret]:
    """(key version, Ed25519 seed) of a log's signing key, made at the first asking.

    Raises:
        DataLoss: it does not open.
    """
    return await _made_once(rows, LOG_KEY, log_id)


async def _made_once(rows: SystemRows, kind: str, row: str) -> tuple[int, Secret]:
    found = await rows.get(kind, row)
    if found is None:
        await rows.add([(RowName(kind, row, 1), secrets.token_bytes(32))], ignore_existing=True)
        found = await rows.get(kind, row)
    if found is None:
        raise DataLoss(f"the {kind} is missing from the key store; restore the key store")
    return found[0], Secret(found[1])
