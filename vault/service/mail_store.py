"""The way of a message in: what is checked before, the upload, and one commit of record, queue and entry.

Until that commit nothing of a message can be seen; whatever ends the call before it has the upload discarded behind the
answer. What a request_id has done before is answered before anything is received; what a dedupe token has, at the end,
because it is made of the body's digest.
"""

import asyncio
from collections.abc import AsyncIterator

from vault.domain import names
from vault.errors import InvalidArgument, NotFound
from vault.policy.decide import DENIED
from vault.service.call import Call
from vault.service.entries import NO_DIGEST
from vault.service.kinds import MESSAGE
from vault.service.mail_owner import subject_of_new
from vault.service.mail_upload import Intake, check_header
from vault.service.mail_view import moment
from vault.service.outcomes import refused
from vault.service.parts import Parts
from vault.service.writing import Change, Repeatable
from vault.storage.port import Item, Result
from vault.v1 import mail_service_pb2 as v1


class Storing:
    """Stores messages, and has discarded what breaks off."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._discards: set[asyncio.Task[None]] = set()

    async def store(self, call: Call, requests: AsyncIterator[v1.StoreMessageRequest]) -> v1.StoreMessageResponse:
        """Store a message; until the answer nothing is stored."""
        first = await anext(requests, None)
        if first is None or first.WhichOneof("part") != "header":
            raise InvalidArgument("header", "must come first")
        header = first.header
        owner, name = names.parse_message_name(header.record_name, "header.record_name")
        repeatable, seen = await self._parts.writer.repeat(call, _lasting(header), header.request_id)
        if seen is not None:
            return v1.StoreMessageResponse.FromString(seen)
        numbers = await check_header(self._parts, call, header)
        subject = await subject_of_new(self._parts, call, owner)
        if await self._parts.store.fetch([name]):
            raise refused(Result.EXISTS)
        intake = Intake(self._parts, call, owner, name, header)
        try:
            end = await intake.receive(requests)
            answer = await self._commit(call, intake, end, (subject, numbers), repeatable)
        except BaseException:
            self._discard(intake)
            raise
        if answer.duplicate:
            self._discard(intake)
        return answer

    def _discard(self, intake: Intake) -> None:
        if (task := intake.discard()) is not None:
            self._discards.add(task)
            task.add_done_callback(self._discarded)

    def _discarded(self, task: asyncio.Task[None]) -> None:
        self._discards.discard(task)
        if not task.cancelled():
            task.exception()  # a full disk: the mark stays, and the upkeep tries again

    async def _commit(
        self,
        call: Call,
        intake: Intake,
        end: v1.StoreMessageEnd,
        about: tuple[bytes, set[int]],
        repeatable: Repeatable | None,
    ) -> v1.StoreMessageResponse:
        """The record, its place in the queue and the entry, at once."""
        subject, numbers = about
        put, queue, digest = intake.put(end)
        row = put.row
        response = v1.StoreMessageResponse(
            record_name=row.record_name,
            etag=row.key_id.hex(),
            create_time=moment(row.written_at),
            expire_time=moment(row.expires_at),
        )
        fields = [MESSAGE.by_number[number].policy_name for number in (*numbers, MESSAGE.by_name["body"].number)]
        results, replay = await self._parts.journal.commit(
            call,
            [Change(Item(row.owner, (put,), queue=(queue,)), subject, [(row.record_name, digest, NO_DIGEST)])],
            lambda results: response if results[0] is Result.DONE else None,
            fields_changed=sorted(fields),
            repeatable=repeatable,
        )
        if replay is not None:
            self._discard(intake)
            return v1.StoreMessageResponse.FromString(replay)
        if results[0] is Result.DUPLICATE:
            earlier = await self._parts.store.duplicate(row.owner, end.dedupe_token)
            return v1.StoreMessageResponse(record_name=earlier or row.record_name, duplicate=True)
        if results[0] is not Result.DONE:
            raise NotFound(DENIED) if results[0] is Result.ERASED else refused(results[0])
        intake.end()
        return response


def _lasting(header: v1.StoreMessageHeader) -> v1.StoreMessageRequest:
    """What of an upload is the same when it is tried again: whoever seals again has other bytes under the same name."""
    return v1.StoreMessageRequest(
        header=v1.StoreMessageHeader(
            record_name=header.record_name,
            request_id=header.request_id,
            kind=header.kind,
            recipients=header.recipients,
        )
    )
