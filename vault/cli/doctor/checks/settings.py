"""vault.toml: does the server understand it, and the deny-list that it may name?"""

from collections.abc import Iterator

from vault.cli.doctor.examine import Examined, Finding, ok
from vault.pki import deny
from vault.service.settings import Settings


def check(at: Examined) -> Iterator[Finding]:
    """Load both as the server does, for the error."""
    settings = Settings.load(at.layout.config)
    listed = settings.server.deny_list
    if listed is None:
        yield ok(f"{at.layout.config} loads; no deny-list is named")
        return
    count = len(deny.load(listed))
    yield ok(f"{at.layout.config} loads; {listed} shuts out {count} {'entry' if count == 1 else 'entries'}")
