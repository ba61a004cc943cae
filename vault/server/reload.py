"""Files that take effect when they change: certificates and the deny-list.

Looked at once a second, rather than on a signal: the tools that renew certificates write files and know nothing of
our process, and a serial put on the deny-list must count without a second step that somebody can forget. A state
that cannot be read is reported once and the one before stays in force; so a bad deny-list never opens the door.
"""

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path

from vault.errors import ConfigError
from vault.server.certificates import Stamp, stamp
from vault.server.logs import exception, log

PERIOD_SECONDS = 1.0


class Watched:
    """Some files and what reads them."""

    def __init__(self, paths: Iterable[Path], reload: Callable[[], None]) -> None:
        """Watch files; the first look reads them, so nothing is missed since somebody else read them."""
        self._paths = tuple(paths)
        self._reload = reload
        self._seen: Stamp | None = None

    def look(self) -> None:
        """Read the files again if one has changed."""
        now = stamp(self._paths)
        if now == self._seen:
            return
        # Noted before reading: what is written meanwhile is seen at the next look.
        self._seen = now
        try:
            self._reload()
        except ConfigError as error:
            log.error("file refused, what was read before stays", file=error.file, key=error.key, why=error.why)
        else:
            log.info("file read", file=str(self._paths[0]))


async def keep_current(watched: Iterable[Watched]) -> None:
    """Look at the files until cancelled; in a thread, since a file system may hang."""
    watched = list(watched)
    while True:
        await asyncio.sleep(PERIOD_SECONDS)
        for each in watched:
            try:
                await asyncio.to_thread(each.look)
            except Exception as error:  # noqa: BLE001 - whatever it is, the next look must come: it may bring a deny-list
                log.error("cannot look at a file", **exception(error))
