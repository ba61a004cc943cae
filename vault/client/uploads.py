"""One message on its way in: as many attempts as it takes, and never a salt twice for different bytes.

An attempt that broke off is made again with the very bytes of the one before, under the same request_id, if all that
was sent is still held (`bodies`). Otherwise, if the body can be begun anew, everything is sealed again under fresh
salts, which is another request; the name stays, and so the vault's AlreadyExists says that an attempt whose answer was
lost had been done.
"""

import asyncio
import uuid
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from vault.client.bodies import Body, SealedBody
from vault.client.connection import Connection
from vault.client.repeating import after, limited, paused, pauses
from vault.client.sealing import Sealing
from vault.client.streams import upload
from vault.client.unanswered import Failure
from vault.domain.fields import ProtectedField
from vault.domain.names import RecordName
from vault.errors import AlreadyExists, OutcomeUnknown, RateLimited, Unavailable
from vault.v1 import mail_service_pb2 as api
from vault.v1.records_pb2 import Message
from vault.v1.status_pb2 import REASON_EPOCH_NOT_USABLE

Dedupe = Callable[[bytes], bytes]
"""From the body's digest to the token, asked when the body has ended; empty for none."""


class Upload:
    """The attempts at one message."""

    def __init__(self, connection: Connection, sealing: Sealing, record_name: RecordName, body: ProtectedField) -> None:
        self.record_name = record_name
        self._connection = connection
        self._sealing = sealing
        self._field = body
        self._sealed: SealedBody | None = None
        self._end: api.StoreMessageEnd | None = None

    async def run(
        self, header: api.StoreMessageHeader, record: Message, body: Body, dedupe: Dedupe, deadline: float
    ) -> api.StoreMessageResponse:
        """Store it; arguments and errors as `MailClient.store`."""
        ends = asyncio.get_running_loop().time() + deadline
        left, least = pauses(known=self._connection.known), limited()
        unknown = renewed = False
        try:
            while True:
                if self._sealed is None:
                    await self._seal(header, record, body)
                answer = await self._attempt(header, dedupe, ends)
                if not isinstance(answer, Failure):
                    return answer
                if unknown and isinstance(answer.error, AlreadyExists):
                    return api.StoreMessageResponse(record_name=self.record_name)
                unknown = unknown or isinstance(answer.error, OutcomeUnknown)
                # An epoch that was refused is no broken connection: once, under new ones, without waiting.
                stale = answer.error.reason == REASON_EPOCH_NOT_USABLE and not renewed
                if stale:
                    renewed = True
                    self._sealing.forget()
                again = await self._can_begin(body, stale=stale)
                if not (again and (stale or (answer.passing and await paused(after(answer, left, least), ends)))):
                    raise _of(answer, unknown=unknown)
        finally:
            if self._sealed is not None:
                await self._sealed.close()

    async def _seal(self, header: api.StoreMessageHeader, record: Message, body: Body) -> None:
        """Seal everything under fresh salts, and be another request."""
        boxes = Message()
        boxes.CopyFrom(record)
        await self._sealing.seal(self.record_name, boxes)
        sealer = await self._sealing.stream(self.record_name, self._field)
        del header.sealed[:]
        header.sealed.extend(boxes.sealed)
        header.stream.CopyFrom(sealer.stream)
        header.request_id = str(uuid.uuid4())
        self._sealed, self._end = SealedBody(sealer, body() if callable(body) else body), None

    async def _can_begin(self, body: Body, *, stale: bool) -> bool:
        """Whether another attempt is possible; what cannot be sent as it was is given up, to be sealed again."""
        if self._sealed is not None and self._sealed.again and not stale:
            return True
        if not callable(body):
            return False
        if self._sealed is not None:
            await self._sealed.close()
        self._sealed = None
        return True

    async def _attempt(
        self, header: api.StoreMessageHeader, dedupe: Dedupe, ends: float
    ) -> api.StoreMessageResponse | Failure:
        async with aclosing(self._requests(header, dedupe)) as requests:
            return await upload(self._connection, self._connection.mail.StoreMessage, requests, ends=ends)

    async def _requests(
        self, header: api.StoreMessageHeader, dedupe: Dedupe
    ) -> AsyncGenerator[api.StoreMessageRequest, None]:
        sealed = self._sealed
        if sealed is None:
            return
        yield api.StoreMessageRequest(header=header)
        async with aclosing(sealed.chunks()) as chunks:
            async for chunk in chunks:
                yield api.StoreMessageRequest(chunk=chunk)
        if self._end is None:
            stream = sealed.sealer.stream
            self._end = api.StoreMessageEnd(
                chunks=stream.chunks, length=stream.length, dedupe_token=dedupe(sealed.digest)
            )
        yield api.StoreMessageRequest(end=self._end)


def _of(answer: Failure, *, unknown: bool) -> Exception:
    if unknown and isinstance(answer.error, (Unavailable, RateLimited)):
        return OutcomeUnknown(f"an earlier attempt may have been done: {answer.error}")
    return answer.error
