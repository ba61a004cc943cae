"""Health and reflection: libraries' methods, served like ours."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2  # type: ignore[import-untyped]
from grpc_reflection.v1alpha import reflection_pb2  # type: ignore[import-untyped]

from tests.server.running import Running, ask_health, call_bytes, failure, place, running

WATCH = "/grpc.health.v1.Health/Watch"
REFLECT = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"


@contextlib.asynccontextmanager
async def watching(server: Running) -> AsyncIterator["grpc.aio.UnaryStreamCall[bytes, bytes]"]:
    """A client that watches health."""
    async with server.channel() as channel:
        watch: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] = channel.unary_stream(WATCH)
        yield watch(b"")


def state(answer: object) -> str:
    """What a watcher was told."""
    assert isinstance(answer, bytes)
    told = health_pb2.HealthCheckResponse.FromString(answer).status
    name: str = health_pb2.HealthCheckResponse.ServingStatus.Name(told)
    return name


async def test_a_watcher_hears_of_the_stop_and_does_not_hold_it_up(tmp_path: Path) -> None:
    """It is told, then sent elsewhere; without that its stream would keep the server for the whole grace."""
    async with running(place(tmp_path)) as server, watching(server) as watch:
        assert state(await watch.read()) == "SERVING"
        server.stop.ask()
        assert state(await watch.read()) == "NOT_SERVING"
        error = await failure(watch.read())
        assert error.code() is grpc.StatusCode.UNAVAILABLE
        assert error.details() == "the server is stopping: call again"
        await asyncio.wait_for(server.task, 2)


async def test_a_watcher_who_leaves_is_forgotten(tmp_path: Path) -> None:
    """Its place is free again."""
    async with running(place(tmp_path, "max_concurrent_streams = 2"), None) as server:
        for _ in range(5):
            async with watching(server) as watch:
                assert state(await watch.read()) == "SERVING"
                watch.cancel()
        async with server.channel() as channel:
            assert await ask_health(channel) == "SERVING"


async def test_health_of_an_unknown_service_is_not_found(tmp_path: Path) -> None:
    """The library's own abort passes the boundary as it is."""
    async with running(place(tmp_path)) as server, server.channel() as channel:
        assert (await failure(ask_health(channel, "no.Such"))).code() is grpc.StatusCode.NOT_FOUND


async def test_reflection_is_off_unless_switched_on(tmp_path: Path) -> None:
    """It tells nothing secret, and still nobody needs it in production."""
    async with running(place(tmp_path)) as server, server.channel() as channel:
        assert (await failure(call_bytes(channel, REFLECT, b""))).code() is grpc.StatusCode.UNIMPLEMENTED


async def test_reflection_lists_what_is_served(tmp_path: Path) -> None:
    """And nothing else: a service that is in the .proto files but not served is not there."""
    async with running(place(tmp_path, "reflection = true")) as server, server.channel() as channel:
        reflect: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream(REFLECT)
        call = reflect(iter([reflection_pb2.ServerReflectionRequest(list_services="").SerializeToString()]))
        answer = await call.read()
    assert isinstance(answer, bytes)
    listed = reflection_pb2.ServerReflectionResponse.FromString(answer).list_services_response.service
    assert [service.name for service in listed] == [
        "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection",
        "vault.v1.ContactService",
    ]
