"""What the adversary's tests share: a deployment to copy."""

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.abuse.refusals import warm
from tests.vaults import OpenVault, opened


@pytest.fixture
def home(pristine: Path, quick_disk: Path) -> Iterator[Path]:
    """A deployment of this test's own."""
    with tempfile.TemporaryDirectory(dir=quick_disk) as folder:
        yield shutil.copytree(pristine, Path(folder) / "home")


@pytest.fixture
async def vault(home: Path) -> AsyncIterator[OpenVault]:
    """The same, open."""
    async with opened(home) as open_vault:
        yield open_vault


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared(pristine: Path, quick_disk: Path) -> AsyncIterator[OpenVault]:
    """One vault for all refusals: each leaves it as it was, which is what they test."""
    async with opened(shutil.copytree(pristine, quick_disk / "shared")) as open_vault:
        await warm(open_vault)
        yield open_vault
