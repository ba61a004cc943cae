"""File modes: can anybody else read keys or stores?"""

import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from vault.cli.doctor.examine import Examined, Finding, State, ok

_OTHERS: Final = 0o077
_PUBLIC: Final = frozenset({".pem", ".toml", ".json", ".txt"})
"""These hold nothing secret, but for the keys among them."""
_SECRET_NAMES: Final = frozenset({"key.pem"})


def check(at: Examined) -> Iterator[Finding]:
    """Look at everything under the vault's folder."""
    open_to_others = [path for path in _secrets(at.layout.home) if path.lstat().st_mode & _OTHERS]
    for path in open_to_others:
        yield Finding(
            State.PROBLEM,
            f"{path} is open to others",
            "if anybody else uses this machine, replace what it holds; then: chmod go= on it",
        )
    if not open_to_others:
        yield ok("keys, stores and the folder are this user's alone")


def _secrets(home: Path) -> Iterator[Path]:
    """The folder itself, and each file in it that holds a key or customers' data."""
    yield home
    for path in sorted(home.rglob("*")):
        regular = stat.S_ISREG(path.lstat().st_mode)
        if regular and (path.name in _SECRET_NAMES or path.suffix not in _PUBLIC):
            yield path
