"""The end of a server: in order, dropping no call; or at once, when the storage has failed."""

import asyncio
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
from google.protobuf.message import Message

from tests.server.running import CANARY, FakeVault, Place, Slow, ask_health, failure, get, hello, place, running
from vault.errors import ConfigError
from vault.server import edge, status
from vault.server.app import Stop, serve
from vault.v1.contact_service_pb2 import GetContactRequest


async def test_calls_in_flight_are_answered_before_the_vault_closes(tmp_path: Path) -> None:
    """Thirty of them; each that was begun is finished."""

    async def work(request: Message) -> Message:
        await asyncio.sleep(0.5)
        return await hello(request)

    async with running(place(tmp_path), FakeVault(work)) as server, server.channel() as channel:
        calls = [asyncio.create_task(get(channel)) for _ in range(30)]
        while len(server.vault.calls) < 30:  # noqa: ASYNC110 - the fake has no event for it
            await asyncio.sleep(0.01)
        server.stop.ask()
        await asyncio.gather(*calls)
        await server.task
    assert len(server.vault.finished) == 30
    assert server.vault.closed


async def test_calls_that_come_too_late_are_told_that_nothing_was_done(tmp_path: Path) -> None:
    """Forty callers, each with its next request on the way: gRPC alone would answer most of them with CANCELLED."""
    begun: set[str] = set()

    async def work(request: Message) -> Message:
        assert isinstance(request, GetContactRequest)
        begun.add(request.customer_id)
        # All of a group are answered at once, so that all their next requests come at once.
        await asyncio.sleep(0.01 - time.monotonic() % 0.01)
        return await hello(request)

    async def caller(channel: grpc.aio.Channel, number: int) -> tuple[str, grpc.aio.AioRpcError]:
        for count in itertools.count():
            try:
                await get(channel, asked := f"c{number}-{count}")
            except grpc.aio.AioRpcError as error:
                return asked, error
        raise AssertionError

    async with running(place(tmp_path), FakeVault(work)) as server, server.channel() as channel:
        callers = [asyncio.create_task(caller(channel, number)) for number in range(40)]
        await asyncio.sleep(0.3)
        server.stop.ask()
        refused = await asyncio.gather(*callers)
        await server.task
    assert not begun & {asked for asked, _ in refused}
    assert len(server.vault.finished) == len(begun)
    assert {error.code() for _, error in refused} == {grpc.StatusCode.UNAVAILABLE}
    assert all("nothing was done" in (error.details() or "") for _, error in refused)
    assert {status.DETAILS_KEY in dict(error.trailing_metadata()) for _, error in refused} == {True}


async def test_health_says_so_first_and_calls_still_work_then(tmp_path: Path) -> None:
    """A balancer that polls has `drain_seconds` to notice; nobody is refused meanwhile."""
    async with running(place(tmp_path, "drain_seconds = 0.5")) as server, server.channel() as channel:
        assert await ask_health(channel) == "SERVING"
        assert await ask_health(channel, "vault.v1.ContactService") == "SERVING"
        server.stop.ask()
        await asyncio.sleep(0.1)
        assert await ask_health(channel) == "NOT_SERVING"
        assert await ask_health(channel, "vault.v1.ContactService") == "NOT_SERVING"
        await get(channel)
        await server.task
        assert (await failure(get(channel))).code() is grpc.StatusCode.UNAVAILABLE


async def test_a_call_that_outlasts_the_grace_is_cut(tmp_path: Path) -> None:
    """Its caller asked for longer than the default deadline; the server does not wait for ever."""
    slow = Slow(30)
    made = place(tmp_path, "default_deadline_seconds = 0.3")
    async with running(made, FakeVault(slow.work)) as server, server.channel() as channel:
        call = asyncio.create_task(get(channel, seconds=30))
        await slow.started.wait()
        server.stop.ask()
        await asyncio.wait_for(server.task, 5)
        assert (await failure(call)).code() in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}
    assert server.vault.closed


async def test_a_grpc_that_does_not_stop_keeps_no_store_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was seen after floods of broken frames: the vault is closed all the same."""
    monkeypatch.setattr(edge, "STOPPING_SECONDS", 0.1)
    stop = grpc.aio.Server.stop

    async def never(server: grpc.aio.Server, grace: float | None) -> None:
        await stop(server, grace)
        await asyncio.Event().wait()

    monkeypatch.setattr("grpc.aio._server.Server.stop", never)
    made = place(tmp_path, "drain_seconds = 0\ndefault_deadline_seconds = 0.1")
    async with running(made) as server:
        server.stop.ask()
        await asyncio.wait_for(server.task, 10)
        assert server.vault.closed


async def test_a_failed_storage_is_not_closed_in_order(tmp_path: Path) -> None:
    """Closing would write to a file of which nobody knows what it holds."""
    made = place(tmp_path, "default_deadline_seconds = 60")
    async with running(made) as server, server.channel() as channel:
        await get(channel)
        await asyncio.to_thread(server.stop.fatal, "the storage cannot sync")
        await asyncio.wait_for(server.task, 5)
    assert not server.vault.closed


async def test_what_cannot_start_closes_the_vault(tmp_path: Path) -> None:
    """A port that is taken is named; stores that were opened are put away."""
    made = place(tmp_path)
    vault = FakeVault()
    async with running(made) as server:
        taken = made.settings.server.model_copy(update={"listen": server.address})
        with pytest.raises(ConfigError, match=rf"server\.listen: cannot listen on {server.address}"):
            await serve(made.settings.model_copy(update={"server": taken}), vault, stop=Stop())
    assert vault.closed


async def test_a_ready_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    """The port is free again and the vault closed."""
    made, vault = place(tmp_path), FakeVault()
    addresses: list[str] = []

    def ready(address: str) -> None:
        addresses.append(address)
        raise OSError("nobody reads this")

    with pytest.raises(OSError, match="nobody"):
        await serve(made.settings, vault, ready=ready)
    assert vault.closed
    again = made.settings.server.model_copy(update={"listen": addresses[0]})
    async with running(Place(made.folder, made.ca, made.settings.model_copy(update={"server": again}))) as server:
        assert server.address == addresses[0]


# --- the process ---------------------------------------------------------------------------------------------------

PROGRAM = """
import asyncio, sys
from pathlib import Path
from vault.server import app
from tests.server.running import FakeVault, hello

async def open_vault(settings, *, fatal):
    async def work(request):
        match request.customer_id:
            case "fail":
                asyncio.get_running_loop().run_in_executor(None, fatal, "the storage cannot sync")
                await asyncio.sleep(0.1)
            case "slow":
                print("begun", flush=True)
                await asyncio.sleep(0.7)
        return await hello(request)

    class Vault(FakeVault):
        async def close(self):
            print("closed", flush=True)

    return Vault(work)

sys.exit(app.run(Path(sys.argv[1]), open_vault, ready=lambda address: print(address, flush=True)))
"""


@dataclass
class Process:
    """A server in a process of its own."""

    popen: "subprocess.Popen[str]"
    address: str

    def said(self) -> str:
        """Its next line on standard output."""
        assert self.popen.stdout is not None
        return self.popen.stdout.readline().strip()

    def end(self) -> tuple[int, str, list[dict[str, object]]]:
        """Wait for it; return status, the rest of its output, and its log."""
        out, log = self.popen.communicate(timeout=20)
        return self.popen.returncode, out.strip(), [json.loads(line) for line in log.splitlines()]


@contextmanager
def process(folder: Path) -> Iterator[Process]:
    """Start one; it is killed at the end if it still runs."""
    command = [sys.executable, "-c", PROGRAM, str(folder / "vault.toml")]
    root = Path(__file__).parents[2]
    environment = os.environ | {"PYTHONPATH": str(root)}
    with subprocess.Popen(
        command, cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as popen:
        try:
            started = Process(popen, "")
            started.address = started.said()
            yield started
        finally:
            popen.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_stops_the_process_in_order(number: signal.Signals, tmp_path: Path) -> None:
    """The call in flight is answered, the vault closes, the status is 0."""
    made = place(tmp_path)
    with process(tmp_path) as server:
        async with made.channel(server.address) as channel:
            call = asyncio.create_task(get(channel, "slow"))
            assert await asyncio.to_thread(server.said) == "begun"
            server.popen.send_signal(number)
            assert (await call).contact.record_name == "customers/slow/contact"
        status, out, log = await asyncio.to_thread(server.end)
    assert (status, out) == (0, "closed")
    assert [line["event"] for line in log if line["event"] != "file read"] == ["serving", "stopping", "stopped"]


async def test_a_second_signal_ends_the_process_at_once(tmp_path: Path) -> None:
    """For an operator who will not wait; the storage survives a kill anyway."""
    made = place(tmp_path)
    with process(tmp_path) as server:
        async with made.channel(server.address) as channel:
            call = asyncio.create_task(get(channel, "slow"))
            assert await asyncio.to_thread(server.said) == "begun"
            server.popen.terminate()
            await asyncio.sleep(0.2)
            server.popen.terminate()
            await failure(call)
        status, out, _ = await asyncio.to_thread(server.end)
    assert (status, out) == (-signal.SIGTERM, "")


async def test_a_failed_storage_ends_the_process_with_status_70(tmp_path: Path) -> None:
    """After the answer that was on its way; nothing is closed, and the log says why."""
    made = place(tmp_path)
    with process(tmp_path) as server:
        async with made.channel(server.address) as channel:
            await get(channel, "fail")
        status, out, log = await asyncio.to_thread(server.end)
    assert (status, out) == (70, "")
    assert {"event": "cannot go on", "why": "the storage cannot sync"}.items() <= log[-1].items()


async def test_failed_handshakes_print_nothing(tmp_path: Path) -> None:
    """The core of gRPC would write a line of its own for each stranger who knocks."""
    place(tmp_path)
    with process(tmp_path) as server:
        for _ in range(3):
            async with grpc.aio.insecure_channel(server.address) as channel:
                await failure(get(channel, CANARY))
        server.popen.terminate()
        status, _, log = await asyncio.to_thread(server.end)
    assert status == 0
    assert {line["event"] for line in log} <= {"serving", "file read", "stopping", "stopped"}
