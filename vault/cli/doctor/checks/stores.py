"""Stores: are both files there, whole, and of one vault?"""

from collections.abc import Iterator
from typing import Final

from vault.cli.doctor.examine import Examined, Finding, State, ok
from vault.cli.failures import PUT_BACK
from vault.errors import ConfigError, DataLoss
from vault.storage import inspect

_SECONDS: Final = 2.0
"""For each file: an erasure on a running server waits for who reads the key store."""
_MAKE_READABLE: Final = "let the vault's user read it, and run doctor as that user"


def check(at: Examined) -> Iterator[Finding]:
    """Read both, beside the server or without it."""
    if at.settings is None:
        return
    files = (at.settings.storage.data, at.settings.storage.keys)
    whole, broken = True, False
    for file in files:
        try:
            whole &= inspect.look_through(file, _SECONDS)
        except (ConfigError, DataLoss) as error:
            broken = True
            unreadable = isinstance(error, ConfigError) and file.exists()
            yield Finding(State.PROBLEM, str(error), _MAKE_READABLE if unreadable else PUT_BACK)
    if broken:
        return
    try:
        inspect.belong_together(*files)
    except (ConfigError, DataLoss) as error:
        yield Finding(State.PROBLEM, str(error), PUT_BACK)
        return
    much = "all of their pages" if whole else f"what could be read in {_SECONDS:.0f} s each"
    yield ok(f"of one vault, neither older than the other; no damage in {much}")
