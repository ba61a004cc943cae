"""What a write does with its drafts: sealed, locked and committed as one, with one answer to remember.

A lost race is no error yet: who read a version and finds another in its place reads again, and only gives up when the
caller had asked for that very version (an etag), or the races do not end.
"""

import asyncio
from collections.abc import Callable, Collection, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar
from weakref import WeakValueDictionary

from google.protobuf.message import Message

from vault.domain.names import RecordName
from vault.errors import DataLoss, NotFound
from vault.policy.decide import DENIED
from vault.service.call import Call
from vault.service.drafts import Draft
from vault.service.freshness import StaleError
from vault.service.opening import Opened
from vault.service.parts import Parts
from vault.service.writing import Change, Repeatable
from vault.storage.port import Item, Put, Result

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

R = TypeVar("R", bound=Message)


async def current(parts: Parts, call: Call, name: RecordName) -> Opened | None:
    """The version that a write replaces: what is there, expired or not.

    Raises:
        DataLoss: it does not open.
    """
    found = (await parts.records.open([name], call.now, expired=True)).get(name)
    if isinstance(found, DataLoss):
        raise found
    return found


async def put_drafts(
    parts: Parts,
    call: Call,
    drafts: Sequence[Draft],
    subject: bytes,
    respond: Callable[[Sequence[Put]], R],
    repeatable: Repeatable | None = None,
    unless: tuple[int, Collection[str]] | None = None,
) -> R | None:
    """Write drafts in one transaction.

    Args:
        parts: of the process.
        call: the call.
        drafts: each onto the version that it replaces.
        subject: the pseudonym that the log has for their owner.
        respond: makes the answer of what is put.
        repeatable: the request_id, if there is one.
        unless: as `Journal.commit` has it.

    Returns:
        The answer, or that of another call with this request_id which came first; None if another write came first, or
        a change that `unless` names.

    Raises:
        NotFound: the owner was erased.
        DataLoss: a version to be replaced does not open.
    """
    await parts.writer.prepare(drafts, call.now)
    made = [parts.writer.put(draft, call.now) for draft in drafts]
    puts = tuple(put for put, _, _ in made)
    response = respond(puts)
    digests = [(put.row.record_name, written, replaced) for put, written, replaced in made]
    try:
        results, replay = await parts.journal.commit(
            call,
            [Change(Item(puts[0].row.owner, puts), subject, digests)],
            lambda results: response if results[0] is Result.DONE else None,
            fields_changed=sorted({name for draft in drafts for name in draft.fields()}),
            repeatable=repeatable,
            unless=unless,
        )
    except StaleError:
        return None
    if replay is not None:
        return type(response).FromString(replay)
    if results[0] is Result.ERASED:
        raise NotFound(DENIED)
    return response if results[0] is Result.DONE else None


class Turns:
    """One at a time for each record: writers who would only lose races to each other wait for their turn."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def of(self, name: str) -> "AsyncIterator[None]":
        """Wait for the turn at a name."""
        lock = self._locks.get(name)
        if lock is None:
            lock = self._locks[name] = asyncio.Lock()
        async with lock:
            yield
