"""Deleting one record: the row out by compare-and-swap, the entry in, then the key destroyed, then the answer.

A record that does not open can be deleted like any other; what is needed is its row's key id.
"""

from contextlib import suppress
from typing import Final, TypeVar

from google.protobuf.message import Message

from vault.audit.entry import digest_of
from vault.domain.names import CustomerId, RecordName, customer_of, owner_of
from vault.errors import Conflict, NotFound
from vault.policy.decide import DENIED
from vault.service.call import Call
from vault.service.entries import NO_DIGEST
from vault.service.freshness import StaleError
from vault.service.parts import Parts
from vault.service.writing import Change, Repeatable
from vault.storage.port import Item, Remove, Result
from vault.v1.contact_service_pb2 import DeleteContactRequest
from vault.v1.payment_service_pb2 import DeleteCardRequest

R = TypeVar("R", bound=Message)

_ATTEMPTS: Final = 5


async def remove(
    parts: Parts, call: Call, request: DeleteContactRequest | DeleteCardRequest, name: RecordName, response: R
) -> R:
    """Delete a record.

    Args:
        parts: of the process.
        call: the call.
        request: with an etag (may be empty) and a request_id.
        name: of the record.
        response: the empty answer.

    Raises:
        NotFound: it is not there.
        FailedPrecondition: it must be kept.
        Conflict: it is another version than the etag says, or changed meanwhile.
    """
    repeatable, seen = await parts.writer.repeat(call, request, request.request_id)
    owner = owner_of(name)
    if seen is not None:
        # The first attempt may have ended between the row and its key.
        await parts.store.destroy_keys(owner, name)
        return response
    for _ in range(_ATTEMPTS):
        with suppress(StaleError):
            return await _remove(parts, call, request, name, response, repeatable)
    raise Conflict("what the record depends on is being changed; delete it again")


async def _remove(
    parts: Parts,
    call: Call,
    request: DeleteContactRequest | DeleteCardRequest,
    name: RecordName,
    response: R,
    repeatable: Repeatable | None,
) -> R:
    """One attempt.

    Raises:
        StaleError: a restriction or an order came in between; nothing was done.
    """
    owner = owner_of(name)
    unless = await parts.holds.unless(owner)
    _, facts = await parts.customer(call, CustomerId(customer_of(owner)))
    row = (await parts.store.fetch([name])).get(name)
    if row is None:
        await parts.store.destroy_keys(owner, name)
        raise NotFound(DENIED)
    await parts.holds.check(call, facts, name)
    if request.etag and row.key_id.hex() != request.etag:
        raise Conflict("etag: is not the record's newest; read it again")
    change = Change(
        Item(owner, removes=(Remove(owner, name, row.key_id),)),
        facts.subject,
        [(name, NO_DIGEST, digest_of(row.stored))],
    )
    results, replay = await parts.journal.commit(
        call,
        [change],
        lambda results: response if results[0] is Result.DONE else None,
        repeatable=repeatable,
        unless=unless,
    )
    if replay is None and results[0] is not Result.DONE:
        raise Conflict("another write came first; read the record again")
    return response
