"""policy.toml: is it complete and free of contradictions?"""

from collections.abc import Iterator

from vault.cli.doctor.examine import Examined, Finding, ok
from vault.policy.load import load


def check(at: Examined) -> Iterator[Finding]:
    """Load it as the server does."""
    if at.settings is None:
        return
    policy = load(at.settings.vault.policy, require_keys=True)
    yield ok(f"{at.settings.vault.policy} loads: {len(policy.callers)} callers, {len(policy.keys)} pinned keys")
