"""Disk: is there room for the stores and the log?"""

import os
import shutil
from collections.abc import Iterator
from typing import Final

from vault.cli.doctor.examine import Examined, Finding, State, ok
from vault.errors import ConfigError

_MIB: Final = 1 << 20
_LEAST: Final = 200 * _MIB
_LITTLE: Final = 2048 * _MIB
_REMEDY: Final = (
    "make room or move the store to a larger disk: without room nothing is served, for nothing can be logged"
)


def check(at: Examined) -> Iterator[Finding]:
    """The disk of each store; they may be two."""
    if at.settings is None:
        return
    for path in (at.settings.storage.data, at.settings.storage.keys):
        try:
            free = shutil.disk_usage(path.parent).free
        except OSError as error:
            raise ConfigError(str(path.parent), "", os.strerror(error.errno or 0)) from None
        said = f"{free // _MIB:,} MiB free for {path}"
        if free < _LITTLE:
            yield Finding(State.PROBLEM if free < _LEAST else State.WARNING, said, _REMEDY)
        else:
            yield ok(said)
