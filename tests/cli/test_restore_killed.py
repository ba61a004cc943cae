"""A restore that is killed at any moment is run again, and ends as if nothing had been.

The child is a fork that counts commits and renames, and kills itself after the Nth: with each N, that is a kill between
any two of its steps. What a killed SQLite commit leaves is SQLite's matter, and tested with the driver.
"""

import asyncio
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_restore import Place, _go_on, _names
from tests.vaults import contact, opened
from vault.cli.backup import put_back
from vault.cli.backup.put_back import Wish
from vault.cli.deployment.layout import Layout
from vault.errors import ConfigError
from vault.storage.sqlite import connection, repair

_NEVER = 10_000
_NAME = contact().name
_GONE = "NotFound"
_AFTER = {
    "data": {"kept": _NAME, "changed": _NAME, "deleted": _GONE, "erased": _GONE, "new": _GONE},
    "keys": {"kept": _NAME, "changed": _GONE, "deleted": _GONE, "erased": _GONE, "new": _GONE},
}


def _kill_at(number: int) -> None:
    left = [number]

    def count() -> None:
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    @contextmanager
    def transaction(on: Any) -> Iterator[None]:
        with connection.transaction(on):
            yield
        count()

    moves: Callable[[Path, Any], Path] = Path.replace

    def replace(self: Path, target: Any) -> Path:
        moved = moves(self, target)
        count()
        return moved

    repair.transaction = transaction  # type: ignore[assignment,attr-defined]
    Path.replace = replace  # type: ignore[assignment,method-assign]


def _restore(home: Path, store: str, backup: Path, at: int) -> bool:
    """Restore in a fork that is killed after so many steps; whether it came to its end before."""
    live = home / "data" / "vault.db" if store == "data" else home / "keys" / "keys.db"
    in_place = live.exists() and live.with_name(f"{live.name}.before-restore").exists()
    files = {"data": None, "keys": None} | ({} if in_place else {store: backup})
    child = os.fork()
    if child == 0:
        code = 1
        try:
            _kill_at(at)
            wish = Wish(Layout(home), home / "vault.toml", files["data"], files["keys"], None, cut=False)
            put_back.restore(wish, lambda _: True, lambda *_: None)
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) in (0, -signal.SIGKILL)
    return status == 0


async def _prepare(home: Path, folder: Path, store: str) -> Path:
    place = Place(home, folder)
    async with opened(home) as vault:
        for who in ("kept", "changed", "deleted", "erased"):
            await vault.create(who)
    backup = place.backup(store)
    async with opened(home) as vault:
        await _go_on(vault)
    return backup


async def _contacts(home: Path) -> dict[str, str]:
    async with opened(home) as vault:
        return await _names(vault)


@pytest.mark.parametrize("store", ["data", "keys"])
def test_a_restore_killed_between_any_two_steps_is_finished_by_the_next(
    pristine: Path, quick_disk: Path, tmp_path: Path, store: str, figures: Callable[[str], None]
) -> None:
    """Killed once and then once more; in between nothing is served; in the end all is as without a kill."""
    made = shutil.copytree(pristine, quick_disk / f"killed-{store}")
    backup = asyncio.run(_prepare(made, tmp_path, store))
    kills = refused = 0
    for at in range(1, _NEVER):
        home = shutil.copytree(made, quick_disk / f"killed-{store}-{at}")
        if _restore(home, store, backup, at):
            break
        kills += 1
        try:
            asyncio.run(_contacts(home))
        except ConfigError:
            refused += 1
        _restore(home, store, backup, 2)
        assert _restore(home, store, backup, _NEVER)
        assert asyncio.run(_contacts(home)) == _AFTER[store], at
        shutil.rmtree(home)
    assert kills > 6
    assert refused > 5  # before the first step the old store is served, after the last the new one
    figures(f"{store} store: killed at {kills} points, and again; starts refused in between {refused}; records wrong 0")
