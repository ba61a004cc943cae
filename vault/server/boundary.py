"""The outermost boundary: what is raised inside never leaves as it is.

gRPC for Python sends the text of an unhandled exception to the client and prints it with its traceback. A database
driver's text quotes SQL, pydantic's quotes input: so every method that is served, of every arity, ours or a
library's, runs inside of this module. What the vault raised becomes its status; anything else one fixed message
with a correlation id, and a log line of types and places.

`except BaseException`, because a panic in a Rust extension (protovalidate, cryptography) is no `Exception`, and gRPC
would print it and leave the client waiting. Three kinds pass: cancellation, which is gRPC's own way to stop a call;
gRPC's errors, such as an abort that has already answered; and the interpreter's wish to end.
"""

import asyncio
import contextlib
import inspect
import itertools
import os
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Any, Final, NoReturn, Protocol, TypeAlias

import grpc
from google.protobuf.message import DecodeError

from vault.errors import InvalidArgument, OperatorError, PermissionDenied, Unavailable
from vault.server import logs, status
from vault.v1.status_pb2 import Reason


class Context(Protocol):
    """What the edge uses of gRPC's context of a call, with the types that it really has (types-grpcio errs in some)."""

    def auth_context(self) -> Mapping[str, Iterable[bytes]]:
        """What TLS knows of the peer."""

    def peer(self) -> str:
        """The peer's address; a port can change hands, so it identifies nobody."""

    def time_remaining(self) -> float | None:
        """Seconds; None without a deadline."""

    def set_trailing_metadata(self, trailing_metadata: tuple[tuple[str, bytes], ...]) -> None:
        """Send with the status."""

    async def read(self) -> Any:  # noqa: ANN401 - bytes, or grpc.aio.EOF, whose type is private
        """Take one message of a stream; its end too if the client has broken it off, and a cancellation then."""

    async def write(self, message: bytes) -> None:
        """Send one message of a stream, and wait until gRPC has let go of it."""

    async def abort(
        self, code: grpc.StatusCode, details: str, trailing_metadata: tuple[tuple[str, bytes], ...]
    ) -> NoReturn:
        """Answer with an error and raise."""


Enter = Callable[[Context], object]
"""Judges the caller at the start of a call; raises `Unauthenticated`."""

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"

PASSING: Final = (asyncio.CancelledError, grpc.aio.BaseError, GeneratorExit, KeyboardInterrupt, SystemExit)

_process = os.urandom(4).hex()
_numbers = itertools.count(1)


def new_correlation() -> str:
    """Name a call, for our log, the audit log and an error's reader: unique among processes, and no secret."""
    return f"{_process}-{next(_numbers):x}"


async def refuse(
    context: Context, error: BaseException, method: str, correlation: str, trailing: tuple[tuple[str, bytes], ...] = ()
) -> NoReturn:
    """Answer with the error's status, log it if somebody has to act, and end the call.

    Raises:
        grpc.aio.AbortError: always; it tells gRPC that the answer is out.
    """
    answer = status.of(error, correlation)
    code = status.code(error)
    line = {"method": method, "correlation": correlation, "code": code.name}
    if code is grpc.StatusCode.INTERNAL:
        logs.log.error("internal error", **line, **logs.exception(error))
    elif isinstance(error, OperatorError) or code is grpc.StatusCode.DATA_LOSS:
        logs.log.error("cannot serve", **line, why=str(error))
    elif code is grpc.StatusCode.UNAUTHENTICATED:
        logs.log.warning("caller refused", **line, why=str(error), address=context.peer())
    elif isinstance(error, PermissionDenied):
        logs.log.info("denied", **line, reason=Reason.Name(error.reason))
    # The answer waits for the network; its traceback would hold the request meanwhile, parsed and many times its size.
    error.__traceback__ = None
    details = (status.DETAILS_KEY, answer.SerializeToString())
    await context.abort(code, answer.message, (details, *trailing))


def parse(decode: Callable[[bytes], Any], raw: bytes) -> Any:  # noqa: ANN401 - a message of the method's type
    """Read a request; bytes that are none are the caller's mistake, and are not repeated.

    Raises:
        InvalidArgument: a wrong wire format, text that is no UTF-8, or more than 100 levels.
    """
    try:
        return decode(raw)
    except DecodeError:
        raise InvalidArgument("request", "is not a message of this method's type") from None


class Guard:
    """Puts the methods of libraries (health, reflection) behind the boundary.

    Streams of theirs may stay open for as long as the client likes; `end_streams` ends them when the server stops.
    """

    def __init__(self, enter: Enter) -> None:
        """Make a guard that lets in whom `enter` does not refuse."""
        self._enter = enter
        self._streams: set[asyncio.Timeout] = set()

    def end_streams(self) -> None:
        """Answer UNAVAILABLE on every open stream: the client goes to another server."""
        for stream in self._streams:
            stream.reschedule(0)

    def wrap(self, method: str, handler: Handler) -> Handler:
        """Return the same method, behind the boundary; bytes in, bytes out, so that parsing is behind it too.

        Args:
            method: its name in logs.
            handler: of any of the four arities; coroutines and asynchronous generators.
        """
        decode, encode = handler.request_deserializer or bytes, handler.response_serializer or bytes
        many_in, many_out = handler.request_streaming, handler.response_streaming
        behaviour: Any = next(
            found
            for found in (handler.unary_unary, handler.unary_stream, handler.stream_unary, handler.stream_stream)
            if found is not None
        )

        def requests(raw: Any) -> Any:  # noqa: ANN401 - one message, or an iterator of them
            return (parse(decode, item) async for item in raw) if many_in else parse(decode, raw)

        async def one(raw: Any, context: Context) -> bytes:  # noqa: ANN401
            async with self._inside(method, context):
                return encode(await behaviour(requests(raw), context))

        async def written(raw: Any, context: Context) -> None:  # noqa: ANN401
            async with self._inside(method, context), self._ending():
                await behaviour(requests(raw), _Writer(context, encode))

        async def yielded(raw: Any, context: Context) -> None:  # noqa: ANN401
            async with self._inside(method, context), self._ending():
                async for message in behaviour(requests(raw), context):
                    await context.write(encode(message))

        many = yielded if inspect.isasyncgenfunction(behaviour) else written
        make = _MAKERS[many_in, many_out]
        return make(many if many_out else one)

    @contextlib.asynccontextmanager
    async def _inside(self, method: str, context: Context) -> AsyncIterator[None]:
        try:
            self._enter(context)
            yield
        except PASSING:
            raise
        except BaseException as error:  # noqa: BLE001 - see the top
            await refuse(context, error, method, new_correlation())

    @contextlib.asynccontextmanager
    async def _ending(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(None) as stream:
                self._streams.add(stream)
                try:
                    yield
                finally:
                    self._streams.discard(stream)
        except TimeoutError:
            if not stream.expired():
                raise
            raise Unavailable("the server is stopping: call again") from None


class _Writer:
    """The context that a method which writes its answers itself gets: what it writes is encoded inside too."""

    def __init__(self, context: Context, encode: Callable[[Any], bytes]) -> None:
        self._context = context
        self._encode = encode

    async def write(self, message: object) -> None:
        """Send one message."""
        await self._context.write(self._encode(message))

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - the rest is gRPC's
        return getattr(self._context, name)


_MAKERS: Final[dict[tuple[bool, bool], Callable[[Any], Handler]]] = {
    (False, False): grpc.unary_unary_rpc_method_handler,
    (False, True): grpc.unary_stream_rpc_method_handler,
    (True, False): grpc.stream_unary_rpc_method_handler,
    (True, True): grpc.stream_stream_rpc_method_handler,
}
