"""A fresh vault for each promise."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.vaults import OpenVault, make_home, opened


@pytest.fixture
async def vault(tmp_path: Path) -> AsyncIterator[OpenVault]:
    """An open vault with nobody in it."""
    async with opened(await make_home(tmp_path / "home")) as open_vault:
        yield open_vault
