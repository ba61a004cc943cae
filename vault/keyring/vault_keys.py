"""Versions of the vault key. Everything new is wrapped under the newest; older ones open until rotation is done."""

from vault.crypto.vault_key import RowName, VaultKey, new_vault_key, wrap_context
from vault.errors import ConfigError, OpenError
from vault.keyring.root import RootKeyProvider
from vault.storage.system import SystemStore, VaultKeyRow

ACTIVE = "active"


class VaultKeys:
    """The vault key's versions, unwrapped."""

    def __init__(self, vault_id: bytes, keys: dict[int, VaultKey], rows: tuple[VaultKeyRow, ...]) -> None:
        """`keys` by n, at least one."""
        self.vault_id = vault_id
        self.rows = rows
        self._keys = keys
        self.current = keys[max(keys)]

    @classmethod
    async def create_first(cls, store: SystemStore, provider: RootKeyProvider, now: int) -> None:
        """Make version 1 of root key and vault key. The root key is durable before anything is under it."""
        vault_id = await store.vault_id()
        await provider.create(1)
        wrapped = await provider.wrap(1, new_vault_key(), wrap_context(vault_id, 1))
        await store.add_vault_key(VaultKeyRow(1, ACTIVE, now, wrapped))

    @classmethod
    async def open(cls, store: SystemStore, provider: RootKeyProvider) -> "VaultKeys":
        """Unwrap all versions.

        Raises:
            ConfigError: there is none, or the root key is not the one that wrapped it.
        """
        vault_id = await store.vault_id()
        rows = tuple(await store.vault_keys())
        if not rows:
            raise ConfigError("key store", "vault_keys", "holds no vault key; run: customer-vault init")
        keys = {}
        for row in rows:
            try:
                secret = await provider.unwrap(row.n, row.wrapped, wrap_context(vault_id, row.n))
            except OpenError:
                raise ConfigError(
                    "root key", f"version {row.n}", "does not open the vault key; use the root key of this key store"
                ) from None
            keys[row.n] = VaultKey(vault_id, row.n, secret)
        return cls(vault_id, keys, rows)

    def seal(self, name: RowName, plaintext: bytes) -> bytes:
        """Seal what is kept outside of the key store: n in 4 bytes, then as a system row of this name."""
        return self.current.n.to_bytes(4, "big") + self.current.seal_row(name, plaintext)

    def open_sealed(self, name: RowName, sealed: bytes) -> bytes:
        """Undo `seal`.

        Raises:
            OpenError: it was not sealed under this name, or its vault key version is gone.
        """
        return self.version(int.from_bytes(sealed[:4], "big")).open_row(name, sealed[4:])

    def version(self, n: int) -> VaultKey:
        """Version n.

        Raises:
            OpenError: it is not there (destroyed, or the row was forged).
        """
        try:
            return self._keys[n]
        except KeyError:
            raise OpenError("the vault key version is gone") from None
