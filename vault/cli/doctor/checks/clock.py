"""Clock: is it running the right way?"""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from vault.cli.doctor.examine import Examined, Finding, State, ok

_SLACK_S: Final = 60.0
_REMEDY: Final = "set the clock (chrony or systemd-timesyncd): expiry, retention and certificates depend on it"


def check(at: Examined) -> Iterator[Finding]:
    """No file can have been written in the future, and the vault writes one at each start."""
    written = {path: path.stat().st_mtime for path in at.layout.home.rglob("*") if path.is_file()}
    newest = max(written, key=lambda path: written[path], default=None)
    if newest is not None and written[newest] > time.time() + _SLACK_S:
        yield Finding(State.PROBLEM, f"the clock is behind: {newest} was written later than now", _REMEDY)
    else:
        yield ok(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}, not before anything that was written here")
