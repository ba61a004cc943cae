"""Leftovers: does a store from before a restore still lie about, with keys that were destroyed since?"""

from collections.abc import Iterator
from typing import Final

from vault.cli.doctor.examine import Examined, Finding, State, ok
from vault.storage import replace

_DELETE: Final = "if all is well since the restore, delete it, and the -wal and -shm of the same name"


def check(at: Examined) -> Iterator[Finding]:
    """What a restore put aside beside each store; an erasure does not reach it."""
    if at.settings is None:
        return
    found = [
        old for live in (at.settings.storage.data, at.settings.storage.keys) if (old := replace.aside(live)).exists()
    ]
    for old in found:
        holds = "keys" if old == replace.aside(at.settings.storage.keys) else "rows"
        yield Finding(State.WARNING, f"{old} holds {holds} of before a restore: no erasure reaches it", _DELETE)
    if not found:
        yield ok("no store from before a restore lies about")
