"""Floods of frames (T11): others are served meanwhile, memory is bounded, and at once all is as before."""

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.faults.floods import FLOODS
from tests.faults.trial import attack
from tests.faults.victims import Callers
from tests.figures import Figures
from tests.running import RunningVault, make_home, serving


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningVault]:
    """One server for all floods: what one leaves behind, the next one finds. It must stop in order at the end."""
    with serving(make_home(tmp_path_factory.mktemp("floods"))) as vault:
        yield vault


@pytest.fixture
async def callers(server: RunningVault) -> AsyncIterator[Callers]:
    """Whom the floods must not disturb."""
    async with Callers(server) as made:
        yield made


@pytest.mark.parametrize("name", FLOODS)
async def test_a_flood_disturbs_nobody(server: RunningVault, callers: Callers, figures: Figures, name: str) -> None:
    """Half a second of it."""
    result = await attack(server, callers, name, seconds=0.5)
    figures(str(result))
    result.check()


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", FLOODS)
async def test_a_long_flood_disturbs_nobody(
    server: RunningVault, callers: Callers, figures: Figures, name: str
) -> None:
    """Three times five seconds, in turns with as many of quiet."""
    result = await attack(server, callers, name, seconds=5, rounds=3)
    figures(str(result))
    result.check()
