"""Certificates: how many days are left?"""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from vault.cli.doctor.examine import Examined, Finding, State, ok
from vault.pki import expiry, files

_SOON_DAYS: Final = 21
_RENEW: Final = "replace it with one of your authority's; the server takes up a new one by itself"


def check(at: Examined) -> Iterator[Finding]:
    """The server's, the authority's, and those of callers that are still in the vault's folder."""
    paths = sorted(at.layout.callers.glob("*/cert.pem"))
    if at.settings is not None:
        paths = [at.settings.server.certificate, at.settings.server.client_ca, *paths]
    days = {path: expiry.days_left(files.read(path), datetime.now(UTC), file=str(path)) for path in paths}
    soon = {path: left for path, left in days.items() if left <= _SOON_DAYS}
    for path, left in soon.items():
        yield _finding(path, left)
    if days and not soon:
        yield ok(f"{len(days)} certificates, the first expires in {_days(min(days.values()))}")


def _finding(path: Path, left: int) -> Finding:
    if left < 0:
        # Whole days, rounded down: what expired a moment ago has -1 left.
        return Finding(State.PROBLEM, f"{path} expired {_days(-left - 1)} ago: its holder is refused", _RENEW)
    return Finding(State.WARNING, f"{path} expires in {_days(left)}", _RENEW)


def _days(whole: int) -> str:
    return "less than a day" if whole == 0 else "1 day" if whole == 1 else f"{whole} days"
