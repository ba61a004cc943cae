"""Why the vault cannot serve now, in a few fixed words, for health and for whoever is on duty.

Looked at every second. What fails by itself mends by itself: while commits fail, an entry is tried again and again, and
the first that is durable ends the trouble. Calls are never refused because of what stands here; each finds out by its
own means, so a check that errs refuses nothing.
"""

import time
from dataclasses import dataclass
from typing import Final

from vault.errors import Unavailable, VaultError
from vault.policy.model import Caller
from vault.service.call import Call
from vault.service.entries import Touched, touched_entry
from vault.service.gauges import free_bytes
from vault.service.parts import Parts
from vault.service.settings import StorageSettings

LEAST_FREE: Final = 1 << 20
"""A disk with less room than this takes no more groups of entries."""
_RETRY_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class Trouble:
    """One reason, for programs, and what it means and asks for, for people."""

    reason: str
    about: str


NOT_DURABLE: Final = Trouble("log_not_durable", "entries cannot be written: look at the disk of the data store")
UNSIGNED: Final = Trouble("log_not_signed", "checkpoints cannot be stored: look at the server's log")
UNREADABLE: Final = Trouble("storage_failed", "the data store cannot be read: look at the server's log, then restart")
DISK_FULL: Final = Trouble("disk_full", "a disk of the stores is full: make room")
REASONS: Final = ("log_not_durable", "log_not_signed", "storage_failed", "disk_full", "certificate_expired", "stopping")
"""All, for figures: one that is absent is told as 0. The last two are the server's own."""


class Troubles:
    """Looks for reasons."""

    def __init__(self, parts: Parts, storage: StorageSettings, owner: str) -> None:
        self._parts = parts
        self._files = (storage.data, storage.keys)
        self._owner = owner
        self._tried_at = 0.0

    async def look(self) -> list[Trouble]:
        """What is wrong now; empty if all is well."""
        found = []
        if await self._stuck():
            found.append(NOT_DURABLE)
        try:
            self._parts.log.check()
        except Unavailable:
            found.append(UNSIGNED)
        try:
            await self._parts.store.log_size(self._parts.log.log_id)
            if min(map(free_bytes, self._files)) < LEAST_FREE:
                found.append(DISK_FULL)
        except VaultError:
            found.append(UNREADABLE)
        return found

    async def _stuck(self) -> bool:
        """Whether commits fail; if they did, try one."""
        stats, now = self._parts.store.writer_stats, time.monotonic()
        if stats.failing_since is not None and now - self._tried_at > _RETRY_S:
            self._tried_at = now
            call = Call(Caller(self._owner, frozenset()), "Vault.Recover", time.time_ns() // 1_000_000)
            try:
                await self._parts.journal.append(call, touched_entry(call, Touched()))
            except VaultError:
                return True
        return stats.failing_since is not None
