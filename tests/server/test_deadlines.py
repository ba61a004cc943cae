"""No call runs for ever, whoever set its deadline, or nobody."""

import asyncio
from pathlib import Path

import grpc
import pytest
from google.protobuf.message import Message

from tests.frames import headers, message
from tests.server.running import FakeVault, Slow, failure, get, place, running
from tests.server.wire import Wire
from vault.server import handlers


async def test_a_call_without_a_deadline_gets_the_default(tmp_path: Path) -> None:
    """And DEADLINE_EXCEEDED from us, with the reason."""
    slow = Slow(30)
    made = place(tmp_path, "default_deadline_seconds = 0.3")
    async with running(made, FakeVault(slow.work)) as server, server.channel() as channel:
        error = await failure(get(channel, seconds=None))
    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert error.details() == "the deadline has passed"
    assert 0.2 < slow.stopped.result() < 3


async def test_a_callers_own_deadline_may_be_longer_than_the_default(tmp_path: Path) -> None:
    """It is a default and no maximum."""
    slow = Slow(0.6)
    made = place(tmp_path, "default_deadline_seconds = 0.2")
    async with running(made, FakeVault(slow.work)) as server, server.channel() as channel:
        await get(channel, seconds=20)
    assert not slow.stopped.done()


async def test_nobodys_deadline_is_longer_than_the_maximum(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A caller who asks for an hour gets the maximum."""
    monkeypatch.setattr(handlers, "MAX_DEADLINE_SECONDS", 0.3)
    slow = Slow(30)
    async with running(place(tmp_path), FakeVault(slow.work)) as server, server.channel() as channel:
        error = await failure(get(channel, seconds=3600))
    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert 0.2 < slow.stopped.result() < 3


async def test_work_stops_at_the_callers_deadline_even_if_the_caller_stays(tmp_path: Path) -> None:
    """The core of gRPC sees to it; this client states 300 ms and then just waits."""
    slow = Slow(30)
    async with running(place(tmp_path), FakeVault(slow.work)) as server:
        with await asyncio.to_thread(Wire, server.place, server.port) as wire:
            wire.send(headers(1, grpc_timeout="300m") + message(1))
            assert 0.2 < await asyncio.wait_for(slow.stopped, 5) < 3


async def test_a_caller_who_hangs_up_stops_the_work(tmp_path: Path) -> None:
    """Nobody waits for the answer."""
    slow = Slow(30)
    async with running(place(tmp_path), FakeVault(slow.work)) as server, server.channel() as channel:
        call = asyncio.create_task(get(channel, seconds=20))
        await slow.started.wait()
        call.cancel()
        await asyncio.wait_for(slow.stopped, 5)


async def test_a_timeout_of_the_vaults_own_is_not_the_callers_deadline(tmp_path: Path) -> None:
    """A driver that gave up is a mistake that the operator hears of, with or without a deadline."""

    async def work(_: Message) -> Message:
        raise TimeoutError

    async with running(place(tmp_path), FakeVault(work)) as server, server.channel() as channel:
        for seconds in (None, 10):
            assert (await failure(get(channel, seconds=seconds))).code() is grpc.StatusCode.INTERNAL
