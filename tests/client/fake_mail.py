"""A fake vault that keeps messages: what it is sent, it notes; what it gives out, a test may change.

`break_store` and `break_fetch` say after how many messages of the next streams the call is cut off, as by a connection
that breaks; a store that is to be cut after its end was taken first, and only its answer is lost.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf import message_factory
from google.protobuf.descriptor import MethodDescriptor

from tests.client.fake_vault import FakeVault
from vault.errors import AlreadyExists, NotFound, VaultError
from vault.server import status as server_status
from vault.v1 import mail_service_pb2 as api
from vault.v1.records_pb2 import Message

AFTER_END = 1 << 20


@dataclass
class Stored:
    """One message."""

    header: api.StoreMessageHeader
    chunks: list[bytes] = field(default_factory=list)
    end: api.StoreMessageEnd | None = None


class FakeMail(FakeVault):
    """The mail service, as far as an SDK can see it."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: dict[str, Stored] = {}
        self.by_request: dict[str, api.StoreMessageResponse] = {}
        self.uploads: list[Stored] = []
        """Every attempt."""
        self.break_store: list[int] = []
        self.break_fetch: list[int] = []
        self.alter: Callable[[int, api.FetchMessageResponse], api.FetchMessageResponse | None] = lambda _, part: part
        self.first_chunks: list[int] = []

    def handler(self, method: MethodDescriptor, serve: Any) -> Any:
        """Streams beside the rest."""
        decode = message_factory.GetMessageClass(method.input_type).FromString
        if method.client_streaming:
            return grpc.stream_unary_rpc_method_handler(serve, decode, lambda m: m.SerializeToString())
        if method.server_streaming:
            return grpc.unary_stream_rpc_method_handler(serve, decode, lambda m: m.SerializeToString())
        return super().handler(method, serve)

    async def _refuse(self, context: Any, error: VaultError) -> None:
        rich = server_status.of(error, "c0ffee")
        context.set_trailing_metadata(self._trailing((server_status.DETAILS_KEY, rich.SerializeToString())))
        await context.abort(server_status.code(error), rich.message)

    def _trailing(self, *more: tuple[str, bytes]) -> tuple[tuple[str, bytes], ...]:
        self.size += 1
        return (*more, ("vault-checkpoint-bin", self.note(self.size)))

    async def StoreMessage(self, requests: AsyncIterator[api.StoreMessageRequest], context: Any) -> Any:
        """Take all, and answer."""
        left = self.break_store.pop(0) if self.break_store else -1
        upload = None
        async for request in requests:
            if request.HasField("header"):
                upload = Stored(request.header)
                self.uploads.append(upload)
                if (seen := await self._seen(request.header, context)) is not None:
                    return seen
            elif upload is not None and request.HasField("end"):
                upload.end = request.end
            elif upload is not None:
                upload.chunks.append(request.chunk)
            if left == 0:
                await context.abort(grpc.StatusCode.UNAVAILABLE, "Socket closed")
            left -= 1
        if upload is None or upload.end is None:  # broken off: gRPC says "end" first
            return await context.abort(grpc.StatusCode.CANCELLED, "")
        name = upload.header.record_name
        self.messages[name] = upload
        answer = api.StoreMessageResponse(record_name=name, etag="e")
        self.by_request[upload.header.request_id] = answer
        if left > AFTER_END // 2:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "Socket closed")
        context.set_trailing_metadata(self._trailing())
        return answer

    async def _seen(self, header: api.StoreMessageHeader, context: Any) -> api.StoreMessageResponse | None:
        """The answer to a request that was done, which needs no body; or a refusal."""
        try:
            if before := self.before.get("StoreMessage"):
                before(header)
            if seen := self.by_request.get(header.request_id):
                context.set_trailing_metadata(self._trailing())
                return seen
            if header.record_name in self.messages:
                raise AlreadyExists("the name is taken")
        except VaultError as error:
            await self._refuse(context, error)
        return None

    async def FetchMessage(
        self, request: api.FetchMessageRequest, context: Any
    ) -> AsyncIterator[api.FetchMessageResponse]:
        """The header, then the chunks from the one that is asked for."""
        self.first_chunks.append(request.first_chunk)
        left = self.break_fetch.pop(0) if self.break_fetch else -1
        stored = self.messages.get(request.record_name)
        if stored is None or stored.end is None:
            await self._refuse(context, NotFound("no such message"))
            return
        header = api.FetchMessageHeader(stream=stored.header.stream)
        header.stream.chunks, header.stream.length = stored.end.chunks, stored.end.length
        message = Message(record_name=request.record_name, sealed=stored.header.sealed)
        header.message.CopyFrom(message)
        header.status.record_name = request.record_name
        parts = [api.FetchMessageResponse(header=header)]
        parts += [api.FetchMessageResponse(chunk=chunk) for chunk in stored.chunks[request.first_chunk :]]
        for number, part in enumerate(parts):
            if left == 0:
                await context.abort(grpc.StatusCode.UNAVAILABLE, "Socket closed")
            left -= 1
            if (altered := self.alter(number, part)) is not None:
                yield altered
        context.set_trailing_metadata(self._trailing())
