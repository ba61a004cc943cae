"""The gateway's process: `customer-vault mail-gateway` as users run it."""

import asyncio
import os
import re
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tests.running import _ENVIRONMENT, COMMAND, READY_SECONDS


def configure(
    home: Path, *, lmtp: int, hop: str, workers: int = 2, smtp: int | None = None, lease: int = 120, retry: float = 30.0
) -> Path:
    """The settings that `init` wrote, with a test's ports."""
    file = home / "callers" / "mail" / "gateway.toml"
    text = re.sub(r"^smtp = .*\n", "", file.read_text(), flags=re.MULTILINE)
    front = f'lmtp = "127.0.0.1:{lmtp}"' + (f'\nsmtp = "127.0.0.1:{smtp}"' if smtp is not None else "")
    text = re.sub(r'^lmtp = "[^"]*"', front, text, flags=re.MULTILINE)
    text = re.sub(r'^next_hop = "[^"]*"', f'next_hop = "{hop}"', text, flags=re.MULTILINE)
    patient = f"lease_seconds = {lease}\nretry_seconds = {retry}"
    text = re.sub(r"^(lease|retry)_seconds = .*\n", "", text, flags=re.MULTILINE)
    text = re.sub(r"^workers = \d+.*", f"workers = {workers}\n{patient}", text, flags=re.MULTILINE)
    file.write_text(text.replace("127.0.0.1:9445", "127.0.0.1:0"))
    return file


def _for_its_owner(path: str, flags: int) -> int:
    """A file of a deployment, where `doctor` minds what others may read."""
    return os.open(path, flags, 0o600)


@dataclass(frozen=True, slots=True)
class GatewayProcess:
    """One that was begun."""

    process: "subprocess.Popen[str]"
    log: Path

    @classmethod
    def begin(cls, config: Path) -> "GatewayProcess":
        """Start it, and do not wait."""
        log = config.parent / "gateway.log"
        with open(log, "a", opener=_for_its_owner) as file:
            process = subprocess.Popen(
                [*COMMAND, "mail-gateway", "--config", str(config)],
                stdout=subprocess.PIPE,
                stderr=file,
                text=True,
                env=_ENVIRONMENT,
            )
        return cls(process, log)

    async def ready(self) -> tuple[list[str], str]:
        """Where it takes mail, and where its figures are."""
        out: IO[str] | None = self.process.stdout
        assert out is not None
        line = await asyncio.wait_for(asyncio.to_thread(out.readline), READY_SECONDS)
        assert line.startswith("ready: "), f"the gateway did not start: {line} {self.log.read_text()[-2000:]}"
        admin = await asyncio.wait_for(asyncio.to_thread(out.readline), READY_SECONDS)
        return line.removeprefix("ready: ").strip().split(", "), admin.split("http://")[1].split("/")[0]

    async def kill(self) -> None:
        """As the kernel does."""
        self.process.send_signal(signal.SIGKILL)
        await self.ended()

    async def ended(self) -> int:
        """Wait for its end."""
        status = await asyncio.to_thread(self.process.wait, READY_SECONDS)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return status

    async def stop(self) -> None:
        """End it in order."""
        self.process.send_signal(signal.SIGTERM)
        assert await self.ended() == os.EX_OK, self.log.read_text()[-2000:]


@asynccontextmanager
async def gateway(config: Path) -> AsyncIterator[tuple[list[str], str]]:
    """A gateway that takes mail, until the block ends; then it must stop in order."""
    process = GatewayProcess.begin(config)
    try:
        yield await process.ready()
    except BaseException:
        await process.kill()
        raise
    await process.stop()
