"""What a server does by itself: at start and then every hour.

What has come to its end by the policy goes first (`vault.service.retention`). The sweep retires keys that no row opens
under; it never deletes. Requests past their day are forgotten, and the keys of their fingerprints destroyed. The purge
destroys retired keys when the restore window is over, and says in the log how many. A round that fails is tried again
at the next hour: nothing that a caller was promised depends on it.

All of it goes by the age of things, so all of it waits while the clock is in doubt (`vault.service.clock`): to a clock
that ran ahead, a key whose write is under way is a stale one. Between the rounds the clock is watched, so that a jump
is noticed and noted before somebody starts the server again.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog

from vault.errors import OpenError
from vault.keyring.requests import RequestKeys
from vault.service.clock import Clock
from vault.service.opening import Records
from vault.storage.port import REQUEST_LIFETIME_MS, Purged, Storage, WrappedKey

EVERY_S = 3600.0
DAY_MS = 24 * 3600 * 1000
WINDOW_MS = 7 * DAY_MS
WATCH_S = 20.0

_log = structlog.get_logger()


class Upkeep:
    """The rounds of one process; `start` after the vault is open, `close` before its stores are."""

    def __init__(  # noqa: PLR0913 - all that is kept up
        self,
        store: Storage,
        records: Records,
        requests: RequestKeys,
        clock: Clock,
        *,
        expire: Callable[[int], Awaitable[object]],
        window_ms: int = WINDOW_MS,
        purged: Callable[[Purged, int], Awaitable[None]] | None = None,
        every_s: float = EVERY_S,
    ) -> None:
        """Nothing runs yet.

        Args:
            store: whole.
            records: of the store.
            requests: the keys of fingerprints.
            clock: asked before anything is destroyed.
            expire: destroys what has come to its end by a time, in milliseconds since 1970.
            window_ms: how long retired keys serve restores.
            purged: told what a purge destroyed, and when, after it is durable.
            every_s: between two rounds.
        """
        self._expire = expire
        self._window_ms = window_ms
        self._purged = purged
        self._store = store
        self._requests = requests
        self._records = records
        self._clock = clock
        self._every_s = every_s
        self._task: asyncio.Task[None] | None = None
        self.succeeded_at = 0
        """When a round last went through, in milliseconds since 1970; 0 before the first."""
        self.failures = 0
        """Rounds that did not."""

    def start(self) -> None:
        """Begin with a first round."""
        self._task = asyncio.create_task(self._run(), name="upkeep")

    async def round(self) -> int:
        """One round, unless the clock is in doubt; how many keys were retired."""
        await self._store.sweep_chunks()
        now = await self._clock.trusted()
        if now is None:
            return 0
        await self._expire(now)
        await self._store.forget_requests(now - REQUEST_LIFETIME_MS)
        await self._store.forget_dedupe(now - REQUEST_LIFETIME_MS)
        await self._requests.destroy_old(now)
        retired = await self._store.sweep(now, self._retired)
        await self._purge(now)
        return retired

    async def _purge(self, now: int) -> None:
        done = await self._store.purge(now - self._window_ms)
        if self._purged and (done.destroyed or done.kept):
            await self._purged(done, now)

    async def close(self) -> None:
        """End; a round under way is broken off between two of its steps."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def _run(self) -> None:
        while True:
            # A full disk or a damaged page: calls report it, the next round tries again.
            try:
                await self.round()
            except Exception as error:  # noqa: BLE001 - a fault of ours in one round must not end all later ones
                self.failures += 1
                _log.warning("upkeep failed", why=type(error).__name__)
            else:
                if not self._clock.doubt:
                    self.succeeded_at = time.time_ns() // 1_000_000
            await self._watch(time.monotonic() + self._every_s)

    async def _watch(self, until: float) -> None:
        """Look at the clock now and then; a round that was held back need not wait for its hour."""
        while (left := until - time.monotonic()) > 0:
            await asyncio.sleep(min(WATCH_S, left))
            held = bool(self._clock.doubt)
            with suppress(Exception):  # the next look, or the round, meets it again and counts it
                if await self._clock.trusted() is not None and held:
                    return

    def _retired(self, key: WrappedKey) -> WrappedKey:
        try:
            return self._records.retire(key)
        except OpenError:
            # It opens nothing as it is; to mark it retired takes nothing away.
            return key
