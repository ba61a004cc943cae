"""The storage port's part for the audit layer: the log's bytes, its checkpoints, and who may write it.

Entries come in by `commit` and by an erasure, with the changes that they tell of (`vault.storage.port`); from here they
are only read.
"""

from collections.abc import Sequence
from typing import Protocol


class LogStore(Protocol):
    """The log's bytes, as the audit layer needs them."""

    async def acquire_log(self, log_id: str, holder: str, now: int, lease_ms: int) -> bool:
        """Take or renew the lease of one writer; False if another holder's lease has not run out."""

    async def log_ids(self) -> Sequence[str]:
        """All logs, ascending."""

    async def log_size(self, log_id: str) -> int:
        """Durable entries of a log."""

    async def log_entries(self, log_id: str, start: int, limit: int) -> Sequence[tuple[int, bytes]]:
        """(index, entry) ascending from `start`.

        Beside each entry the driver keeps its leaf hash, SHA-256(0x00 || entry): with it the offline verifier can name
        an edited entry exactly, where two signed roots alone would only give a range.
        """

    async def add_checkpoint(self, log_id: str, size: int, note: str) -> None:
        """Keep a signed checkpoint, and note the size in the key store (restores are detected by it)."""

    async def newest_checkpoint(self, log_id: str) -> tuple[int, str] | None:
        """(size, signed note)."""
