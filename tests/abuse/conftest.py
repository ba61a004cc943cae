"""What the adversary's tests share: a deployment to copy."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.abuse.refusals import warm
from tests.vaults import OpenVault, make_home, opened

_ROOM = 256 << 20


@pytest.fixture(scope="session")
def quick_disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder in memory where there is one: these tests make tens of thousands of commits, and cut no power."""
    memory = Path("/dev/shm")  # noqa: S108 - a folder of our own is made in it
    if memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > _ROOM:
        with tempfile.TemporaryDirectory(prefix="customer-vault-abuse-", dir=memory) as folder:
            yield Path(folder)
    else:
        yield tmp_path_factory.mktemp("abuse")


@pytest.fixture(scope="session")
def pristine(quick_disk: Path) -> Path:
    """A deployment with nobody in it; to be copied, never opened."""
    return asyncio.run(make_home(quick_disk / "pristine"))


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
