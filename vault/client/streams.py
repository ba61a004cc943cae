"""One attempt at a call that streams: an upload, or a download.

As `connection` does it for other calls: a deadline, the checkpoint that must come with the answer, and what is known if
none comes. What is repeated is decided by those who know what they sent: see `uploads` and `fetched`.

An upload's last message says that it is the last, so one that broke before it has stored nothing, whatever the vault
did: only after it the outcome can be unknown.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, TypeVar

import grpc
from google.protobuf.message import Message

from vault.client.connection import CLOSED, Connection
from vault.client.unanswered import Failure
from vault.errors import OutcomeUnknown, Unavailable

Response = TypeVar("Response", bound=Message)

STREAM_DEADLINE = 600.0
"""Seconds for one body; the vault itself ends one on which nothing moves for half a minute."""


async def upload(
    connection: Connection,
    method: "grpc.aio.StreamUnaryMultiCallable[Any, Response]",
    requests: AsyncIterator[Message],
    *,
    ends: float,
) -> Response | Failure:
    """Send all requests, in the vault's own time, and return its answer or what it failed of.

    Args:
        connection: to the vault.
        method: of a stub.
        requests: what they raise cancels the call and is raised.
        ends: when the call must be over, by the loop's clock.

    Raises:
        Untrusted: the checkpoint is missing, or shows that the log was rolled back or rewritten.
    """
    floor, complete = connection.witness.floor(), False
    try:
        call = method(timeout=ends - asyncio.get_running_loop().time())
    except grpc.aio.UsageError:
        return Failure(Unavailable(CLOSED), sent=False, passing=False)
    try:
        # gRPC keeps the deadline of its own work, and not of a body that does not come.
        async with asyncio.timeout_at(ends) as limit:
            complete = await _all_written(call, requests)
        response = await call
    except grpc.aio.AioRpcError as error:
        return connection.refused(error, floor, write=complete)
    except asyncio.CancelledError:
        call.cancel()
        if not _closed(connection):
            raise
        kind = OutcomeUnknown if complete else Unavailable
        return Failure(kind("this client was closed before the answer came"), sent=True, passing=False)
    except TimeoutError:
        call.cancel()
        if not limit.expired():
            raise
        return Failure(
            Unavailable("the deadline passed before the body had ended, and nothing was done"),
            sent=False,
            passing=False,
        )
    except BaseException:
        call.cancel()
        raise
    connection.answered(await call.trailing_metadata(), floor)
    return response


async def _all_written(call: Any, requests: AsyncIterator[Message]) -> bool:  # noqa: ANN401 - a call of any stub's
    """Send all messages; False if the call was over before the last, and its status says why."""
    async for request in requests:
        try:
            await call.write(request)
        except (asyncio.InvalidStateError, grpc.aio.AioRpcError):
            return False
    with contextlib.suppress(asyncio.InvalidStateError):  # it is over already: the answer says how
        await call.done_writing()
    return True


async def download(
    connection: Connection,
    method: "grpc.aio.UnaryStreamMultiCallable[Any, Response]",
    request: Message,
    *,
    ends: float,
) -> AsyncGenerator[Response | Failure, None]:
    """The answers one by one; a failure comes last. Close it in any case. Arguments and errors as `upload`."""
    floor = connection.witness.floor()
    try:
        call = method(request, timeout=ends - asyncio.get_running_loop().time())
    except grpc.aio.UsageError:
        yield Failure(Unavailable(CLOSED), sent=False, passing=False)
        return
    try:
        async for response in call:
            yield response
        connection.answered(await call.trailing_metadata(), floor)
    except grpc.aio.AioRpcError as error:
        yield connection.refused(error, floor, write=False)
    except asyncio.CancelledError:
        if not _closed(connection):
            raise
        yield Failure(Unavailable("this client was closed before the answer came"), sent=True, passing=False)
    finally:
        call.cancel()


def _closed(connection: Connection) -> bool:
    """Whether it was the client that ended the call, and not whoever waits for it."""
    task = asyncio.current_task()
    return connection.closed and not (task and task.cancelling())
