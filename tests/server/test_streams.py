"""The path of a streaming call: what arrives, what ends it, and that nothing of it is left behind."""

import asyncio
import io
import time
from collections.abc import AsyncGenerator, AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, empty_pb2
from google.protobuf.message import Message

from tests.frames import GET_CONTACT
from tests.server.running import CANARY, PROVISIONING, FakeVault, Running, call_bytes, failure, place, policy, running
from vault.errors import DataLoss, NotFound
from vault.server import edge, lifetime, port, reload, streams
from vault.v1 import mail_service_pb2 as mail

STORE, FETCH = "/vault.v1.MailService/StoreMessage", "/vault.v1.MailService/FetchMessage"
METHODS = dict.fromkeys(("MailService.StoreMessage", "MailService.FetchMessage", "TestService.WatchThings"))
WATCH = "/vault.v1.TestService/WatchThings"
CHUNK = bytes(65_552)


def _add_a_method_that_watches() -> None:
    file = descriptor_pb2.FileDescriptorProto(name="tests/watch.proto", package="vault.v1", syntax="proto3")
    file.dependency.append(empty_pb2.DESCRIPTOR.name)
    service = file.service.add(name="TestService")
    empty = ".google.protobuf.Empty"
    service.method.add(name="WatchThings", input_type=empty, output_type=empty, server_streaming=True)
    service.method.add(
        name="Converse", input_type=empty, output_type=empty, server_streaming=True, client_streaming=True
    )
    descriptor_pool.Default().Add(file)


_add_a_method_that_watches()


def fail(error: BaseException) -> None:
    """Raise it."""
    raise error


class Upload:
    """Collects a stream as every method must, whose last message says that it is the last; notes what became of it."""

    def __init__(self, error_at: int = -1, error: BaseException | None = None) -> None:
        self.sizes: list[int] = []
        self.took = asyncio.Event()
        self.ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.error_at, self.error = error_at, error

    async def collect(self, requests: AsyncIterator[Message]) -> Message:
        """Count; fail where the test says so."""
        try:
            async for request in requests:
                assert isinstance(request, mail.StoreMessageRequest)
                if request.HasField("end"):
                    self.ended.set_result("")
                    return mail.StoreMessageResponse(record_name="customers/42/messages/one")
                self.sizes.append(len(request.chunk))
                self.took.set()
                if len(self.sizes) == self.error_at and self.error is not None:
                    fail(self.error)
            fail(EOFError())
        except BaseException as error:
            self.ended.set_result(type(error).__name__)
            raise
        raise AssertionError("unreachable")


class Download:
    """Answers with chunks, and notes when it is closed."""

    def __init__(self, count: int, error: BaseException | None = None, pause: float = 0) -> None:
        self.count, self.error, self.pause = count, error, pause
        self.given = 0
        self.closed: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def stream(self, _: Message) -> AsyncGenerator[Message, None]:
        """So many chunks, then the error, if there is one."""
        try:
            for _number in range(self.count):
                await asyncio.sleep(self.pause)
                self.given += 1
                yield mail.FetchMessageResponse(chunk=CHUNK)
            if self.error is not None:
                fail(self.error)
        except BaseException as error:
            self.closed.set_result(type(error).__name__)
            raise
        self.closed.set_result("")


def vault(**fake: Any) -> FakeVault:
    """One that streams."""
    return FakeVault(methods=METHODS, **fake)


def store(channel: grpc.aio.Channel, seconds: float | None = 10) -> Any:
    """An upload that has begun."""
    kind = mail.StoreMessageRequest.SerializeToString, mail.StoreMessageResponse.FromString
    return channel.stream_unary(STORE, *kind)(timeout=seconds)


def begin(method: Any, request: bytes, seconds: float | None = 10) -> Any:
    """A call of raw bytes."""
    return method(request, timeout=seconds)


def fetch(channel: grpc.aio.Channel, seconds: float | None = 10, method: str = FETCH) -> Any:
    """A download that has begun."""
    return begin(channel.unary_stream(method), b"", seconds)


async def chunks(call: Any, count: int) -> None:
    """Send so many."""
    for _ in range(count):
        await call.write(mail.StoreMessageRequest(chunk=CHUNK))


async def finish(call: Any) -> None:
    """Say that this was all."""
    await call.write(mail.StoreMessageRequest(end=mail.StoreMessageEnd()))
    await call.done_writing()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks often."""
    monkeypatch.setattr(lifetime, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(reload, "PERIOD_SECONDS", 0.02)


async def is_idle(server: Running) -> None:
    """Wait until nothing is under way."""
    async with asyncio.timeout(10):
        while "vault_calls_in_flight 0" not in (await server.page("/metrics"))[1]:  # noqa: ASYNC110 - metrics have no event
            await asyncio.sleep(0.02)


async def test_an_upload_reaches_the_vault_message_by_message_and_its_answer_has_the_checkpoint(tmp_path: Path) -> None:
    """With caller, time and correlation, as any call."""
    upload = Upload()
    async with running(place(tmp_path), vault(collecting=upload.collect)) as server, server.channel() as channel:
        call = store(channel)
        await chunks(call, 3)
        await finish(call)
        assert (await call).record_name == "customers/42/messages/one"
        trailing = dict(await call.trailing_metadata())
        await is_idle(server)
    assert upload.sizes == [len(CHUNK)] * 3
    assert trailing[port.CHECKPOINT] == b"a signed checkpoint"
    ((method, peer, at, correlation),) = server.vault.calls
    assert (method, peer) == ("MailService.StoreMessage", PROVISIONING)
    assert at <= time.time_ns() // 1_000_000
    assert correlation


async def test_a_download_leaves_message_by_message_and_its_end_has_the_checkpoint(tmp_path: Path) -> None:
    """More than the windows of HTTP/2 hold."""
    download = Download(80)
    async with running(place(tmp_path), vault(streaming=download.stream)) as server, server.channel() as channel:
        call = fetch(channel)
        got = [answer async for answer in call]
        trailing = dict(await call.trailing_metadata())
    assert got == [mail.FetchMessageResponse(chunk=CHUNK).SerializeToString()] * 80
    assert trailing[port.CHECKPOINT] == b"a signed checkpoint"
    assert await download.closed == ""
    assert len(server.vault.finished) == 1


async def test_an_upload_that_is_broken_off_leaves_nothing_under_way(tmp_path: Path) -> None:
    """By cancelling or by hanging up, ten times each.

    gRPC may report the end of the stream first, so what ends is not complete: only the last message says that.
    """
    made = place(tmp_path)
    async with running(made, vault()) as server:
        for number in range(20):
            upload = Upload()
            server.vault.collecting = upload.collect
            channel = server.channel()
            call = store(channel)
            await chunks(call, 1)
            await upload.took.wait()
            if number % 2:
                call.cancel()
            await channel.close()
            assert await asyncio.wait_for(upload.ended, 10) in ("CancelledError", "EOFError")
        await is_idle(server)
    assert server.vault.finished == []


@pytest.mark.parametrize("bug", [ValueError(CANARY), TimeoutError(CANARY)], ids=repr)
async def test_a_bug_in_the_middle_ends_at_the_boundary(bug: Exception, tmp_path: Path, log: io.StringIO) -> None:
    """What was answered before it arrives; its text reaches nobody."""
    upload, download = Upload(2, bug), Download(2, bug)
    fake = vault(collecting=upload.collect, streaming=download.stream)
    async with running(place(tmp_path), fake) as server, server.channel() as channel:
        call = store(channel)
        await chunks(call, 2)
        errors = [await failure(call)]
        call = fetch(channel)
        assert [len(await call.read()) > len(CHUNK) for _ in range(2)] == [True, True]
        errors.append(await failure(call.read()))
        await is_idle(server)
    assert [error.code() for error in errors] == [grpc.StatusCode.INTERNAL] * 2
    assert CANARY not in repr(errors) + log.getvalue()


async def test_the_vaults_own_error_in_the_middle_keeps_its_code_and_the_checkpoint(tmp_path: Path) -> None:
    """So that a client knows whether to come again."""
    upload, download = Upload(1, NotFound("no such message")), Download(1, DataLoss("a chunk does not open"))
    fake = vault(collecting=upload.collect, streaming=download.stream)
    async with running(place(tmp_path), fake) as server, server.channel() as channel:
        call = store(channel)
        await chunks(call, 1)
        missing = await failure(call)
        assert missing.code() is grpc.StatusCode.NOT_FOUND
        call = fetch(channel)
        await call.read()
        lost = await failure(call.read())
    assert lost.code() is grpc.StatusCode.DATA_LOSS
    for error in (missing, lost):
        assert dict(error.trailing_metadata() or ())[port.CHECKPOINT] == b"a signed checkpoint"


@pytest.mark.parametrize("content", [b"\xff\xff" + CANARY.encode(), b"\x12\x7f"], ids=["random", "truncated"])
async def test_bytes_that_are_no_message_are_refused_without_echo(content: bytes, tmp_path: Path) -> None:
    """First or later, in either direction."""
    upload = Upload()
    async with running(place(tmp_path), vault(collecting=upload.collect)) as server, server.channel() as channel:
        raw: Any = channel.stream_unary(STORE)(timeout=10)
        await raw.write(mail.StoreMessageRequest(chunk=CHUNK).SerializeToString())
        await raw.write(content)
        errors = [await failure(raw), await failure(begin(channel.unary_stream(FETCH), content).read())]
        assert await upload.ended == "InvalidArgument"
        await is_idle(server)
    assert [error.code() for error in errors] == [grpc.StatusCode.INVALID_ARGUMENT] * 2
    assert CANARY not in repr(errors)


async def test_a_message_that_is_too_large_ends_the_stream(tmp_path: Path) -> None:
    """Refused by gRPC before it is read into Python; what was begun is told."""
    upload = Upload()
    async with running(place(tmp_path), vault(collecting=upload.collect)) as server, server.channel() as channel:
        call = store(channel)
        await chunks(call, 1)
        await upload.took.wait()
        await call.write(mail.StoreMessageRequest(chunk=bytes(edge.RECEIVE_BYTES + 1)))
        assert (await failure(call)).code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert await asyncio.wait_for(upload.ended, 10) in ("CancelledError", "EOFError")
        await is_idle(server)
    assert server.vault.finished == []


async def test_a_reader_who_goes_away_closes_the_answers(tmp_path: Path) -> None:
    """In the middle of a chunk or between two."""
    download = Download(10_000)
    async with running(place(tmp_path), vault(streaming=download.stream)) as server:
        async with server.channel() as channel:
            await fetch(channel).read()
        assert await asyncio.wait_for(download.closed, 10) in ("GeneratorExit", "CancelledError")
        await is_idle(server)
    assert download.given < 10_000


@pytest.mark.usefixtures("impatient")
async def test_a_reader_who_stands_still_is_dropped_and_holds_up_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The vault is asked for no more than the windows of HTTP/2 take, and told that it is over."""
    monkeypatch.setattr(lifetime, "STALL_SECONDS", 0.2)
    monkeypatch.setattr(streams, "ABORT_SECONDS", 0.1)
    download = Download(10_000)
    async with running(place(tmp_path), vault(streaming=download.stream)) as server, server.channel() as channel:
        call = fetch(channel)
        await call.read()
        assert await asyncio.wait_for(download.closed, 10) in ("GeneratorExit", "CancelledError")
        await is_idle(server)
        given = download.given
        error = await failure(_drained(call))
    assert given < 300
    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert "too long" in (error.details() or "")


async def _drained(call: Any) -> None:
    while await call.read() is not grpc.aio.EOF:
        pass


@pytest.mark.usefixtures("impatient")
async def test_a_sender_who_stands_still_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A half-sent message leaves nothing."""
    monkeypatch.setattr(lifetime, "STALL_SECONDS", 0.2)
    upload = Upload()
    async with running(place(tmp_path), vault(collecting=upload.collect)) as server, server.channel() as channel:
        call = store(channel, seconds=None)
        await chunks(call, 1)
        error = await failure(call)
        assert await upload.ended == "CancelledError"
        await is_idle(server)
    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert "too long" in (error.details() or "")


@pytest.mark.usefixtures("impatient")
async def test_a_vault_that_takes_its_time_is_no_caller_who_stands_still(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever follows something may wait for it."""
    monkeypatch.setattr(lifetime, "STALL_SECONDS", 0.1)
    download = Download(2, pause=0.4)
    async with running(place(tmp_path), vault(streaming=download.stream)) as server, server.channel() as channel:
        assert len([answer async for answer in fetch(channel, seconds=None)]) == 2


@pytest.mark.usefixtures("impatient")
async def test_nobodys_stream_is_longer_than_the_maximum(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a caller who says nothing of time, and of one who asks for an hour; a deadline that is shorter is kept."""
    monkeypatch.setattr(streams, "LONGEST_SECONDS", 0.3)
    async with running(place(tmp_path), vault()) as server, server.channel() as channel:
        for seconds, longest in ((None, 0.3), (3600, 0.3), (0.2, 60)):
            monkeypatch.setattr(streams, "LONGEST_SECONDS", longest)
            download = Download(1, pause=60)
            server.vault.streaming = download.stream
            error = await failure(fetch(channel, seconds).read())
            assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
            assert await asyncio.wait_for(download.closed, 10) == "CancelledError"
        await is_idle(server)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("kind", ["upload", "watch"])
async def test_a_certificate_that_is_denied_in_the_middle_ends_the_stream(kind: str, tmp_path: Path) -> None:
    """Within a look, whether anything moves or not."""
    (tmp_path / "deny.txt").write_text("")
    made = place(tmp_path, 'deny_list = "deny.txt"\ndrain_seconds = 0')
    issued = made.caller()
    upload, download = Upload(), Download(1, pause=60)
    fake = vault(collecting=upload.collect, streaming=download.stream)
    async with running(made, fake) as server, server.channel(issued) as channel:
        call = store(channel) if kind == "upload" else fetch(channel, method=WATCH)
        if kind == "upload":
            await chunks(call, 1)
            await upload.took.wait()
        while not server.vault.calls:  # noqa: ASYNC110 - the fake has no event for it
            await asyncio.sleep(0.01)
        (tmp_path / "deny.txt").write_text(f"{PROVISIONING}\n")
        error = await failure(call if kind == "upload" else call.read())
        await is_idle(server)
    assert error.code() is grpc.StatusCode.UNAUTHENTICATED
    assert await (upload.ended if kind == "upload" else download.closed) == "CancelledError"


@pytest.mark.usefixtures("impatient")
async def test_a_certificate_that_ends_in_the_middle_ends_the_stream(tmp_path: Path) -> None:
    """GRPC itself looks at it in the handshake only."""
    download = Download(1, pause=60)
    made = place(tmp_path)
    issued = made.caller(lifetime=timedelta(seconds=3))
    async with running(made, vault(streaming=download.stream)) as server, server.channel(issued) as channel:
        error = await failure(fetch(channel, 30, WATCH).read())
    assert error.code() is grpc.StatusCode.UNAUTHENTICATED
    assert await download.closed == "CancelledError"


async def test_an_unknown_caller_gets_nothing(tmp_path: Path) -> None:
    """Asked before a message is looked at."""
    (tmp_path / "deny.txt").write_text(f"{PROVISIONING}\n")
    made = place(tmp_path, 'deny_list = "deny.txt"\ndrain_seconds = 0')
    async with running(made, vault()) as server, server.channel() as channel:
        errors = [await failure(fetch(channel).read()), await failure(store(channel))]
    assert [error.code() for error in errors] == [grpc.StatusCode.UNAUTHENTICATED] * 2
    assert server.vault.calls == []


def limited(**keys: float) -> FakeVault:
    """A vault whose one caller has tight limits."""
    lines = "\n".join(f"{key} = {value}" for key, value in keys.items())
    return vault(policies=[policy(f'[limits.callers."{PROVISIONING}"]\n{lines}')])


async def test_streams_over_the_limit_are_refused_at_the_door(tmp_path: Path) -> None:
    """As many may be open as calls may be at work; one that has ended makes room."""
    fake = limited(concurrent=2)
    async with running(place(tmp_path), fake) as server, server.channel() as channel:
        held = [store(channel) for _ in range(2)]
        for call in held:
            await chunks(call, 1)
        while len(server.vault.calls) < 2:  # noqa: ASYNC110 - the fake has no event for it
            await asyncio.sleep(0.01)
        error = await failure(fetch(channel).read())
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "streams" in (error.details() or "")
        held[0].cancel()
        async with asyncio.timeout(10):
            while server.vault.finished == []:
                try:
                    await fetch(channel).read()
                except grpc.aio.AioRpcError:
                    await asyncio.sleep(0.02)


async def test_a_stream_that_waits_for_its_caller_holds_no_turn(tmp_path: Path) -> None:
    """With one turn in all, an upload that stands still does not keep its caller's other calls waiting."""
    fake = limited(concurrent=1)
    fake.methods = {**METHODS, "ContactService.GetContact": None}
    upload = Upload()
    fake.collecting = upload.collect
    async with running(place(tmp_path), fake) as server, server.channel() as channel:
        call = store(channel)
        await chunks(call, 1)
        await upload.took.wait()
        await call_bytes(channel, GET_CONTACT, b"")
        await finish(call)
        await call


async def test_a_stream_over_its_callers_rate_is_slowed_and_not_cut(tmp_path: Path) -> None:
    """It pays for each message; what it owes, it waits for. The next is refused at the door."""
    fake = limited(records_per_second=0.001, burst=5)
    download = Download(10)
    fake.streaming = download.stream
    async with running(place(tmp_path), fake) as server, server.channel() as channel:
        call = fetch(channel)
        for _ in range(3):
            await call.read()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(call.read()), 0.3)
        error = await failure(fetch(channel).read())
        call.cancel()
        assert await download.closed in ("GeneratorExit", "CancelledError")
    assert download.given == 4
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_a_stopping_server_ends_watches_at_once_and_lets_uploads_finish(tmp_path: Path) -> None:
    """A watch is told to go elsewhere."""
    upload, download = Upload(), Download(1, pause=60)
    fake = vault(collecting=upload.collect, streaming=download.stream)
    async with running(place(tmp_path), fake) as server, server.channel() as channel:
        watch, call = fetch(channel, 60, WATCH), store(channel)
        await chunks(call, 1)
        await upload.took.wait()
        server.stop.ask()
        error = await failure(watch.read())
        await chunks(call, 1)
        await finish(call)
        await call
        await server.task
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert len(upload.sizes) == 2


async def test_a_stopping_server_tells_uploads_that_take_too_long(tmp_path: Path) -> None:
    """Before gRPC would cut them with CANCELLED, which tells a client nothing."""
    upload = Upload()
    made = place(tmp_path, "drain_seconds = 0\ndefault_deadline_seconds = 1.2")
    async with running(made, vault(collecting=upload.collect)) as server, server.channel() as channel:
        call = store(channel, 60)
        await chunks(call, 1)
        await upload.took.wait()
        server.stop.ask()
        error = await failure(call)
        await server.task
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert await upload.ended == "CancelledError"


async def test_a_method_that_streams_both_ways_is_none_of_ours(tmp_path: Path) -> None:
    """A server that was asked to serve one does not start."""
    with pytest.raises(ValueError, match="both ways"):
        async with running(place(tmp_path), FakeVault(methods={"TestService.Converse": None})):
            raise AssertionError("it started")
