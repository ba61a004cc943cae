"""The gateway as one process: fronts, relay, and the order in which they end.

The store is the caller's to make and to close: the command gives the vault, a test a dictionary.

To stop: first no more connections and texts that have begun come to their end (each answered with what is true of it),
then no more claims and what is being handed over comes to its end. What is cut off is nobody's loss: a text without its
250 is still the mail server's, and a message without its completion is still the vault's.
"""

import asyncio
from pathlib import Path
from typing import Final

from vault.gateway.counts import Counts
from vault.gateway.front import Front
from vault.gateway.intake import Intake
from vault.gateway.owners import ByCommand, ByDomain, ByFile, Owners
from vault.gateway.port import MailStore
from vault.gateway.relay import Relay
from vault.gateway.session import Limits, Speech
from vault.gateway.settings import OwnersSettings, Settings

GRACE_S: Final = 20.0
"""Of each of the two halves of a stop; systemd waits for 90 seconds."""


class Gateway:
    """Both sides, started and stopped together."""

    def __init__(self, settings: Settings, folder: Path, store: MailStore) -> None:
        """Make it.

        Args:
            settings: the file.
            folder: where relative paths of the file start.
            store: where messages wait.

        Raises:
            ConfigError: the file of owners cannot be read.
        """
        self.counts = Counts()
        self._settings = settings
        relay, front = settings.relay, settings.front
        self._relay = Relay(
            store,
            relay.address,
            settings.hostname,
            self.counts,
            workers=relay.workers,
            extend_every=relay.lease_seconds / 3,
            first_retry=relay.retry_seconds,
        )
        owners = owners_of(settings.owners, folder, settings.hostname)
        intake = Intake(store, owners, self.counts, self._relay.call)
        limits = Limits(front.max_size, front.data_seconds)
        self._fronts = [
            (
                listen,
                Front(
                    speech,
                    settings.hostname,
                    intake,
                    limits,
                    self.counts,
                    most=front.connections,
                    idle=front.idle_seconds,
                ),
            )
            for speech, listen in ((Speech.LMTP, front.lmtp), (Speech.SMTP, front.smtp))
            if listen is not None
        ]

    async def start(self) -> list[str]:
        """Listen and work; where it listens, LMTP first.

        Raises:
            ConfigError: an address cannot be had; then nothing runs.
        """
        try:
            told = [await front.start(listen) for listen, front in self._fronts]
        except BaseException:
            await self.stop(0)
            raise
        self._relay.start()
        return told

    async def stop(self, grace: float = GRACE_S) -> None:
        """End in order."""
        await asyncio.gather(*(front.stop(grace) for _, front in self._fronts))
        await self._relay.stop(grace)


def owners_of(settings: OwnersSettings | None, folder: Path, hostname: str) -> Owners:
    """Who says whose mail it is.

    Raises:
        ConfigError: the file cannot be read.
    """
    by_domain = ByDomain(hostname)
    if settings is None:
        return by_domain
    if settings.file is not None:
        return ByFile(folder / settings.file, by_domain)
    return ByCommand(tuple(settings.command or ()), by_domain)
