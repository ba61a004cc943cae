"""A vault's mail store as a dictionary, with its promises and the faults that a test orders.

What is stored shows up when its last piece has come, whole; what is claimed is handed to nobody else; what is completed
for its last recipient is gone, and what it was stands in `gone`.
"""

import asyncio
import hashlib
import itertools
import math
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from vault.domain.names import Owner
from vault.errors import DataLoss, Unavailable, VaultError
from vault.gateway.port import Claimed, Depth, Envelope, Fetched, Result, Why


@dataclass(slots=True)
class Kept:
    """One message."""

    name: str
    owner: Owner
    envelope: Envelope
    body: bytes
    queue_id: str
    due: float = 0.0
    attempts: int = 0
    leased: bool = False
    dead: bool = False
    results: dict[int, Result] = field(default_factory=dict)
    released: list[tuple[float, Why, str]] = field(default_factory=list)


class FakeStore:
    """Keeps messages in memory."""

    def __init__(self) -> None:
        self.kept: dict[str, Kept] = {}
        self.gone: list[Kept] = []
        self.begun = 0
        self.left: list[str] = []
        """How stores ended that stored nothing."""
        self.refuse: dict[Owner, VaultError] = {}
        self.failing: VaultError | None = None
        """Raised by every call but `store`."""
        self.complete_fails = 0
        self.damaged = False
        self.altered = ""
        """Name of a message that does not open."""
        self.extended = 0
        self.claims = 0
        self.gate: asyncio.Event | None = None
        """If there is one, nothing is stored before it is set."""
        self._numbers = itertools.count(1)
        self._seen: set[tuple[str, Owner, tuple[str, ...], bytes]] = set()

    async def store(
        self, owner: Owner, envelope: Envelope, body: AsyncIterator[bytes], queue_id: Callable[[], str]
    ) -> None:
        """Take all of it, or nothing."""
        self.begun += 1
        try:
            self._check_owner(owner)
            text = b"".join([piece async for piece in body])
            if self.gate:
                await self.gate.wait()
        except BaseException as error:
            self.left.append(type(error).__name__)
            raise
        name = f"{owner}/messages/{next(self._numbers)}"
        told = queue_id()
        token = (told, owner, tuple(r.address for r in envelope.recipients), hashlib.sha256(text).digest())
        if told and token in self._seen:
            return
        self._seen.add(token)
        self.kept[name] = Kept(name, owner, envelope, text, told)

    async def claim(self, *, dead: bool = False) -> tuple[Claimed | None, float]:
        """What is due."""
        self._check()
        self.claims += 1
        waiting = sorted((k for k in self.kept.values() if not k.leased and k.dead is dead), key=lambda k: k.due)
        if not waiting:
            return None, math.inf
        if (after := waiting[0].due - time.monotonic()) > 0:
            return None, after
        kept = waiting[0]
        kept.leased = True
        kept.attempts += 1
        return Claimed(kept.name, len(kept.body), time.time(), kept.attempts, kept.dead, "4.2.0"), 0.0

    @asynccontextmanager
    async def fetch(self, message: Claimed) -> AsyncIterator[Fetched]:
        """In pieces of 64 KiB."""
        self._check()
        if message.name == self.altered:
            raise DataLoss("altered")
        kept = self.kept[message.name]
        waiting = tuple(i for i in range(len(kept.envelope.recipients)) if i not in kept.results)
        yield Fetched(kept.envelope, waiting, self._pieces(kept.body))

    async def _pieces(self, body: bytes) -> AsyncIterator[bytes]:
        for start in range(0, max(len(body), 1), 65_536):
            if self.damaged and start + 65_536 >= len(body):
                raise Unavailable("broken off")
            yield body[start : start + 65_536]

    async def complete(self, message: Claimed, results: Mapping[int, Result]) -> None:
        """Note the results; the last one ends the message."""
        if self.complete_fails:
            self.complete_fails -= 1
            raise Unavailable("restarting")
        self._check()
        kept = self.kept[message.name]
        kept.results.update(results)
        if len(kept.results) == len(kept.envelope.recipients):
            self.gone.append(self.kept.pop(message.name))

    async def release(self, message: Claimed, after: float, why: Why, status: str = "") -> None:
        """Make it due later."""
        self._check()
        kept = self.kept[message.name]
        kept.leased, kept.due = False, time.monotonic() + after
        kept.released.append((after, why, status))

    async def extend(self, message: Claimed) -> None:
        """Count."""
        self._check()
        self.extended += 1

    async def depth(self) -> Depth:
        """What is kept."""
        self._check()
        return Depth(len(self.kept), 12.5 if self.kept else 0.0)

    def _check_owner(self, owner: Owner) -> None:
        if owner in self.refuse:
            raise self.refuse[owner]

    def _check(self) -> None:
        if self.failing:
            raise self.failing
