"""Which caller a command is: a folder under `callers/` of the vault's folder, and the client made of it.

Each command has a role that may do what it does, by the shipped policy; `--as ROLE` takes another. Whether that one
may is decided by the vault and not here.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from vault.cli.deployment.layout import Layout
from vault.client import settings
from vault.client.base import VaultClient
from vault.client.settings import Settings
from vault.errors import ConfigError

_NAME = re.compile(r"[a-z][a-z0-9_-]*", re.ASCII)

_Client = TypeVar("_Client", bound=VaultClient)
_Result = TypeVar("_Result")


def folder_of(home: Path, role: str) -> Path:
    """The folder of a caller.

    Raises:
        ConfigError: there is none; the error says which there are, or how to make them.
    """
    callers = Layout(home).callers
    if not callers.is_dir():
        raise ConfigError(str(home), "", "is no vault: make one (customer-vault init), or give --home DIR")
    folder = callers / role if _NAME.fullmatch(role) else None
    if folder is None or not (folder / "client.toml").is_file():
        there = ", ".join(sorted(path.name for path in callers.iterdir() if (path / "client.toml").is_file()))
        raise ConfigError(str(callers), "--as", f"has no such caller; there are: {there or 'none'}")
    return folder


def settings_of(home: Path, role: str) -> Settings:
    """What a caller holds and believes.

    Raises:
        ConfigError: a file is missing, malformed, or a key that others may read.
    """
    return settings.load(folder_of(home, role))


def run(home: Path, role: str, kind: type[_Client], work: Callable[[_Client], Awaitable[_Result]]) -> _Result:
    """Connect as a role, do some work, and close.

    Raises:
        ConfigError: the caller's folder is missing or wrong.
        VaultError: as the vault answered.
    """
    return run_with(settings_of(home, role), kind, work)


def run_with(caller: Settings, kind: type[_Client], work: Callable[[_Client], Awaitable[_Result]]) -> _Result:
    """As `run`, for settings that were read before."""

    async def connected() -> _Result:
        async with kind(caller) as client:
            return await work(client)

    return asyncio.run(connected())
