"""Files that take effect when they change: certificates, the deny-list and the policy.

Looked at once a second, and at once on SIGHUP. Not on a signal alone: the tools that renew certificates write files and
know nothing of our process, and a serial put on the deny-list must count without a second step that somebody can
forget. A state that cannot be used is reported once and the one before stays in force; so a bad deny-list never opens
the door, and a bad policy stops nobody.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path

from vault.errors import ConfigError, OperatorError
from vault.server.certificates import Stamp, stamp
from vault.server.logs import exception, log

PERIOD_SECONDS = 1.0


class Watched:
    """Some files and what reads them."""

    def __init__(self, name: str, paths: Iterable[Path], reload: Callable[[], Awaitable[None]]) -> None:
        """Watch files; the first look reads them, so nothing is missed since somebody else read them.

        Args:
            name: for figures.
            paths: the files.
            reload: reads them and takes them over, or raises `ConfigError` and changes nothing.
        """
        self.name = name
        self.accepted = 0
        self.failures = 0
        self.accepted_at = time.time()
        """Seconds since 1970; whoever watches has read the files once to start."""
        self.refused = ""
        """Why the files as they are now are not in force; empty if they are."""
        self._paths = tuple(paths)
        self._reload = reload
        self._seen: Stamp | None = None

    async def look(self, *, again: bool = False) -> None:
        """Read the files if one has changed, or `again` anyway."""
        now = await asyncio.to_thread(stamp, self._paths)
        if now == self._seen and not again:
            return
        # Noted before reading: what is written meanwhile is seen at the next look.
        self._seen = now
        try:
            await self._reload()
        except ConfigError as error:
            self._failed(str(error))
            log.error("file refused, what was read before stays", file=error.file, key=error.key, why=error.why)
        except OperatorError as error:
            # The store cannot take it now; nothing is wrong with the file, so it is tried again.
            self._seen = None
            self._failed(str(error))
        else:
            self.accepted += 1
            self.accepted_at, self.refused = time.time(), ""
            log.info("file read", file=str(self._paths[0]))

    def _failed(self, why: str) -> None:
        self.failures += 1
        self.refused = why


def in_thread(read: Callable[[], None]) -> Callable[[], Awaitable[None]]:
    """For what only reads: in a thread, since a file system may hang."""
    return lambda: asyncio.to_thread(read)


async def keep_current(watched: Iterable[Watched], at_once: asyncio.Event | None = None) -> None:
    """Look at the files until cancelled; `at_once` is set by whoever does not want to wait for the next look."""
    watched, at_once = list(watched), at_once or asyncio.Event()
    while True:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(at_once.wait(), PERIOD_SECONDS)
        again = at_once.is_set()
        at_once.clear()
        for each in watched:
            try:
                await each.look(again=again)
            except Exception as error:  # noqa: BLE001 - whatever it is, the next look must come: it may bring a deny-list
                log.error("cannot look at a file", **exception(error))
