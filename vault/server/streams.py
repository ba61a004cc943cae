"""The path of a streaming call: requests that come one by one, or answers that leave one by one.

The same order as in `vault.server.handlers`: identity, limits, the vault, the newest checkpoint, and around all of it
the boundary. What a stream has beside:

- a lifetime (`vault.server.lifetime`), in which the caller is looked at again;
- a turn that is held while the vault works and given back while the caller is waited for: a thousand slow uploads of
  one caller occupy nothing that somebody else waits for. Open streams are counted, and as many as calls at work;
- pace instead of refusals: each message costs its caller a record or more, and a stream of who is over the limit waits.
  It was let in, and refusing it in the middle would throw away what was sent;
- one message at a time in memory, in either direction: the next one is read when the vault asks for it, and written
  when gRPC has let go of the one before, so that HTTP/2's flow control reaches from disk to disk.

Measured on grpcio 1.85: a client that breaks an upload off looks for an instant like one that has finished it, since
reading returns the end of the stream before the cancellation arrives. So no method may take the end of a stream for the
end of what it carries: the last message must say that it is the last.

A reader that stands still does not even take the status of its own end. It is given a second, and then dropped: what is
left is what gRPC has buffered (about 100 KiB), until the client reads it, or hangs up, or the connection's age ends it.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, Final

import grpc
from google.protobuf import message_factory
from google.protobuf.message import Message

from vault.errors import RateLimited, Unauthenticated, Unavailable
from vault.pki.spiffe import SpiffeId
from vault.server import status
from vault.server.boundary import PASSING, Context, Handler, new_correlation, parse, refuse
from vault.server.lifetime import LONGEST_SECONDS, Lifetime
from vault.server.limits import Limiter, Visitor
from vault.server.port import CHECKPOINT, Identify, Vault, descriptor
from vault.server.receiving import LARGE_BYTES

UNIT: Final = 128 * 1024
"""A message costs one record, and one more for each of these that it fills."""
ABORT_SECONDS = 1.0
"""For a status to leave: one that waits behind messages which nobody reads does not."""

_STOPPING: Final = "the server is stopping: call again"


@dataclass(slots=True, eq=False)
class _Stream:
    """One call under way."""

    context: Context
    correlation: str
    now: int
    peer: SpiffeId
    visitor: Visitor
    lifetime: Lifetime
    watches: bool
    """It waits for what is to come, as long as it takes: work that occupies nothing, and has no turn."""
    working: bool = False

    async def take_turn(self) -> None:
        """The vault works from here on."""
        if not (self.watches or self.working):
            await self.visitor.working.take()
            self.working = True

    def give_turn(self) -> None:
        """The caller is waited for from here on."""
        if self.working:
            self.working = False
            self.visitor.working.leave()

    def charged(self, size: int) -> float:
        """Charge for a message of so many bytes; how long to wait, as its caller is over its limit."""
        self.visitor.charge(1 + size // UNIT)
        return self.visitor.behind(time.monotonic())


class _Requests:
    """The requests of a client stream. No generator: whoever stops in the middle leaves nothing to be closed."""

    def __init__(self, stream: _Stream, decode: Callable[[bytes], Message]) -> None:
        self._stream = stream
        self._decode = decode

    def __aiter__(self) -> AsyncIterator[Message]:
        return self

    async def __anext__(self) -> Message:
        stream = self._stream
        stream.give_turn()
        lifetime = stream.lifetime
        lifetime.waits()
        raw = await stream.context.read()
        lifetime.works()
        if raw is grpc.aio.EOF:
            await stream.take_turn()
            raise StopAsyncIteration
        if wait := stream.charged(len(raw)):
            await asyncio.sleep(wait)
        await stream.take_turn()
        message: Message = parse(self._decode, raw)
        return message


class Streams:
    """All streaming methods of one server, and the streams that are open."""

    def __init__(self, vault: Vault, identify: Identify, limiter: Limiter) -> None:
        self._vault = vault
        self._identify = identify
        self._limiter = limiter
        self._open: set[_Stream] = set()

    def handler(self, name: str) -> Handler:
        """Make what serves a method such as ``MailService.StoreMessage``.

        Raises:
            ValueError: it streams both ways, which no method of the API does.
        """
        method = descriptor(name)
        decode = message_factory.GetMessageClass(method.input_type).FromString
        if method.client_streaming and method.server_streaming:
            raise ValueError(f"{name} streams both ways")
        if method.client_streaming:
            return grpc.stream_unary_rpc_method_handler(self._collecting(name, decode))
        return grpc.stream_stream_rpc_method_handler(self._answering(name, decode))

    def stop(self, grace_seconds: float) -> None:
        """End what waits for things to come now, and the rest when its grace is nearly over."""
        for stream in self._open:
            after = 0 if stream.watches else max(0, grace_seconds - ABORT_SECONDS)
            stream.lifetime.end_in(after, Unavailable(_STOPPING))

    def _collecting(self, name: str, decode: Callable[[bytes], Message]) -> Callable[..., Any]:
        vault = self._vault

        async def serve(_: object, context: Context) -> bytes:
            async with self._inside(name, context) as stream:
                await stream.take_turn()
                requests = _Requests(stream, decode)
                answer = await vault.collect(
                    name, stream.peer, requests, now=stream.now, correlation=stream.correlation
                )
                context.set_trailing_metadata(((CHECKPOINT, vault.checkpoint),))
                return answer.SerializeToString()

        return serve

    def _answering(self, name: str, decode: Callable[[bytes], Message]) -> Callable[..., Any]:
        vault = self._vault

        async def serve(_: object, context: Context) -> None:
            async with self._inside(name, context) as stream:
                raw = await stream.visitor.receiving.take(context.read)
                if len(raw) > LARGE_BYTES:
                    stream.visitor.receiving.leave()
                request = parse(decode, raw)
                asked = vault.stream(name, stream.peer, request, now=stream.now, correlation=stream.correlation)
                async with contextlib.aclosing(asked) as answers:
                    while True:
                        await stream.take_turn()
                        try:
                            answer = await anext(answers)
                        except StopAsyncIteration:
                            break
                        finally:
                            stream.give_turn()
                        content = answer.SerializeToString()
                        if wait := stream.charged(len(content)):
                            await asyncio.sleep(wait)
                        stream.lifetime.waits()
                        await context.write(content)
                        stream.lifetime.works()
                context.set_trailing_metadata(((CHECKPOINT, vault.checkpoint),))

        return serve

    @contextlib.asynccontextmanager
    async def _inside(self, name: str, context: Context) -> AsyncIterator[_Stream]:
        """Let a caller in, bound its stream, and be its boundary."""
        correlation, began = new_correlation(), time.monotonic()
        visitor, peer = self._limiter.unknown, SpiffeId("")
        code, reason = "CANCELLED", ""
        self._limiter.counts.in_flight += 1
        try:
            now = time.time_ns() // 1_000_000
            peer = self._identify(context, now)
            visitor = self._limiter.visitor(peer)
            visitor.admit(began, searches=False)
            async with self._lasting(name, context, correlation, now, peer, visitor) as stream:
                yield stream
            code = "OK"
        except PASSING:
            raise
        except BaseException as error:  # noqa: BLE001 - the boundary; see vault.server.boundary
            code, reason = status.words(error)
            if isinstance(error, RateLimited):
                self._limiter.refused(visitor, peer, name, error)
            await _refuse(context, error, name, correlation, self._trailing(error))
        finally:
            self._limiter.counts.in_flight -= 1
            self._limiter.counts.method(name).note(visitor.role, code, reason, time.monotonic() - began)

    @contextlib.asynccontextmanager
    async def _lasting(
        self, name: str, context: Context, correlation: str, now: int, peer: SpiffeId, visitor: Visitor
    ) -> AsyncIterator[_Stream]:
        def check() -> None:
            if self._identify(context, time.time_ns() // 1_000_000) != peer:
                raise Unauthenticated("the connection is another caller's now")

        remaining = context.time_remaining()
        lifetime = Lifetime(check, LONGEST_SECONDS if remaining is None else min(remaining, LONGEST_SECONDS))
        watches = name.partition(".")[2].startswith("Watch")
        visitor.open_stream()
        stream = _Stream(context, correlation, now, peer, visitor, lifetime, watches)
        self._open.add(stream)
        try:
            async with lifetime.lasting():
                yield stream
        finally:
            stream.give_turn()
            self._open.discard(stream)
            visitor.close_stream()

    def _trailing(self, error: BaseException) -> tuple[tuple[str, bytes], ...]:
        """The checkpoint, for whom we know; nothing that fails may pass the boundary from here."""
        if isinstance(error, Unauthenticated):
            return ()
        try:
            return ((CHECKPOINT, self._vault.checkpoint),)
        except Exception:  # noqa: BLE001 - the error that is being answered is the first
            return ()


async def _refuse(
    context: Context, error: BaseException, name: str, correlation: str, trailing: tuple[tuple[str, bytes], ...]
) -> None:
    """Answer with the error, unless nobody reads.

    Raises:
        grpc.aio.AbortError: the answer is out.
        asyncio.CancelledError: it is not, and will be if the client ever reads: gRPC lets go of the call.
    """
    try:
        async with asyncio.timeout(ABORT_SECONDS):
            await refuse(context, error, name, correlation, trailing)
    except TimeoutError:
        raise asyncio.CancelledError from None
