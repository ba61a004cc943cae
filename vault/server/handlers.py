"""The path of a call: one object, made once for each method that the vault serves; `streams` has those that stream.

Identity, deadline, the vault, the newest checkpoint, the answer, and around all of it the boundary. There is no
servicer class for each service and no interceptor: both would put Python frames on a path that is measured against
an empty method, and a table cannot forget a method that the policy names.

Messages are parsed and serialized here and not by gRPC, so that a request which is no message, or an answer which
cannot be serialized, ends in the boundary as well. They are received here, too: to gRPC every method is one of a stream
of requests (on the wire there is no difference), because for any other it takes the whole request into memory before it
asks who sent it. Here a request is received when its caller is known and has a place for it.
"""

import asyncio
import time
from collections.abc import Iterable, Sequence
from typing import Any, Final

import grpc
from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, MethodDescriptor
from google.protobuf.message import Message

from vault.errors import DeadlineExceeded, RateLimited
from vault.pki.spiffe import SpiffeId
from vault.server import status
from vault.server.boundary import PASSING, Context, Handler, new_correlation, parse, refuse
from vault.server.limits import Limiter, Visitor
from vault.server.port import CHECKPOINT, PACKAGE, Identify, Vault, descriptor
from vault.server.receiving import LARGE_BYTES
from vault.server.streams import Streams
from vault.service.settings import MAX_DEADLINE_SECONDS

LARGEST_BATCH: Final = 1000
"""Items of any request that the API lets through: `max_items` in its .proto files."""

SEARCHES: Final = frozenset({"ContactService.FindContacts"})
"""Questions about every customer at once."""

COUNTED: Final = frozenset({"VisitorService.RecordVisits"})
"""What is sent is added up, and nothing of it can be read back: a call is one record, or a web server's log of a month
would take a night."""

PROOFS: Final = frozenset({"AuditService.GetConsistencyProof"})
"""Hashes of the log only. They have a bucket of their own, or whoever is over a limit could not watch the log either:
its SDK would take the refusals for a vault that cannot prove, and send nothing more."""


def table(
    vault: Vault, identify: Identify, limiter: Limiter, default_seconds: float, streams: Streams
) -> list[grpc.GenericRpcHandler]:
    """Make a handler for each method, grouped by service; what streams has a path of its own."""
    services: dict[str, dict[str, Handler]] = {}
    for name in vault.methods:
        service, method = name.split(".")
        if descriptor(name).client_streaming or descriptor(name).server_streaming:
            handler = streams.handler(name)
        else:
            served = _Served(vault, name, identify, limiter, default_seconds)
            handler = grpc.stream_unary_rpc_method_handler(served.serve)
        services.setdefault(service, {})[method] = handler
    return [grpc.method_handlers_generic_handler(f"{PACKAGE}.{name}", each) for name, each in services.items()]


def services(methods: Iterable[str]) -> list[str]:
    """Name the services that have these methods, in full."""
    return sorted({f"{PACKAGE}.{name.partition('.')[0]}" for name in methods})


def asked_of(method: MethodDescriptor) -> str:
    """The field of a request that names many things, each of which counts against a limit; empty for one thing."""
    return "" if f"{method.containing_service.name}.{method.name}" in COUNTED else _repeated(method.input_type)


def given_by(method: MethodDescriptor) -> str:
    """The field of a response that returns things which were not named; empty if they were, or are the policy's."""
    listing = method.name.startswith(("List", "Find")) or method.name == "GetEpochKeys"
    return _repeated(method.output_type) if listing and not asked_of(method) else ""


def _repeated(message: Descriptor) -> str:
    return next((field.name for field in message.fields if field.is_repeated), "")


class _Served:
    """One method."""

    __slots__ = ("_counts", "_decode", "_default", "_identify", "_limiter", "_name", "_named", "_noted", "_proofs",
                 "_returned", "_searches", "_vault")  # fmt: skip

    def __init__(self, vault: Vault, name: str, identify: Identify, limiter: Limiter, default_seconds: float) -> None:
        self._vault, self._name, self._identify, self._limiter = vault, name, identify, limiter
        self._default = default_seconds
        self._decode = message_factory.GetMessageClass(descriptor(name).input_type).FromString
        self._named, self._returned = asked_of(descriptor(name)), given_by(descriptor(name))
        self._searches, self._proofs = name in SEARCHES, name in PROOFS
        self._counts, self._noted = limiter.counts, limiter.counts.method(name)

    async def serve(self, _requests: object, context: Context) -> bytes:
        """Serve one call; what is raised inside does not leave as it is."""
        correlation = new_correlation()
        trailing: tuple[tuple[str, bytes], ...] = ()
        visitor, peer, began = self._limiter.unknown, SpiffeId(""), time.monotonic()
        self._counts.in_flight += 1
        try:
            now = time.time_ns() // 1_000_000
            peer = self._identify(context, now)
            visitor = self._limiter.visitor(peer)
            # For refusals; taken here, since what fails while an exception is handled would pass the boundary.
            trailing = ((CHECKPOINT, self._vault.checkpoint),)
            visitor.admit(began, searches=self._searches, proofs=self._proofs)
            answer = await self._answer(context, visitor, peer, now, correlation)
        except PASSING:
            self._note(visitor, "CANCELLED", "", began)
            raise
        except BaseException as error:  # noqa: BLE001 - the boundary; see there
            # Before the answer leaves, so that whoever has it finds it counted.
            self._note(visitor, *status.words(error), began)
            if isinstance(error, RateLimited):
                self._limiter.refused(visitor, peer, self._name, error)
            await refuse(context, error, self._name, correlation, trailing)
        else:
            self._note(visitor, "OK", "", began)
            return answer
        finally:
            self._counts.in_flight -= 1

    def _note(self, visitor: Visitor, code: str, reason: str, began: float) -> None:
        self._noted.note(visitor.role, code, reason, time.monotonic() - began)

    async def _answer(self, context: Context, visitor: Visitor, peer: SpiffeId, now: int, correlation: str) -> bytes:
        remaining = context.time_remaining()
        if remaining is not None and remaining <= MAX_DEADLINE_SECONDS:
            # gRPC's core keeps this deadline itself: it cancels us, so a timer of ours would tell nobody anything.
            response = await self._in_turn(context, visitor, peer, now, correlation)
        else:
            limit = self._default if remaining is None else MAX_DEADLINE_SECONDS
            response = await _within(limit, self._in_turn(context, visitor, peer, now, correlation))
        if self._returned:
            visitor.charge(len(getattr(response, self._returned)))
        context.set_trailing_metadata(((CHECKPOINT, self._vault.checkpoint),))
        return response.SerializeToString()

    async def _in_turn(self, context: Context, visitor: Visitor, peer: SpiffeId, now: int, correlation: str) -> Message:
        """Receive, wait and serve; whoever bounds the time of one bounds that of all."""
        raw = await visitor.receiving.take(context.read)
        if len(raw) <= LARGE_BYTES:
            return await self._work(raw, visitor, peer, now, correlation)
        try:
            await self._limiter.large.take()
            try:
                return await self._work(raw, visitor, peer, now, correlation)
            finally:
                self._limiter.large.leave()
        finally:
            visitor.receiving.leave()

    async def _work(self, raw: bytes, visitor: Visitor, peer: SpiffeId, now: int, correlation: str) -> Message:
        await visitor.working.take()
        try:
            request: Message = parse(self._decode, raw)
            if self._named:
                visitor.charge_items(_more(getattr(request, self._named)), proofs=self._proofs)
            return await self._vault.call(self._name, peer, request, now=now, correlation=correlation)
        finally:
            visitor.working.leave()


def _more(names: Sequence[object]) -> int:
    """What a call that names these costs beside the one record that it has paid; naming nothing gives nothing back.

    The request is not checked yet: a million names are refused, and must not cost their caller a quarter of an hour.
    """
    return max(0, min(len(names), LARGEST_BATCH) - 1)


async def _within(seconds: float, work: Any) -> Message:  # noqa: ANN401 - a coroutine
    """Wait for the work so long and no longer.

    Cancelling abandons the waiting only: a write that has reached the storage's queue is finished there, with its
    entry in the log, and request_id tells a caller who repeats it.
    """
    try:
        async with asyncio.timeout(seconds) as limit:
            response: Message = await work
            return response
    except TimeoutError:
        if not limit.expired():
            raise
        raise DeadlineExceeded("the deadline has passed") from None
