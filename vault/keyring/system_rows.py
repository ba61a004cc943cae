"""Rows of the key store that are sealed under the vault key: seeds, epochs, stanzas, purpose key versions."""

from collections.abc import Iterable, Sequence

from vault.crypto.vault_key import RowName
from vault.errors import DataLoss, InvalidArgument, OpenError
from vault.keyring.vault_keys import VaultKeys
from vault.storage.system import SystemRow, SystemStore

SYSTEM = "system"


class SystemRows:
    """Sealed rows by kind and name; an older version of a row is never seen."""

    def __init__(self, store: SystemStore, keys: VaultKeys) -> None:
        self._store = store
        self._keys = keys

    @property
    def keys(self) -> VaultKeys:
        """The vault key, under which they are."""
        return self._keys

    async def get(self, kind: str, row: str, version: int | None = None) -> tuple[int, bytes] | None:
        """(version, plaintext) of one version, the newest unless told.

        Raises:
            DataLoss: the row does not open.
        """
        found = await self._store.system_row(kind, row, version)
        return (found.version, self._open(found)) if found else None

    async def list(
        self, kind: str, prefix: str = "", *, after: str = "", limit: int = 1 << 31
    ) -> Sequence[tuple[RowName, bytes]]:
        """(name, plaintext) of each row, ascending by name, after `after`.

        Raises:
            DataLoss: a row does not open.
        """
        rows = await self._store.system_rows(kind, prefix, after, limit)
        return [(RowName(kind, r.row, r.version), self._open(r)) for r in rows]

    async def count(self, kind: str, prefix: str) -> int:
        """How many rows there are; none is opened."""
        return await self._store.count_system_rows(kind, prefix)

    async def add(self, rows: Iterable[tuple[RowName, bytes]], *, ignore_existing: bool = False) -> int:
        """Seal and insert in one transaction, durable on return; how many were added.

        Raises:
            AlreadyExists: a row is there and `ignore_existing` is not set; then none was added.
        """
        key = self._keys.current
        sealed = [SystemRow(n.kind, n.row, n.version, key.n, key.seal_row(n, plaintext)) for n, plaintext in rows]
        return await self._store.add_system_rows(sealed, ignore_existing=ignore_existing)

    async def remove_before(self, kind: str, row: str) -> None:
        """Destroy the rows of a kind whose names sort before `row`, in every version."""
        await self._store.remove_system_rows(kind, row)

    def _open(self, row: SystemRow) -> bytes:
        try:
            return self._keys.version(row.n).open_row(RowName(row.kind, row.row, row.version), row.sealed)
        except (OpenError, InvalidArgument):
            raise DataLoss("a system row of the key store does not open; restore the key store") from None
