"""Mail under kill -9 of everything, and on a full disk: nothing lost, nothing altered, nothing left behind.

A message may arrive twice, if something was killed after the next hop had it and before the vault knew: those are
counted.
"""

import asyncio
import random
from pathlib import Path

import pytest

from tests.faults.disks import small_disk
from tests.faults.mail_flow import WORKERS, Flow, flowing
from tests.figures import Figures
from tests.running import make_home


async def _kill_while_it_flows(flow: Flow, messages: int, pause: tuple[float, float]) -> None:
    sending = asyncio.create_task(flow.send_all(messages))
    try:
        while not sending.done():
            await asyncio.sleep(flow.chance.uniform(*pause))
            await flow.kill_one()
        await sending
    finally:
        sending.cancel()
    await flow.emptied()


def _check(flow: Flow, messages: int, figures: Figures) -> None:
    arrived = flow.arrived()
    kills = sum(flow.kills.values())
    twice = sum(arrived.values()) - len(arrived)
    figures(
        f"{messages} messages, {kills} kills ({', '.join(f'{n} of {who}' for who, n in sorted(flow.kills.items()))}), "
        f"{flow.repeated} repeated by the sender: 0 lost, 0 altered, {twice} arrived twice"
    )
    assert len(flow.sent) == messages
    assert arrived.keys() == set(flow.sent.items()), "lost, or altered"
    # Each kill hits at most what every worker has under way.
    assert twice <= kills * WORKERS


@pytest.mark.timeout(300)
async def test_kills_lose_and_alter_no_message(tmp_path: Path, figures: Figures) -> None:
    """A sample."""
    home = await asyncio.to_thread(make_home, tmp_path)
    async with flowing(home, random.randrange(1 << 30)) as flow:
        await _kill_while_it_flows(flow, 60, (0.05, 0.5))
        assert sum(flow.kills.values()) > 0
    _check(flow, 60, figures)


@pytest.mark.long
@pytest.mark.timeout(1800)
async def test_a_thousand_messages_survive_kills(tmp_path: Path, figures: Figures) -> None:
    """The whole."""
    home = await asyncio.to_thread(make_home, tmp_path)
    async with flowing(home, 4) as flow:
        await _kill_while_it_flows(flow, 1000, (0.05, 1.0))
    _check(flow, 1000, figures)


@pytest.mark.timeout(300)
async def test_a_full_disk_is_451_and_mail_flows_again_when_there_is_room(tmp_path: Path, figures: Figures) -> None:
    """Nothing of what was refused is left, and the sender's next attempt succeeds."""
    home = await asyncio.to_thread(make_home, tmp_path)
    with small_disk(home / "data", "24m") as disk:
        async with flowing(home, 5) as flow:
            await flow.send_all(3)
            await flow.emptied()
            disk.fill()
            refused = [await flow._taken("QFULL", "full@d.example", b"x" * 60_000 + b"\r\n") for _ in range(3)]
            assert refused == [False, False, False]
            disk.make_room()
            await flow.send_all(6)
            await flow.emptied()
        assert {recipient for recipient, _ in flow.arrived()} == flow.sent.keys()
        figures("3 messages on a full disk: 3 told 451, 0 stored; 6 after it: 6 stored and delivered")
