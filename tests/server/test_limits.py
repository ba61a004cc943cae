"""Too much of anything: refused with a clear status, nothing echoed, and others are served meanwhile."""

import asyncio
import contextlib
import socket
import time
from pathlib import Path

import grpc
import pytest

from tests.frames import ACK, DATA, GET_CONTACT, PING, SETTINGS, frame, headers, message, reset
from tests.server.running import (
    CANARY,
    FakeVault,
    Running,
    call_bytes,
    failure,
    get,
    hello,
    place,
    running,
)
from tests.server.wire import Wire
from vault.v1 import contact_service_pb2 as contacts

FIVE_MIB = 5 * 1024 * 1024
EXHAUSTED = grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_a_message_of_5_mib_is_refused_without_echo(tmp_path: Path) -> None:
    """Before it is parsed; the connection goes on."""
    async with running(place(tmp_path)) as server, server.channel(max_send_message_length=-1) as channel:
        error = await failure(get(channel, (CANARY * FIVE_MIB)[:FIVE_MIB]))
        assert error.code() is EXHAUSTED
        assert CANARY not in repr(error)
        assert server.vault.calls == []
        await get(channel)


async def test_an_answer_of_17_mib_is_refused_and_one_of_15_is_sent(tmp_path: Path) -> None:
    """A page that grew too large is our error and not the client's memory's."""

    async def large(request: contacts.GetContactRequest) -> contacts.GetContactResponse:
        response = contacts.GetContactResponse()
        response.contact.name = CANARY.ljust(int(request.customer_id) << 20, "x")
        return response

    vault = FakeVault(large)  # type: ignore[arg-type]
    async with running(place(tmp_path), vault) as server, server.channel(max_receive_message_length=-1) as channel:
        error = await failure(get(channel, "17"))
        assert error.code() is EXHAUSTED
        assert CANARY not in repr(error)
        assert len((await get(channel, "15")).contact.name) == 15 << 20


async def test_metadata_of_64_kib_is_refused_without_echo(tmp_path: Path) -> None:
    """By gRPC's core, before Python sees it."""
    metadata = (("x-large", (CANARY * 4000)[: 64 * 1024]),)
    async with running(place(tmp_path)) as server, server.channel() as channel:
        call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(GET_CONTACT)
        error = await failure(call(b"", metadata=metadata, timeout=10))
        assert error.code() is EXHAUSTED
        assert CANARY not in repr(error)
        assert server.vault.calls == []
        await get(channel)


@pytest.mark.parametrize("algorithm", [grpc.Compression.Gzip, grpc.Compression.Deflate])
async def test_a_compressed_request_is_refused_unopened(algorithm: grpc.Compression, tmp_path: Path) -> None:
    """So a small one cannot unpack to gigabytes."""
    async with running(place(tmp_path)) as server, server.channel() as channel:
        call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(GET_CONTACT)
        error = await failure(call(b"\x0a" + bytes(1000), compression=algorithm, timeout=10))
        assert error.code() is grpc.StatusCode.UNIMPLEMENTED
        assert server.vault.calls == []
        await get(channel)


async def test_nesting_without_end_is_refused(tmp_path: Path) -> None:
    """One hundred levels is protobuf's own limit; unknown groups nest in any message."""
    async with running(place(tmp_path)) as server, server.channel() as channel:
        error = await failure(call_bytes(channel, GET_CONTACT, b"\x7b" * 100_000 + b"\x7c" * 100_000))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert server.vault.calls == []


async def worst(server: Running, calls: int = 30) -> float:
    """The longest of some calls over a new connection, in seconds, connecting included."""
    longest = 0.0
    async with server.channel() as channel:
        for _ in range(calls):
            start = time.perf_counter()
            await get(channel)
            longest = max(longest, time.perf_counter() - start)
    return longest


async def test_silent_connections_block_nobody_and_are_closed(tmp_path: Path) -> None:
    """A hundred that never say a word: without the handshake limit they would stay for two minutes."""
    async with running(place(tmp_path)) as server:
        silent = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(100)]
        try:
            assert await worst(server) < 2
            start = time.monotonic()
            async with asyncio.timeout(20):
                for each in silent:
                    each.settimeout(0)
                    with contextlib.suppress(ConnectionError):
                        while await asyncio.get_running_loop().sock_recv(each, 1024):
                            pass
            assert time.monotonic() - start < 10
        finally:
            for each in silent:
                each.close()


async def test_half_sent_calls_block_nobody(tmp_path: Path) -> None:
    """Sixty on one connection, each waiting for the rest of its message."""
    async with running(place(tmp_path)) as server:
        with await asyncio.to_thread(Wire, server.place, server.port) as wire:
            for number in range(60):
                stream = 2 * number + 1
                wire.send(headers(stream) + frame(DATA, 0, stream, message(stream)[9:12]))
            wire.send(frame(PING, 0, 0, b"all read"))
            await asyncio.to_thread(wire.until, frame(PING, ACK, 0, b"all read"))
            assert await worst(server) < 2
        assert len(server.vault.calls) == 30


async def test_rapid_resets_fail_nobody_elses_calls(tmp_path: Path) -> None:
    """Two seconds of opening and taking back as fast as one connection can; without the limit a third fails."""

    def attack(until: float) -> int:
        opened = 0
        with Wire(server.place, server.port) as wire:
            wire.send(frame(SETTINGS, ACK, 0, b""))
            while time.monotonic() < until:
                streams = [2 * number + 1 for number in range(opened, opened + 50)]
                wire.send(b"".join(headers(stream) + reset(stream) for stream in streams))
                opened += 50
                time.sleep(0.001)
        return opened

    served = 0
    async with running(place(tmp_path)) as server, server.channel() as channel:
        attacker = asyncio.create_task(asyncio.to_thread(attack, time.monotonic() + 2))
        while not attacker.done():
            await get(channel, seconds=10)
            served += 1
        assert await attacker > 1000
    assert served > 0


async def test_more_calls_at_a_time_than_a_connection_may_have_are_refused_and_not_half_served(tmp_path: Path) -> None:
    """The price of the line above, so a client keeps below it: what is refused, never reached the vault."""
    release = asyncio.Event()

    async def wait(request: object) -> contacts.GetContactResponse:
        await release.wait()
        return contacts.GetContactResponse()

    vault = FakeVault(wait)
    async with running(place(tmp_path, "max_concurrent_streams = 8"), vault) as server, server.channel() as channel:
        calls = [asyncio.create_task(get(channel)) for _ in range(50)]
        await asyncio.sleep(0.5)
        assert len(vault.calls) == 8
        release.set()
        answers = await asyncio.gather(*calls, return_exceptions=True)
    refused = [answer for answer in answers if isinstance(answer, grpc.aio.AioRpcError)]
    assert {error.code() for error in refused} <= {grpc.StatusCode.UNAVAILABLE}
    assert len(answers) - len(refused) == len(vault.calls) == len(vault.finished)


async def test_a_slow_reader_blocks_nobody(tmp_path: Path) -> None:
    """It asks for megabytes and reads none of them."""

    async def large(request: contacts.GetContactRequest) -> object:
        if request.customer_id != "large":
            return await hello(request)
        response = contacts.GetContactResponse()
        response.contact.name = "x" * (8 << 20)
        return response

    async with running(place(tmp_path), FakeVault(large)) as server:  # type: ignore[arg-type]
        with await asyncio.to_thread(Wire, server.place, server.port) as wire:
            request = contacts.GetContactRequest(customer_id="large").SerializeToString()
            for number in range(10):
                wire.send(headers(2 * number + 1) + message(2 * number + 1, request))
            assert await worst(server) < 2
