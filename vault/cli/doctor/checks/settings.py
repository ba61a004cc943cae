"""vault.toml: does the server understand it?"""

from collections.abc import Iterator

from vault.cli.doctor.examine import Examined, Finding, ok
from vault.service.settings import Settings


def check(at: Examined) -> Iterator[Finding]:
    """Load it again, for the error."""
    Settings.load(at.layout.config)
    yield ok(f"{at.layout.config} loads")
