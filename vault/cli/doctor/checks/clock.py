"""Clock: is it running the right way, and does anything wait because of it?"""

import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from vault.cli import moments
from vault.cli.doctor.examine import Examined, Finding, State, ok
from vault.errors import ConfigError, DataLoss
from vault.service.clock import MAX_AWAY_MS
from vault.storage import inspect
from vault.storage.port import ClockNote

_SLACK_S: Final = 60.0
_REMEDY: Final = "set the clock (chrony or systemd-timesyncd): expiry, retention and certificates depend on it"
_CONFIRM: Final = "compare the clock with another one, then: customer-vault clock confirm {home}"


def check(at: Examined) -> Iterator[Finding]:
    """No file can have been written in the future, and the vault writes one at each start."""
    if at.settings is not None:
        yield from _held(at.settings.storage.data, _CONFIRM.format(home=at.layout.home))
    written = {path: path.stat().st_mtime for path in at.layout.home.rglob("*") if path.is_file()}
    newest = max(written, key=lambda path: written[path], default=None)
    if newest is not None and written[newest] > time.time() + _SLACK_S:
        yield Finding(State.PROBLEM, f"the clock is behind: {newest} was written later than now", _REMEDY)
    else:
        yield ok(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}, not before anything that was written here")


def _held(data: Path, remedy: str) -> Iterator[Finding]:
    """Deletions that wait, as the server noted it, or as it would find at its next start."""
    note: ClockNote | None = None
    with suppress(ConfigError, DataLoss):  # the check of the stores says so
        note = inspect.clock_note(data)
    if note is None:
        return
    last = f"the clock was last known to be right at {moments.iso_ms(note.right_at)}"
    if note.doubt:
        yield Finding(State.WARNING, f"what is old is not destroyed: {note.doubt}; {last}", remedy)
    elif time.time() * 1000 > note.right_at + MAX_AWAY_MS:
        yield Finding(State.WARNING, f"a start will not destroy what is old: {last}", f"start the server; {remedy}")
