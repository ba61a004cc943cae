"""Witness: is its note there, and how old is it?"""

import time
from collections.abc import Iterator
from typing import Final

from vault.cli.doctor.examine import Examined, Finding, State, ok

_MOUNT: Final = "mount the volume, and see docs/witness.md: once there was a note, no start goes on without it"
_MINUTE: Final = 60


def check(at: Examined) -> Iterator[Finding]:
    """A file is looked at; a command is the operator's, and is not run beside the server."""
    if at.settings is None:
        return
    witness = at.settings.witness
    if witness is None:
        yield ok("none is set: both stores put back to one day would be told by callers alone (docs/witness.md)")
    elif witness.file is None:
        yield Finding(State.UNCHECKED, "a command keeps the note", "run read_command by hand, as the vault's user")
    elif not witness.file.is_file():
        state = State.WARNING if witness.file.parent.is_dir() else State.PROBLEM
        yield Finding(state, f"{witness.file} is not there", _MOUNT)
    else:
        age = max(0, int(time.time() - witness.file.stat().st_mtime)) // _MINUTE
        yield ok(f"{witness.file} was written {age} minutes ago")
