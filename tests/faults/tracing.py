"""Faults put into a server's system calls with strace: the N-th call on the stores' files fails, or ends the process.

Only calls on the two databases and their write-ahead logs are counted and touched (`strace -P`), so N means the same in
every run of one operation, but for the checkpoints that a server signs once a second.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from tests.abuse import disk
from tests.faults.server import Server

KILL = "SIGKILL"


@dataclass(frozen=True, slots=True)
class Point:
    """One fault: the `when`-th `call` fails with an error, or never begins because the process is killed."""

    call: str
    fault: str
    """EIO, ENOSPC or SIGKILL."""
    when: int

    def options(self, home: Path, output: Path) -> list[str]:
        """Of strace."""
        what = "signal" if self.fault == KILL else "error"
        inject = f"inject={self.call}:{what}={self.fault}:when={self.when}"
        return ["-f", "-o", str(output), *_paths(home), "-e", f"trace={self.call}", "-e", inject]


def _paths(home: Path) -> list[str]:
    stores = [str(home / store) for store in (disk.DATA, disk.KEYS)]
    return [option for store in stores for suffix in ("", "-wal", "-shm") for option in ("-P", f"{store}{suffix}")]


class Tracing:
    """What became of a point, once its block has ended."""

    def __init__(self, output: Path) -> None:
        self._output = output
        self.killed = False

    @property
    def lines(self) -> list[str]:
        """What strace wrote: one call a line, unless two overlap."""
        return self._output.read_text().splitlines()

    @property
    def hit(self) -> bool:
        """Whether the fault was reached."""
        return self.killed or "(INJECTED)" in self._output.read_text()


@contextlib.asynccontextmanager
async def traced(server: Server, point: Point) -> AsyncIterator[Tracing]:
    """Put a point into a server that runs, until the block ends."""
    output = server.home.parent / "strace.txt"
    command = ["strace", *point.options(server.home, output), "-p", str(server.process.pid)]
    strace = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
    assert strace.stderr is not None
    line = await strace.stderr.readline()
    assert b"attached" in line, line
    tracing = Tracing(output)
    try:
        yield tracing
    finally:
        tracing.killed = point.fault == KILL and await _gone(server)
        if strace.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                strace.terminate()
        while strace.returncode is None:
            # A tracer lets go of a process that has ended only when its parent has taken note of it.
            server.process.poll()
            await asyncio.sleep(0.02)


async def _gone(server: Server) -> bool:
    """Whether a signal has ended it, after the moment that this takes."""
    for _ in range(50):
        if server.process.poll() is not None:
            return True
        await asyncio.sleep(0.02)
    return False
