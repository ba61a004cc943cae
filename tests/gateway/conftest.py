"""Fronts and relays over a store in memory."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from tests.gateway.fake_store import FakeStore
from vault.domain.names import Owner
from vault.errors import Unavailable
from vault.gateway.counts import Counts
from vault.gateway.front import Front
from vault.gateway.intake import Intake
from vault.gateway.owners import ByDomain
from vault.gateway.session import Limits, Speech


class Owners(ByDomain):
    """By domain; of one address it cannot be said."""

    async def owner_of(self, address: str) -> Owner:
        """As told."""
        if address.startswith("nobody-knows"):
            raise Unavailable("no directory")
        return await super().owner_of(address)


class Desk:
    """A front and what stands behind it."""

    def __init__(self, speech: Speech, *, most: int, idle: float, limits: Limits) -> None:
        self.store = FakeStore()
        self.counts = Counts()
        self.called = 0
        intake = Intake(self.store, Owners("gateway.example.org"), self.counts, self._call)
        self.intake = intake
        self.front = Front(speech, "gateway.example.org", intake, limits, self.counts, most=most, idle=idle)
        self.address = ""

    def _call(self) -> None:
        self.called += 1


Serve = Callable[..., AbstractAsyncContextManager[Desk]]


@pytest.fixture
def serve() -> Serve:
    """Listen as told."""

    @asynccontextmanager
    async def serving(
        speech: Speech = Speech.LMTP,
        *,
        most: int = 10,
        idle: float = 20.0,
        max_size: int = 1 << 20,
        data_seconds: float = 20.0,
    ) -> AsyncIterator[Desk]:
        desk = Desk(speech, most=most, idle=idle, limits=Limits(max_size, data_seconds))
        desk.address = await desk.front.start("127.0.0.1:0")
        try:
            yield desk
        finally:
            await desk.front.stop(1.0)
            await asyncio.sleep(0)

    return serving
