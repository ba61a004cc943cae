"""No exception passes: what clients get, what the log gets, and what neither gets."""

import asyncio
import io
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from google.protobuf.wrappers_pb2 import BytesValue
from google.rpc import error_details_pb2 as details  # type: ignore[import-untyped]
from grpc_status import rpc_status  # type: ignore[import-untyped]
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.frames import GET_CONTACT
from tests.server.running import CANARY, FakeVault, call_bytes, failure, get, getter, place, running
from vault.errors import NotFound, PermissionDenied, Unauthenticated, Unavailable
from vault.server import port
from vault.server.boundary import Context, Guard
from vault.v1 import contact_service_pb2 as contacts
from vault.v1 import status_pb2 as v1


def raising(error: BaseException) -> Callable[[Message], Any]:
    """Work that fails."""

    async def work(_: Message) -> Message:
        raise error

    return work


class Panic(BaseException):
    """What a Rust extension raises: no Exception."""


@pytest.mark.parametrize("bug", [ValueError(CANARY), KeyError(CANARY), Panic(CANARY), TimeoutError(CANARY)], ids=repr)
async def test_a_bugs_text_reaches_neither_client_nor_log(
    bug: BaseException, tmp_path: Path, log: io.StringIO, capfd: pytest.CaptureFixture[str]
) -> None:
    """Both get the correlation id, the log type and place as well."""
    async with running(place(tmp_path), FakeVault(raising(bug))) as server, server.channel() as channel:
        error = await failure(get(channel))
    assert error.code() is grpc.StatusCode.INTERNAL
    assert CANARY not in repr(error)
    correlation = server.vault.calls[0][3]
    assert error.details() == f"internal error, see the server's log at {correlation}"
    line = next(line for line in map(json.loads, log.getvalue().splitlines()) if line["event"] == "internal error")
    assert line["correlation"] == correlation
    assert line["error"].endswith(type(bug).__name__)
    assert "test_boundary.py" in line["at"][-1]
    assert CANARY not in log.getvalue()
    assert CANARY not in "".join(capfd.readouterr())


async def test_the_vaults_own_errors_come_with_details_and_checkpoint(tmp_path: Path) -> None:
    """As google.rpc.Status, which clients of any language take apart."""
    denied = PermissionDenied(v1.REASON_PURPOSE_NOT_ALLOWED, "not your purpose", purpose="news", clause="We use …")
    async with running(place(tmp_path), FakeVault(raising(denied))) as server, server.channel() as channel:
        request = getter(channel)(contacts.GetContactRequest(customer_id="1"), timeout=10)
        assert (await failure(request)).code() is grpc.StatusCode.PERMISSION_DENIED
        said = await rpc_status.aio.from_call(request)
        trailing = dict(await request.trailing_metadata() or ())
    info = details.ErrorInfo()
    assert said.details[0].Unpack(info)
    assert info.reason == "PURPOSE_NOT_ALLOWED"
    assert info.metadata["purpose"] == "news"
    assert trailing[port.CHECKPOINT] == b"a signed checkpoint"


async def test_who_must_act_is_in_the_log_and_ordinary_refusals_are_not(tmp_path: Path, log: io.StringIO) -> None:
    """An operator's error is a line; a customer who is not there is none."""
    vault = FakeVault(raising(Unavailable("the disk is gone")))
    async with running(place(tmp_path), vault) as server, server.channel() as channel:
        await failure(get(channel))
        vault.work = raising(NotFound("no such customer"))
        await failure(get(channel))
    assert "the disk is gone" in log.getvalue()
    assert "no such customer" not in log.getvalue()


async def test_an_answer_that_cannot_be_serialized_is_internal(tmp_path: Path) -> None:
    """A bug of ours, inside of the boundary too."""

    async def nothing(_: Message) -> Any:
        return None

    async with running(place(tmp_path), FakeVault(nothing)) as server, server.channel() as channel:
        error = await failure(get(channel))
    assert error.code() is grpc.StatusCode.INTERNAL
    assert "internal error" in (error.details() or "")


async def test_a_log_that_cannot_say_its_checkpoint_ends_at_the_boundary_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether the call itself works or is refused."""

    def broken(_: object) -> bytes:
        raise ValueError(CANARY)

    vault = FakeVault()
    async with running(place(tmp_path), vault) as server, server.channel() as channel:
        monkeypatch.delattr(vault, "checkpoint")
        monkeypatch.setattr(FakeVault, "checkpoint", property(broken))
        for request in (b"", b"\xff"):
            error = await failure(call_bytes(channel, GET_CONTACT, request))
            assert error.code() is grpc.StatusCode.INTERNAL
            assert CANARY not in repr(error)


MALFORMED = {
    "random": b"\xff\xff\xff\xff" + CANARY.encode(),
    "truncated": b"\x0a\x7f" + CANARY.encode(),
    "no UTF-8": b"\x0a\x03\xff\xfe\xfd",
    "wrong wire type": b"\x08\x01",
    "a group that never ends": b"\x7b" * 200,
}


@pytest.mark.parametrize("case", MALFORMED)
async def test_bytes_that_are_no_message_are_refused_without_echo(case: str, tmp_path: Path, log: io.StringIO) -> None:
    """INVALID_ARGUMENT, a fixed text, and nothing reaches the vault."""
    async with running(place(tmp_path)) as server, server.channel() as channel:
        if case == "wrong wire type":
            # protobuf takes it for an unknown field: the id stays empty, and the vault's shape rules refuse that.
            await call_bytes(channel, GET_CONTACT, MALFORMED[case])
            return
        error = await failure(call_bytes(channel, GET_CONTACT, MALFORMED[case]))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert error.details() == "request: is not a message of this method's type"
    assert CANARY not in repr(error)
    assert CANARY not in log.getvalue()
    assert server.vault.calls == []


async def test_any_bytes_get_an_answer_of_ours(tmp_path: Path) -> None:
    """Two hundred random requests over one connection: served or refused, never anything else."""
    codes = set()
    async with running(place(tmp_path)) as server, server.channel() as channel:

        async def ask(content: bytes) -> None:
            try:
                await call_bytes(channel, GET_CONTACT, content)
            except grpc.aio.AioRpcError as error:
                codes.add(error.code())

        loop = asyncio.get_running_loop()

        @settings(max_examples=200, suppress_health_check=list(HealthCheck))
        @given(st.binary(max_size=200))
        def explore(content: bytes) -> None:
            asyncio.run_coroutine_threadsafe(ask(content), loop).result(10)

        await asyncio.to_thread(explore)
    assert codes <= {grpc.StatusCode.INVALID_ARGUMENT}


@pytest.mark.parametrize(
    "method", ["/vault.v1.ContactService/Nothing", "/no.Such/Service", "/vault.v1.ContactService/"]
)
async def test_an_unknown_method_is_unimplemented(method: str, tmp_path: Path) -> None:
    """A plain answer, without the name that was asked for."""
    async with running(place(tmp_path)) as server, server.channel() as channel:
        error = await failure(call_bytes(channel, method, CANARY.encode()))
        await get(channel)
    assert error.code() is grpc.StatusCode.UNIMPLEMENTED
    assert method not in (error.details() or "")


# --- methods of libraries, in all four arities ---------------------------------------------------------------------


async def unary_unary(request: BytesValue, context: Context) -> BytesValue:
    """Fails."""
    raise ValueError(CANARY)


async def unary_stream(request: BytesValue, context: Context) -> AsyncIterator[BytesValue]:
    """Answers once, then fails."""
    yield request
    raise ValueError(CANARY)


async def unary_written(request: BytesValue, context: Any) -> None:
    """Writes once by itself, then fails."""
    await context.write(request)
    raise ValueError(CANARY)


async def stream_unary(requests: AsyncIterator[BytesValue], context: Context) -> BytesValue:
    """Reads all, then fails."""
    async for _ in requests:
        pass
    raise ValueError(CANARY)


async def stream_stream(requests: AsyncIterator[BytesValue], context: Context) -> AsyncIterator[BytesValue]:
    """Echoes, then fails."""
    async for request in requests:
        yield request
    raise ValueError(CANARY)


CODEC: Any = {"request_deserializer": BytesValue.FromString, "response_serializer": BytesValue.SerializeToString}
ARITIES: dict[str, tuple[Any, int]] = {
    "unary_unary": (grpc.unary_unary_rpc_method_handler(unary_unary, **CODEC), 0),
    "unary_stream": (grpc.unary_stream_rpc_method_handler(unary_stream, **CODEC), 1),
    "unary_written": (grpc.unary_stream_rpc_method_handler(unary_written, **CODEC), 1),
    "stream_unary": (grpc.stream_unary_rpc_method_handler(stream_unary, **CODEC), 0),
    "stream_stream": (grpc.stream_stream_rpc_method_handler(stream_stream, **CODEC), 2),
}


async def exchange(arity: str, requests: list[bytes], guard: Guard) -> tuple[list[bytes], grpc.aio.AioRpcError]:
    """Serve one guarded method, call it, and return its answers and its error."""
    server = grpc.aio.server()
    handler = guard.wrap(arity, ARITIES[arity][0])
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("test.T", {"M": handler})])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    answers: list[bytes] = []
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            kind = arity.replace("written", "stream")
            call = getattr(channel, kind)("/test.T/M")(
                iter(requests) if handler.request_streaming else requests[0], timeout=10
            )
            try:
                if handler.response_streaming:
                    async for answer in call:
                        answers.append(answer)  # noqa: PERF401 - those before the error count
                else:
                    answers.append(await call)
            except grpc.aio.AioRpcError as error:
                return answers, error
    finally:
        await server.stop(None)
    raise AssertionError("the call should have failed")


TWO = [BytesValue(value=b"one").SerializeToString(), BytesValue(value=b"two").SerializeToString()]


@pytest.mark.parametrize("arity", ARITIES)
async def test_a_bug_in_any_arity_ends_at_the_boundary(
    arity: str, log: io.StringIO, capfd: pytest.CaptureFixture[str]
) -> None:
    """What was answered before it arrives; then the fixed text."""
    answers, error = await exchange(arity, TWO, Guard(lambda _: None))
    assert answers == TWO[: ARITIES[arity][1]]
    assert error.code() is grpc.StatusCode.INTERNAL
    assert (error.details() or "").startswith("internal error, see the server's log at ")
    assert CANARY not in repr(error) + log.getvalue() + "".join(capfd.readouterr())


@pytest.mark.parametrize("arity", ARITIES)
async def test_bytes_that_are_no_message_end_at_the_boundary_in_any_arity(arity: str) -> None:
    """Parsing is inside; a stream keeps what was answered before."""
    answers, error = await exchange(arity, [b"\xff" + CANARY.encode()], Guard(lambda _: None))
    assert answers == []
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert CANARY not in repr(error)


@pytest.mark.parametrize("arity", ARITIES)
async def test_a_caller_whom_we_do_not_know_gets_nothing_in_any_arity(arity: str) -> None:
    """Asked before the request is looked at."""

    def nobody(_: Context) -> None:
        raise Unauthenticated("who are you?")

    answers, error = await exchange(arity, [b"\xff"], Guard(nobody))
    assert answers == []
    assert error.code() is grpc.StatusCode.UNAUTHENTICATED
