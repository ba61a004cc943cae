"""Messages that flow through a vault and a gateway to a next hop, each a process that may be killed at any moment.

The sender does what a mail server does: it sends a message until it is told 250, under the same name in its queue.
"""

import asyncio
import contextlib
import hashlib
import random
import re
import signal
import subprocess
import sys
import urllib.request
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.server import Server
from tests.gateway.postfix import ROOT, free_ports
from tests.gateway.running import GatewayProcess, configure
from tests.gateway.talk import Client

SENDERS = 4
WORKERS = 3
PATIENCE_S = 240.0
LEASE_S = 4


@dataclass
class Flow:
    """Three processes, and what became of the messages."""

    home: Path
    chance: random.Random
    lmtp: int
    hop: int
    sent: dict[str, str] = field(default_factory=dict)
    """Digests of what was told 250, by recipient."""
    repeated: int = 0
    """How often something else than 250 came, or nothing."""
    kills: Counter[str] = field(default_factory=Counter)
    server: Server | None = None
    gateway: GatewayProcess | None = None
    sink: "subprocess.Popen[bytes] | None" = None
    admin: str = ""

    @property
    def arrivals(self) -> Path:
        """What the next hop took."""
        return self.home.parent / "arrivals"

    async def start_vault(self) -> None:
        """Until it answers."""
        self.server = await Server.begin(self.home).ready()

    async def start_gateway(self) -> None:
        """Until it takes mail."""
        config = configure(
            self.home, lmtp=self.lmtp, hop=f"smtp:127.0.0.1:{self.hop}", workers=WORKERS, lease=LEASE_S, retry=0.5
        )
        self.gateway = GatewayProcess.begin(config)
        _, self.admin = await self.gateway.ready()

    def start_sink(self) -> None:
        """Without waiting: the gateway does."""
        command = [sys.executable, "-m", "tests.faults.mail_sink", str(self.hop), str(self.arrivals)]
        self.sink = subprocess.Popen(command, cwd=ROOT)

    async def kill_one(self) -> None:
        """Any of the three; then it is started again."""
        which = self.chance.choice(("vault", "gateway", "hop"))
        self.kills[which] += 1
        if which == "vault" and self.server:
            self.server.kill()
            await self.server.ended()
            await self.start_vault()
        elif which == "gateway" and self.gateway:
            await self.gateway.kill()
            await self.start_gateway()
        elif self.sink:
            self.sink.kill()
            self.sink.wait()
            self.start_sink()

    async def send_all(self, number: int) -> None:
        """So many messages, by a few senders at once."""
        left = iter(range(number))

        async def sender() -> None:
            for index in left:
                await self._send(index)

        await asyncio.gather(*(sender() for _ in range(SENDERS)))

    async def _send(self, index: int) -> None:
        recipient = f"u{index}@d{index % 7}.example"
        size = self.chance.choice((0, 100, 5_000, 70_000, 200_000))
        text = b"Subject: %d\r\n\r\n" % index + self.chance.randbytes(size).hex().encode()[:size] + b"\r\n"
        text = re.sub(rb"(.{900})", rb"\1\r\n", text)
        while not await self._taken(f"Q{index:08d}", recipient, text):
            self.repeated += 1
            await asyncio.sleep(0.2)
        self.sent[recipient] = hashlib.sha256(text).hexdigest()

    async def _taken(self, queue_id: str, recipient: str, text: bytes) -> bool:
        with contextlib.suppress(OSError, AssertionError, TimeoutError):
            async with Client(f"127.0.0.1:{self.lmtp}") as client:
                await client.greet()
                await client.say(f"XFORWARD IDENT={queue_id}")
                await client.begin(recipient)
                client.send(text + b".\r\n")
                return (await client.reply()).startswith("250")
        return False

    async def emptied(self) -> None:
        """Wait until the vault keeps nothing."""
        async with asyncio.timeout(PATIENCE_S):
            while "customer_vault_mail_waiting 0.0" not in await asyncio.to_thread(self._page):  # noqa: ASYNC110
                await asyncio.sleep(0.3)

    def _page(self) -> str:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"http://{self.admin}/metrics") as answer:
            return str(answer.read().decode())
        return ""

    def arrived(self) -> Counter[tuple[str, str]]:
        """How often each message, by recipient and digest, was taken by the next hop."""
        lines = self.arrivals.read_text().splitlines()
        # A line that was cut off by a kill was never answered for.
        return Counter(
            (words[0], words[1]) for line in lines if len(words := line.split()) == 2 and len(words[1]) == 64
        )


@asynccontextmanager
async def flowing(home: Path, seed: int) -> AsyncIterator[Flow]:
    """All three, and their end."""
    lmtp, hop = free_ports(2)
    flow = Flow(home, random.Random(seed), lmtp, hop)
    try:
        flow.start_sink()
        await flow.start_vault()
        await flow.start_gateway()
        yield flow
        if flow.gateway and flow.server:
            await flow.gateway.stop()
            await flow.server.stop()
    finally:
        if flow.gateway and flow.gateway.process.poll() is None:
            await flow.gateway.kill()
        if flow.server and flow.server.process.poll() is None:
            flow.server.kill()
            await flow.server.ended()
        if flow.sink:
            flow.sink.send_signal(signal.SIGKILL)
            flow.sink.wait()
