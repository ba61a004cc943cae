"""From one text with its recipients to one stored message for each owner, and the reply for each recipient.

Recipients of one owner stand in one record: they share its lock and its end. What each recipient is told is what
became of its owner's record, so a mail server that talks LMTP sends again only to those who need it.
"""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final

from vault.domain.names import Owner
from vault.gateway.counts import Counts
from vault.gateway.fan_out import Work, fan_out
from vault.gateway.owners import Owners
from vault.gateway.port import Envelope, MailStore, Recipient
from vault.gateway.reply import NOT_NOW, STORED, Reply

MOST_STREAMS: Final = 256
"""Records that are written at a time; each takes a few pieces of memory here, and a stream in the vault."""
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

    async def owner_of(self, address: str) -> Owner:
        """Whose an address is."""
        return await self._owners.owner_of(address)

    def refused(self, why: str) -> None:
        """Note a text that was refused for good."""
        self._counts.add("refused", why)

    @contextmanager
    def room(self, streams: int) -> Iterator[bool]:
        """Reserve room for records to be written at once; False if there is none now."""
        free = self._streams + streams <= MOST_STREAMS
        taken = streams if free else 0
        self._streams += taken
        try:
            yield free
        finally:
            self._streams -= taken

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
        kept = dict(zip(owners, await fan_out(text, works, _FINISH_S), strict=True))
        for each in addressed:
            self._counts.add("received", "stored" if kept[each.owner] else "tempfail")
        if any(kept.values()):
            self._stored()
        return [STORED if kept[each.owner] else NOT_NOW for each in addressed]

    def _work(
        self, owner: Owner, envelope: Envelope, addressed: Sequence[Addressed], queue_id: Callable[[], str]
    ) -> Work:
        # A recipient that is named twice gets one copy, as RFC 5321 leaves open and everybody does.
        recipients = tuple(dict.fromkeys(each.recipient for each in addressed if each.owner == owner))
        theirs = replace(envelope, recipients=recipients)
        return lambda pieces: self._store.store(owner, theirs, pieces, queue_id)
