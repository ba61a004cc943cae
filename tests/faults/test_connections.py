"""Connections and calls that are begun and never ended (T10): others are served meanwhile, and it all goes away."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.faults.holds import HOLDS
from tests.faults.trial import attack
from tests.faults.victims import Callers, crowd
from tests.figures import Figures
from tests.running import RunningVault, make_home, serving
from vault.server.edge import CONNECTIONS


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningVault]:
    """One server for all: what one attack leaves behind, the next one finds. It must stop in order at the end."""
    with serving(make_home(tmp_path_factory.mktemp("connections"))) as vault:
        await crowd(vault)
        yield vault


@pytest.fixture
async def callers(server: RunningVault) -> AsyncIterator[Callers]:
    """Whom the attacks must not disturb."""
    async with Callers(server) as made:
        yield made


@pytest.mark.parametrize("name", HOLDS)
async def test_what_is_begun_and_not_ended_disturbs_nobody(
    server: RunningVault, callers: Callers, figures: Figures, name: str
) -> None:
    """400 connections or 1,000 calls."""
    result = await attack(server, callers, name, seconds=0.5)
    figures(str(result))
    result.check()


@pytest.mark.parametrize("name", ["silent TCP", "silent HTTP/2"])
async def test_more_connections_than_may_be_are_closed_at_once(
    server: RunningVault, callers: Callers, figures: Figures, name: str
) -> None:
    """Memory cannot be filled with connections, strangers' or callers'; who has one keeps it."""
    result = await attack(server, callers, name, seconds=1, size=CONNECTIONS + 200)
    figures(str(result))
    result.check()
    assert result.tally["still open"] < CONNECTIONS


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", HOLDS)
async def test_what_is_begun_and_held_for_longer_disturbs_nobody(
    server: RunningVault, callers: Callers, figures: Figures, name: str
) -> None:
    """Beyond the handshake's five seconds, three times, in turns with quiet."""
    result = await attack(server, callers, name, seconds=8, rounds=3)
    figures(str(result))
    result.check()
