"""The storage port's part for the keyring: versions of the vault key, and sealed system rows.

Both lie in the key store, and what is in them is sealed by the keyring before it comes here. They are insert-only: a
new version is a new row, and nothing replaces one that is there, so a caller cannot take the place of another's key.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class SystemRow:
    """A sealed row of the key store: `epochs/{hex}` and the like."""

    kind: str
    row: str
    version: int
    n: int
    sealed: bytes


@dataclass(frozen=True, slots=True)
class VaultKeyRow:
    """One version of the vault key, wrapped by its own version of the root key."""

    n: int
    state: str
    """A NIST SP 800-57 state: `active`, `deactivated`, …"""
    created_at: int
    wrapped: bytes


class SystemStore(Protocol):
    """Vault keys and system rows, as the keyring needs them."""

    async def vault_id(self) -> bytes:
        """The deployment's 16 bytes, the same in both stores."""

    async def vault_keys(self) -> Sequence[VaultKeyRow]:
        """All versions of the vault key, ascending."""

    async def add_vault_key(self, row: VaultKeyRow) -> None:
        """Insert a version; an existing one is never replaced."""

    async def system_row(self, kind: str, row: str, version: int | None = None) -> SystemRow | None:
        """One version of a system row, the newest unless told."""

    async def system_rows(
        self, kind: str, prefix: str = "", after: str = "", limit: int = 1 << 31
    ) -> Sequence[SystemRow]:
        """The newest version of each system row of a kind whose name starts with `prefix`, ascending, after `after`."""

    async def count_system_rows(self, kind: str, prefix: str) -> int:
        """How many rows of a kind have names that start with `prefix`, versions included."""

    async def add_system_rows(self, rows: Sequence[SystemRow], *, ignore_existing: bool = False) -> int:
        """Insert rows in one transaction, durable on return; how many were added.

        Raises:
            AlreadyExists: a row is there and `ignore_existing` is not set; then none was added.
        """

    async def remove_system_rows(self, kind: str, before: str) -> None:
        """Destroy the rows of a kind whose names sort before `before`, in every version."""
