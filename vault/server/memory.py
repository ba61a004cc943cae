"""Memory that was freed goes back to the system, so that an attack is not paid for until the next restart.

A flood of connections leaves the C library's heaps full of holes: gRPC has freed what it took, yet a block that lives
on at the end of a heap keeps all that lies before it. Nothing is lost, but whoever watches sees memory that rises with
every attack, and cannot tell that from a leak. glibc gives whole free pages back from anywhere in its heaps when it is
asked (`malloc_trim`), and by itself only from their ends.

It is asked when the process has grown by `GROWN` since the last time, so a server that is quiet is left alone: what is
given back must be fetched again by who needs it next. In a thread, since it takes milliseconds, and ctypes lets go of
the interpreter meanwhile. A C library without it (musl) gives back by itself.
"""

import asyncio
import ctypes
import os
from pathlib import Path
from typing import Final

GROWN: Final = 8 << 20
EVERY_SECONDS: Final = 10.0
_RESIDENT: Final = 1
"""Where /proc/self/statm has it, in pages."""


def resident() -> int:
    """Bytes of this process that are in memory."""
    return int(Path("/proc/self/statm").read_text().split()[_RESIDENT]) * os.sysconf("SC_PAGE_SIZE")


class Trimmer:
    """Watches one process."""

    def __init__(self) -> None:
        self._trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        self._before = resident()

    def look(self) -> bool:
        """Give back what is free, if the process has grown; whether it had."""
        if self._trim is None or resident() < self._before + GROWN:
            # Whoever has shrunk by itself is held to that.
            self._before = min(self._before, resident())
            return False
        self._trim(0)
        self._before = resident()
        return True

    async def keep(self) -> None:
        """Look now and then, until cancelled."""
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            await asyncio.to_thread(self.look)
