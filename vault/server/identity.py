"""Who is calling, on each call: the certificate of the connection, the clock, and the deny-list of this moment.

The judgement is `vault.pki.identity`; here is what it needs from a running server. The list is swapped as a whole
when its file changes, so a call sees the old list or the new one.
"""

import time
from pathlib import Path

from vault.pki import deny, identity, spiffe
from vault.pki.spiffe import SpiffeId
from vault.server.boundary import Context
from vault.service.settings import Settings


class Callers:
    """Knows callers by their connections."""

    def __init__(self, settings: Settings) -> None:
        """Read the deny-list.

        Raises:
            ConfigError: it cannot be read.
        """
        self._trust_domain = spiffe.parse_trust_domain(settings.vault.trust_domain)
        self._file: Path | None = settings.server.deny_list
        self._denied: deny.Denied = frozenset()
        self.reload()

    def reload(self) -> None:
        """Read the deny-list again; on an error, which is raised, the one before stays.

        Raises:
            ConfigError: it cannot be read, or breaks off.
        """
        if self._file is not None:
            self._denied = deny.again(self._file, self._denied)

    def identify(self, context: Context, now_ms: int) -> SpiffeId:
        """Name the caller of this call.

        Raises:
            Unauthenticated: the certificate is not acceptable, or is no longer.
        """
        found = identity.peer(
            context.auth_context(),
            trust_domain=self._trust_domain,
            now_ms=now_ms,
            denied=self._denied,
        )
        return found.spiffe_id

    def enter(self, context: Context) -> None:
        """Let a caller in to health and reflection: anybody whom we know.

        Raises:
            Unauthenticated: as `identify`.
        """
        self.identify(context, time.time_ns() // 1_000_000)
