"""SQLite: new enough not to lose commits?"""

from collections.abc import Iterator

from vault.cli.doctor.examine import Examined, Finding, ok
from vault.storage import engine


def check(at: Examined) -> Iterator[Finding]:
    """Ask the copy that the vault uses, which is not the machine's."""
    del at
    engine.require()
    yield ok(f"version {engine.sqlite3.sqlite_version}")
