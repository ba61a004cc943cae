"""Mail under kill -9 (T1) and on a full disk (T4): what was acknowledged comes out whole, what was not leaves nothing.

The real server and the real SDK. A message that got no answer may be there or not; if it is, it is whole. Afterwards
everything is delivered, and rows, chunks and keys are counted: none may be left. One exception is counted: keys are
written before what they lock, so a kill between these two commits leaves keys that lock nothing, which the hourly sweep
retires once they are an hour old; at most one for each message that was on its way.
"""

import asyncio
import hashlib
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from tests.faults.disks import small_disk
from tests.faults.server import Server, served
from tests.figures import Figures
from tests.running import make_home
from tests.service.leftovers import NOTHING, Left, left
from vault.client import MailClient, MailEnvelope
from vault.errors import OutcomeUnknown, ResourceExhausted, Unavailable
from vault.v1.mail_service_pb2 import RECIPIENT_STATE_DELIVERED, DeliveryResult

OWNER = "domains/example.net"
ENVELOPE = MailEnvelope(recipients=("ann@example.net", "bob@example.net"), sender="carl@example.org")
RESULTS = [DeliveryResult(recipient=place, state=RECIPIENT_STATE_DELIVERED, status="2.0.0") for place in range(2)]
SIZES = (0, 900, 70_000, 1_100_000, 3_000_000)
SENDERS = 4
PIECE = 50_000


def body_of(message_id: str, size: int) -> bytes:
    """What a message must be, told by its name alone."""
    return hashlib.shake_256(message_id.encode()).digest(size)


async def pieces(body: bytes) -> AsyncIterator[bytes]:
    """A body as it comes over a line."""
    for at in range(0, len(body), PIECE):
        yield body[at : at + PIECE]


@dataclass
class Post:
    """What was sent, and what became of it."""

    home: Path
    chance: random.Random
    sizes: dict[str, int] = field(default_factory=dict)
    acknowledged: set[str] = field(default_factory=set)
    delivered: dict[str, int] = field(default_factory=dict)
    refused: int = 0
    choice: tuple[int, ...] = SIZES

    async def send(self, mail: MailClient) -> None:
        """Store one message; whatever is answered."""
        message_id, size = f"m{len(self.sizes)}", self.chance.choice(self.choice)
        self.sizes[message_id] = size
        try:
            body = body_of(message_id, size)
            await mail.store(OWNER, ENVELOPE, pieces(body), message_id=message_id, deadline=15)
        except (Unavailable, OutcomeUnknown, ResourceExhausted):
            self.refused += 1
        else:
            self.acknowledged.add(message_id)

    async def busy(self, seconds: float) -> None:
        """Some senders at once, for a while."""
        ends = asyncio.get_running_loop().time() + seconds

        async def sender() -> None:
            async with MailClient.open(self.home / "callers" / "mail") as mail:
                while asyncio.get_running_loop().time() < ends:
                    await self.send(mail)
                    await asyncio.sleep(0.01)

        await asyncio.gather(*(sender() for _ in range(SENDERS)))

    async def deliver(self) -> None:
        """Fetch everything, compare it with what was sent, and say so."""
        async with MailClient.open(self.home / "callers" / "mail") as mail:
            while claimed := (await mail.claim(20)).messages:
                for each in claimed:
                    name = each.message.record_name
                    async with mail.fetch(name, lease_id=each.lease_id) as message:
                        body = b"".join([chunk async for chunk in message.chunks()])
                        assert message.verified
                        assert message.envelope == ENVELOPE
                    message_id = name.rsplit("/", 1)[1]
                    assert body == body_of(message_id, self.sizes[message_id])
                    assert (await mail.complete(name, each.lease_id, RESULTS)).gone
                    self.delivered[message_id] = self.delivered.get(message_id, 0) + 1


async def kill_again_and_again(post: Post, kills: int) -> tuple[int, Left]:
    """Under uploads; then deliver everything. The keys without a message after the last start, and what is left."""
    for _ in range(kills):
        server = await Server.begin(post.home).ready()
        load = asyncio.create_task(post.busy(0.8))
        await asyncio.sleep(post.chance.uniform(0.2, 0.8))
        server.kill()
        await server.ended()
        # Nobody answers any more: those who still wait give up by themselves.
        await asyncio.wait_for(load, 60)
    async with served(post.home):
        swept = left(post.home)
        assert (swept.marks, swept.records) == (0, swept.queue)
        await post.deliver()
        return swept.keys - swept.queue, left(post.home)


async def check_kills(folder: Path, kills: int, seed: int, figures: Figures) -> None:
    """The whole of it."""
    post = Post(await asyncio.to_thread(make_home, folder), random.Random(seed))
    strays, leftovers = await kill_again_and_again(post, kills)
    lost = post.acknowledged - set(post.delivered)
    twice = sum(count - 1 for count in post.delivered.values())
    figures(
        f"{kills} kills: {len(post.sizes)} messages, {len(post.acknowledged)} acknowledged, lost {len(lost)}, "
        f"altered 0, twice {twice}; keys of nothing: {strays}; left behind: {leftovers}"
    )
    assert post.acknowledged
    assert not lost
    assert not twice
    assert 0 <= strays <= kills * SENDERS
    assert leftovers == replace(NOTHING, keys=strays)


@pytest.mark.timeout(240)
async def test_a_killed_server_loses_no_mail_and_keeps_none(tmp_path: Path, figures: Figures) -> None:
    """Killed in the middle of uploads, again and again on the same files."""
    await check_kills(tmp_path, 4, random.randrange(1 << 30), figures)


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("seed", range(4))
async def test_a_hundred_kills_lose_no_mail_and_keep_none(tmp_path: Path, figures: Figures, seed: int) -> None:
    """Four deployments of 25 kills each."""
    await check_kills(tmp_path, 25, seed, figures)


@pytest.mark.timeout(240)
async def test_a_full_disk_refuses_mail_and_recovers(tmp_path: Path, figures: Figures) -> None:
    """Clearly, with nothing half stored; when there is room again the same process goes on."""
    post = Post(await asyncio.to_thread(make_home, tmp_path), random.Random(7), choice=(900, 70_000, 1_100_000))
    with small_disk(post.home / "data", "48m") as disk:
        async with served(post.home):
            await post.busy(0.5)
            assert post.acknowledged
            disk.fill()
            before, refused = len(post.acknowledged), post.refused
            await post.busy(2)
            assert post.refused > refused
            disk.make_room()
            await post.deliver()
            after = post.refused
            for _ in range(100):
                await post.busy(0.1)
                if len(post.acknowledged) > before:
                    break
            await post.deliver()
        async with served(post.home):
            leftovers = left(post.home)
    lost = post.acknowledged - set(post.delivered)
    figures(f"full: {after} messages refused, {len(post.acknowledged)} acknowledged, lost {len(lost)}; {leftovers}")
    assert len(post.acknowledged) > before
    assert not lost
    assert leftovers == NOTHING
