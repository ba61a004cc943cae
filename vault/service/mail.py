"""MailService: messages in transit. They are stored once, leased to one worker at a time, and gone when delivered.

The vault opens nothing of a message. It keeps the record lock, says who may have what is behind it, and keeps the
queue: `mail_states` has the states and what follows from what, `mail_store` the way in, `mail_fetch` the way out.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from typing import Final

from vault.audit.entry import digest_of
from vault.domain import names
from vault.domain.names import RecordName, owner_of
from vault.errors import Conflict, NotFound, VaultError
from vault.policy.decide import DENIED, permit
from vault.service import mail_states, mail_view
from vault.service.call import Call
from vault.service.entries import NO_DIGEST, Touched, touched_entry
from vault.service.mail_expiry import Expired
from vault.service.mail_fetch import fetch
from vault.service.mail_owner import decisions, subject_of
from vault.service.mail_states import LEASE_S
from vault.service.mail_store import Storing
from vault.service.mail_view import moment, shown
from vault.service.paging import DEFAULT_SIZE
from vault.service.parts import Parts
from vault.service.writing import Change, Repeatable
from vault.storage.port import Item, Remove, Result
from vault.storage.queue import DueQuery, ListQuery, Queued, QueuePut, QueueRow
from vault.v1 import mail_service_pb2 as v1

LEASE_ID_SIZE: Final = 16


class Mail:
    """Stores, leases, gives out and ends messages."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        parts.retention.register("messages", Expired(parts.store))
        self._claiming = asyncio.Lock()
        """Workers who ask at once are answered one after the other: else they would all find the same messages."""
        self._storing = Storing(parts)

    async def store_message(
        self, call: Call, requests: AsyncIterator[v1.StoreMessageRequest]
    ) -> v1.StoreMessageResponse:
        """Store a message; until the answer nothing is stored."""
        return await self._storing.store(call, requests)

    async def claim_messages(self, call: Call, request: v1.ClaimMessagesRequest) -> v1.ClaimMessagesResponse:
        """Lease what is due; the longest due first."""
        allowed = permit(self._parts.policy, call.caller, request.purpose, "mail")
        query = DueQuery(
            now=call.now,
            dead=request.dead_letters,
            limit=request.max_messages or 1,
            kinds=tuple(int(kind) for kind in request.kinds),
            next_hop=request.next_hop,
        )
        response = v1.ClaimMessagesResponse()
        async with self._claiming:
            due = await self._parts.store.queued(await self._parts.store.due(query))
            decided = await decisions(self._parts, call, allowed, [each.row.owner for each in due])
            rows: list[QueueRow] = []
            for each in due:
                held = decided[each.row.owner][1] is not None
                lease = secrets.token_bytes(LEASE_ID_SIZE)
                seconds = request.lease_seconds or LEASE_S
                rows.append(
                    mail_states.hold(each.row, call.now)
                    if held
                    else mail_states.claim(each.row, call.now, lease, seconds * 1000)
                )
            changes = [_requeue(row, decided[row.owner][0]) for row in rows]
            # Without messages it is an entry alone: every call is in the log.
            results, _ = await self._parts.journal.commit(call, changes, _nothing, purpose=allowed.purpose)
        for each, row, result in zip(due, rows, results, strict=True):
            if result is Result.DONE and row.lease:
                message = shown(Queued(row, each.recipients), call.now)
                response.messages.add(message=message, lease_id=row.lease)
        if not response.messages and (at := await self._parts.store.next_due(query)):
            response.next_due_time.FromMilliseconds(at)
        return response

    async def fetch_message(
        self, call: Call, request: v1.FetchMessageRequest
    ) -> AsyncIterator[v1.FetchMessageResponse]:
        """The message's envelopes, then its chunks."""
        _, name = names.parse_message_name(request.record_name)
        if request.lease_id:
            mail_states.check_lease((await self._queued(call, name)).row, request.lease_id)
        async for part in fetch(self._parts, call, name, request):
            yield part

    async def complete_delivery(self, call: Call, request: v1.CompleteDeliveryRequest) -> v1.CompleteDeliveryResponse:
        """Note what became of recipients; with the last, the message is gone."""
        _, name = names.parse_message_name(request.record_name)
        repeatable, seen = await self._parts.writer.repeat(call, request, request.request_id)
        if seen is not None:
            answer = v1.CompleteDeliveryResponse.FromString(seen)
            if answer.gone:
                # The first attempt may have ended between the row and its key.
                await self._parts.store.destroy_keys(owner_of(name), name)
            return answer
        queued = await self._queued(call, name)
        mail_states.check_lease(queued.row, request.lease_id)
        row, changed = mail_states.record(queued, call.now, request.results)
        after = {place.place: place for place in (*queued.recipients, *changed)}
        response = v1.CompleteDeliveryResponse(gone=row is None)
        if row is None:
            response.message.record_name = name
            response.message.recipients.extend(mail_view.recipients(after.values()))
        else:
            response.message.CopyFrom(shown(Queued(row, tuple(after.values())), call.now))
        next_row = row or queued.row._replace(revision=queued.row.revision + 1)
        change = await self._change(call, QueuePut(next_row, tuple(changed)), last=row is None)
        await self._settle(call, change, response, repeatable)
        if row is None:
            with suppress(VaultError):  # its key is gone; of a large one, what is left goes now or with the upkeep
                await self._parts.store.sweep_chunks()
        return response

    async def release_message(self, call: Call, request: v1.ReleaseMessageRequest) -> v1.ReleaseMessageResponse:
        """Give a message back."""
        _, name = names.parse_message_name(request.record_name)
        repeatable, seen = await self._parts.writer.repeat(call, request, request.request_id)
        if seen is not None:
            return v1.ReleaseMessageResponse.FromString(seen)
        queued = await self._queued(call, name)
        mail_states.check_lease(queued.row, request.lease_id)
        given = request.HasField("next_attempt_time")
        due_at = mail_view.milliseconds(request.next_attempt_time, "next_attempt_time") if given else call.now
        row = mail_states.release(queued.row, call.now, due_at, int(request.reason), request.status)
        response = v1.ReleaseMessageResponse(message=shown(Queued(row, queued.recipients), call.now))
        await self._settle(call, await self._change(call, QueuePut(row)), response, repeatable)
        return response

    async def extend_lease(self, call: Call, request: v1.ExtendLeaseRequest) -> v1.ExtendLeaseResponse:
        """Keep a message for longer."""
        _, name = names.parse_message_name(request.record_name)
        queued = await self._queued(call, name)
        mail_states.check_lease(queued.row, request.lease_id)
        row = mail_states.extend(queued.row, call.now, (request.lease_seconds or LEASE_S) * 1000)
        response = v1.ExtendLeaseResponse(lease_end_time=moment(row.due_at))
        await self._settle(call, await self._change(call, QueuePut(row)), response, None)
        return response

    async def get_message(self, call: Call, request: v1.GetMessageRequest) -> v1.GetMessageResponse:
        """State, age, size of one."""
        _, name = names.parse_message_name(request.record_name)
        allowed = permit(self._parts.policy, call.caller, request.purpose, "mail")
        queued = await self._queued(call, name)
        touched = Touched()
        touched.read(await subject_of(self._parts, call, queued.row.owner), name)
        await self._parts.journal.append(call, touched_entry(call, touched, purpose=allowed.purpose))
        return v1.GetMessageResponse(message=shown(queued, call.now))

    async def list_messages(self, call: Call, request: v1.ListMessagesRequest) -> v1.ListMessagesResponse:
        """State, age, size of many; the log has how many."""
        if request.owner:
            names.parse_owner(request.owner)
        allowed = permit(self._parts.policy, call.caller, request.purpose, "mail")
        by_size, limit = request.order == v1.MESSAGE_ORDER_SIZE, request.page_size or DEFAULT_SIZE
        query = ListQuery(
            now=call.now,
            limit=limit,
            owner=request.owner,
            state=int(request.state),
            token=request.recipient_token,
            next_hop=request.next_hop,
            by_size=by_size,
            after=mail_view.place_after(request.page_token),
        )
        store = self._parts.store
        found = await store.queued(await store.list_queue(query))
        response = v1.ListMessagesResponse(messages=[shown(each, call.now) for each in found])
        if len(found) == limit:
            response.next_page_token = mail_view.page_after(found[-1].row, by_size=by_size)
        if not request.page_token:
            depth = await store.depth(call.now)
            response.depth.waiting, response.depth.leased, response.depth.dead = depth.waiting, depth.leased, depth.dead
            response.depth.size = depth.size
            if depth.oldest:
                response.depth.oldest_create_time.FromMilliseconds(depth.oldest)
        entry = touched_entry(call, Touched(), purpose=allowed.purpose, counts={"listed": len(found)})
        await self._parts.journal.append(call, entry)
        return response

    async def _queued(self, call: Call, name: RecordName) -> Queued:
        """A message that is in the queue.

        Raises:
            NotFound: it is not, or no more.
        """
        found = await self._parts.store.queued([name])
        if not found or mail_states.state_of(found[0].row, call.now) is mail_states.State.GONE:
            raise NotFound(DENIED)
        return found[0]

    async def _change(self, call: Call, put: QueuePut, *, last: bool = False) -> Change:
        """A change of one message's place in the queue; with its last result, the record goes too."""
        row = put.row
        subject = await subject_of(self._parts, call, row.owner)
        if not last:
            return Change(Item(row.owner, queue=(put,)), subject, [(row.record_name, NO_DIGEST, NO_DIGEST)])
        stored = (await self._parts.store.fetch([row.record_name])).get(row.record_name)
        if stored is None or stored.key_id != row.key_id:
            raise NotFound(DENIED)
        item = Item(row.owner, removes=(Remove(row.owner, row.record_name, row.key_id),), queue=(put,))
        return Change(item, subject, [(row.record_name, NO_DIGEST, digest_of(stored.stored))])

    async def _settle(
        self,
        call: Call,
        change: Change,
        response: v1.CompleteDeliveryResponse | v1.ReleaseMessageResponse | v1.ExtendLeaseResponse,
        repeatable: Repeatable | None,
    ) -> None:
        """Commit a change of the queue.

        Raises:
            Conflict: another came first.
        """
        results, replay = await self._parts.journal.commit(
            call, [change], lambda results: response if results[0] is Result.DONE else None, repeatable=repeatable
        )
        if replay is not None:
            response.ParseFromString(replay)
        elif results[0] is not Result.DONE:
            raise Conflict("another worker's call came first; read the message again")


def _nothing(_results: Sequence[Result]) -> None:
    return None


def _requeue(row: QueueRow, subject: bytes) -> Change:
    return Change(Item(row.owner, queue=(QueuePut(row),)), subject, [(row.record_name, NO_DIGEST, NO_DIGEST)])
