"""Workers that take messages out of the vault when they are due and hand them to the next hop.

Each worker has a connection of its own and one message at a time. It claims a message only while the next hop answers,
so that a hop that is away costs no message an attempt; and it keeps its lease up while a slow server takes a large one.

The order is what makes a loss impossible: claimed, handed over, the next server's 250, and only then completed, which
destroys the message's key. A crash in between leaves a lease that ends; the message comes again and arrives twice. A
refusal for good is completed only when the next hop has taken the report to the sender.
"""

import asyncio
import contextlib
from typing import Final

import structlog

from vault.errors import VaultError
from vault.gateway import backoff
from vault.gateway.counts import Counts
from vault.gateway.errand import Errand
from vault.gateway.next_hop import Address, NextHop, Unreachable
from vault.gateway.port import Claimed, MailStore

log = structlog.get_logger()

_LOOK_S: Final = 5.0
"""Between two looks for what is due, by one worker for all, when nothing is known to be due before: each is an entry of
the vault's log. Only what another gateway left behind waits for it."""
_SOONEST_S: Final = 0.1
_DEAD_LOOK_S: Final = 60.0
_HOP_FIRST_S, _HOP_LONGEST_S = 0.5, 30.0
_REPLY_S: Final = 300.0
"""For each reply of the next hop (RFC 5321, 4.5.3.2)."""


class Relay:
    """All workers."""

    def __init__(
        self,
        store: MailStore,
        hop: Address,
        hostname: str,
        counts: Counts,
        *,
        workers: int,
        extend_every: float,
        first_retry: float = backoff.FIRST_S,
    ) -> None:
        """Make it.

        Args:
            store: where messages wait.
            hop: where they go.
            hostname: what we call ourselves.
            counts: to be told what happened.
            workers: messages at a time.
            extend_every: seconds after which a lease is made longer; less than half of it.
            first_retry: seconds to the second attempt at a message.
        """
        self._store = store
        self._hop = hop
        self._hostname = hostname
        self._counts = counts
        self._workers = workers
        self._extend_every = extend_every
        self._first_retry = first_retry
        self._stopping = asyncio.Event()
        self._called = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._looking = asyncio.Lock()
        self._quiet_until = 0.0
        self._calls = 0
        self._next_dead_look = 0.0

    def start(self) -> None:
        """Begin to work."""
        self._tasks = [asyncio.create_task(self._work()) for _ in range(self._workers)]

    def call(self) -> None:
        """Something was stored, or given back: look now."""
        self._calls += 1
        self._quiet_until = 0.0
        self._called.set()

    async def stop(self, grace: float) -> None:
        """Finish what is being handed over, claim nothing more; what is not done in time is cut off, and comes again.

        Args:
            grace: seconds.
        """
        self._stopping.set()
        self._called.set()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=grace)
            for task in late:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    # --- one worker ---

    async def _work(self) -> None:
        hop: NextHop | None = None
        unreached = 0
        try:
            while not self._stopping.is_set():
                hop = await self._connected(hop)
                unreached = 0 if hop else unreached + 1
                if hop is None:
                    await self._pause(backoff.wait(unreached, _HOP_FIRST_S, _HOP_LONGEST_S), called=False)
                    continue
                if message := await self._claim():
                    await self._handle(hop, message)
                    self.call()
                else:
                    await self._pause(self._quiet_until - asyncio.get_running_loop().time(), called=True)
        finally:
            if hop:
                await hop.quit()

    async def _connected(self, hop: NextHop | None) -> NextHop | None:
        if hop is not None:
            if await hop.alive():
                return hop
            hop.abort()
        try:
            hop = await NextHop.connect(self._hop, self._hostname, _REPLY_S)
        except Unreachable:
            self._counts.add("next_hop", "unreachable")
            return None
        self._counts.add("next_hop", "connected")
        return hop

    async def _pause(self, seconds: float, *, called: bool) -> None:
        event = self._called if called else self._stopping
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await event.wait()
        if not self._stopping.is_set():
            self._called.clear()

    async def _claim(self) -> Claimed | None:
        """What is due; one worker looks at a time, and the others believe it if there is nothing."""
        clock = asyncio.get_running_loop().time
        async with self._looking:
            if clock() < self._quiet_until or self._stopping.is_set():
                return None
            calls = self._calls
            try:
                found, after = await self._store.claim()
                if found is None and clock() >= self._next_dead_look:
                    found, _ = await self._store.claim(dead=True)
                    # Where one was, there may be more.
                    self._next_dead_look = clock() + (0.0 if found else _DEAD_LOOK_S)
            except VaultError as error:
                self._counts.add("trouble", "claim")
                log.warning("nothing can be claimed", error=type(error).__name__)
                found, after = None, _LOOK_S
            if found is None and calls == self._calls:
                self._quiet_until = clock() + min(max(after, _SOONEST_S), _LOOK_S)
            return found

    async def _handle(self, hop: NextHop, message: Claimed) -> None:
        keeping = asyncio.create_task(self._keep(message))
        try:
            await Errand(self._store, self._hostname, self._counts, message, self._first_retry).run(hop)
        finally:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)

    async def _keep(self, message: Claimed) -> None:
        """Hold the lease while the message is handed over; one that is lost leads to a second copy, not to a loss."""
        while True:
            await asyncio.sleep(self._extend_every)
            with contextlib.suppress(VaultError):
                await self._store.extend(message)
