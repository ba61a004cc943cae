"""The server's process, to be killed, traced and watched: `customer-vault serve` as users run it, and how it ended."""

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tests.running import _ENVIRONMENT, COMMAND, READY_SECONDS

STORAGE_FAILED = 70
"""The status with which a server ends whose storage cannot be trusted any more."""


@dataclass(frozen=True, slots=True)
class Server:
    """One process; `begin` makes it, `ready` waits until it answers."""

    home: Path
    process: "subprocess.Popen[str]"
    log: Path
    _before: int = 0
    """Bytes of the log that other servers wrote."""

    @classmethod
    def begin(cls, home: Path, environment: Mapping[str, str] | None = None) -> "Server":
        """Start it, with more in its environment if told, and do not wait."""
        log = home.parent / f"{home.name}.log"
        with log.open("a") as file:
            before = file.tell()
            process = subprocess.Popen(
                [*COMMAND, "serve", str(home)],
                stdout=subprocess.PIPE,
                stderr=file,
                text=True,
                env=_ENVIRONMENT | dict(environment or {}),
            )
        return cls(home, process, log, before)

    async def ready(self) -> "Server":
        """Wait for the line that says so."""
        out: IO[str] | None = self.process.stdout
        assert out is not None
        line = await asyncio.wait_for(asyncio.to_thread(out.readline), READY_SECONDS)
        assert line.startswith("ready: "), f"the server did not start: {self.log.read_text()[-2000:]}"
        return self

    @property
    def going(self) -> bool:
        """Whether it has ended, or has said that it cannot go on."""
        return self.process.poll() is not None or b"cannot go on" in self.log.read_bytes()[self._before :]

    def kill(self) -> None:
        """As the kernel or the power switch does."""
        self.process.send_signal(signal.SIGKILL)

    async def ended(self) -> int:
        """Wait for its end; the status."""
        status = await asyncio.to_thread(self.process.wait, READY_SECONDS)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return status

    async def stop(self) -> None:
        """End it in order."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        assert await self.ended() == os.EX_OK, self.log.read_text()[-2000:]


@contextlib.asynccontextmanager
async def served(home: Path) -> AsyncIterator[Server]:
    """A server that answers; at the end it is stopped, if the block has left it alive."""
    server = Server.begin(home)
    try:
        yield await server.ready()
    except BaseException:
        server.kill()
        await server.ended()
        raise
    if server.process.poll() is None:
        await server.stop()
