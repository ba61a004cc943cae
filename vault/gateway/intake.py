"""From one text with its recipients to one stored message for each owner, and the reply for each recipient.

Recipients of one owner stand in one record: they share its lock and its end. What each recipient is told is what
became of its owner's record, so a mail server that talks LMTP sends again only to those who need it.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Final

from vault.domain.names import Owner
from vault.errors import InvalidArgument
from vault.gateway.body import Fault
from vault.gateway.counts import Counts
from vault.gateway.fan_out import Work, fan_out
from vault.gateway.owners import Owners
from vault.gateway.port import Envelope, MailStore, Recipient
from vault.gateway.reply import NOT_NOW, STORED, Reply

MOST_STREAMS: Final = 32
"""Records that are written at a time: as many as the SDK writes at once (vault.client.connection.MAX_STREAMS). If a
text were begun for more owners than get their turn, those who have theirs would wait for those who have not."""
MOST_OWNERS: Final = 16
"""Of one text."""
_ROOM_S: Final = 30.0
"""To wait for a turn, before the mail server is asked to come again."""
_FINISH_S: Final = 60.0
"""For the vault's answer after the last piece; Postfix waits ten minutes for ours (lmtp_data_done_timeout)."""


@dataclass(frozen=True, slots=True)
class Addressed:
    """A recipient, and whose it is."""

    recipient: Recipient
    owner: Owner


class Intake:
    """What all conversations share."""

    def __init__(self, store: MailStore, owners: Owners, counts: Counts, stored: Callable[[], None]) -> None:
        """Make it.

        Args:
            store: where messages go.
            owners: who says whose they are.
            counts: to be told what happened.
            stored: called after each message, so that somebody looks for it.
        """
        self._store = store
        self._owners = owners
        self._counts = counts
        self._stored = stored
        self._streams = 0
        self._left = asyncio.Condition()

    async def owner_of(self, address: str) -> Owner:
        """Whose an address is."""
        return await self._owners.owner_of(address)

    def refused(self, why: str) -> None:
        """Note a text that was refused for good."""
        self._counts.add("refused", why)

    @asynccontextmanager
    async def room(self, streams: int) -> AsyncIterator[bool]:
        """Reserve room for records to be written at once, all or none; False if there is none for too long."""
        try:
            async with asyncio.timeout(_ROOM_S), self._left:
                await self._left.wait_for(lambda: self._streams + streams <= MOST_STREAMS)
                self._streams += streams
        except TimeoutError:
            yield False
            return
        try:
            yield True
        finally:
            self._streams -= streams
            async with self._left:
                self._left.notify_all()

    async def take(
        self,
        envelope: Envelope,
        addressed: Sequence[Addressed],
        text: AsyncIterator[bytes],
        queue_id: Callable[[], str],
    ) -> list[Reply]:
        """Store a message for each owner; a reply for each recipient, in their order."""
        owners = list(dict.fromkeys(each.owner for each in addressed))
        works = [self._work(owner, envelope, addressed, queue_id) for owner in owners]
        errors = await fan_out(text, works, _FINISH_S)
        said = dict(zip(owners, map(_reply, errors), strict=True))
        replies = [said[each.owner] for each in addressed]
        for reply in replies:
            self._counts.add("received", "stored" if reply.taken else "tempfail" if reply.passing else "refused")
        if STORED in replies:
            self._stored()
        return replies

    def _work(
        self, owner: Owner, envelope: Envelope, addressed: Sequence[Addressed], queue_id: Callable[[], str]
    ) -> Work:
        # A recipient that is named twice gets one copy, as RFC 5321 leaves open and everybody does.
        recipients = tuple(dict.fromkeys(each.recipient for each in addressed if each.owner == owner))
        theirs = replace(envelope, recipients=recipients)
        return lambda pieces: self._store.store(owner, theirs, pieces, queue_id)


def _reply(error: Exception | None) -> Reply:
    """What a mail server is told of a store's outcome; only what would be the same again is said to be for good."""
    if error is None:
        return STORED
    return Fault.SIZE.value if isinstance(error, InvalidArgument) and error.field == "size" else NOT_NOW
