"""Where tests put vaults that they copy and open by the thousand: in memory, if there is room."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.vaults import make_home

_ROOM = 256 << 20


@pytest.fixture(scope="session")
def quick_disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder in memory where there is one: these tests make tens of thousands of commits, and cut no power."""
    memory = Path("/dev/shm")  # noqa: S108 - a folder of our own is made in it
    if memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > _ROOM:
        with tempfile.TemporaryDirectory(prefix="customer-vault-tests-", dir=memory) as folder:
            yield Path(folder)
    else:
        yield tmp_path_factory.mktemp("quick")


@pytest.fixture(scope="session")
def pristine(quick_disk: Path) -> Path:
    """A deployment with nobody in it; to be copied, never opened."""
    return asyncio.run(make_home(quick_disk / "pristine"))
