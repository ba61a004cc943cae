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

_LOOK_S: Final = 1.0
"""Between two looks for what is due, when nobody calls."""
_DEAD_LOOK_S: Final = 30.0
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
        self._next_dead_look = 0.0

    def start(self) -> None:
        """Begin to work."""
        self._tasks = [asyncio.create_task(self._work()) for _ in range(self._workers)]

    def call(self) -> None:
        """Something was stored: look now."""
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
                for message in await self._claim():
                    await self._handle(hop, message)
                    break
                else:
                    await self._pause(_LOOK_S, called=True)
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

    async def _claim(self) -> list[Claimed]:
        try:
            found = list(await self._store.claim(1))
            now = asyncio.get_running_loop().time()
            if not found and now >= self._next_dead_look:
                found = list(await self._store.claim(1, dead=True))
                # Where one was, there may be more.
                self._next_dead_look = now if found else now + _DEAD_LOOK_S
        except VaultError as error:
            self._counts.add("trouble", "claim")
            log.warning("nothing can be claimed", error=type(error).__name__)
            return []
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
