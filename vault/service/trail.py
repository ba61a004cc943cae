"""Who read what, when, for which purpose: the log, asked about one pseudonym or one caller.

The answer comes from the entries themselves, which the tree vouches for. Which of them to look at says the index of
the log by topic (`vault.service.log_index`), so an answer about one customer takes as long as that customer's history.
What the index does not cover, and what is asked about a caller, is searched a window at a time, so that the event loop
breathes and a log of any length takes no memory. All logs of the store are covered, those that a restore closed as
well, in their order.

An entry that the index names, and that is not about its topic, was altered after it had been taken in: nothing is
answered then, as if the entry did not parse.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Final

from vault.audit.entry import Subject, parse
from vault.audit.topics import ORDERS, topics_of
from vault.errors import DataLoss
from vault.service.log_index import LogIndex
from vault.storage.port import Storage
from vault.store.v1.audit_entry_pb2 import OUTCOME_ALLOWED, AuditEntry, Outcome

WINDOW: Final = 4096
"""Entries that are searched in one go: about a millisecond."""
_BREATH = 50
"""Entries of an index that are fetched in one go."""
_ORDER_ACTIONS: Final = b"DisclosureService."
_ALTERED: Final = "an entry of the log is not what it was when it was indexed: run customer-vault audit verify"


@dataclass(frozen=True, slots=True)
class Event:
    """What one entry says of one customer."""

    log_id: str
    index: int
    time: int
    caller: str
    purpose: str
    action: str
    records: tuple[str, ...]
    """Names under the owner; the empty one is the customer record."""
    fields: tuple[str, ...]
    outcome: Outcome.ValueType
    order: str
    changed: bool
    """Something was written or removed, of which the log knows that it was, and not what."""

    @property
    def kind(self) -> str:
        """`read`, `change` or `refused`."""
        if self.outcome != OUTCOME_ALLOWED:
            return "refused"
        return "change" if self.changed else "read"


@dataclass(slots=True)
class Recipient:
    """A caller that has read, for one purpose."""

    caller: str
    purpose: str
    reads: int = 0
    first: int = 0
    last: int = 0
    fields: set[str] = field(default_factory=set)

    def add(self, event: Event) -> None:
        """Count one read."""
        self.reads += 1
        self.first = min(self.first or event.time, event.time)
        self.last = max(self.last, event.time)
        self.fields.update(event.fields)


@dataclass(frozen=True, slots=True)
class Trail:
    """All logs of a store, asked about something."""

    store: Storage
    index: LogIndex

    async def entries_with(self, needle: bytes) -> AsyncIterator[tuple[str, int, AuditEntry]]:
        """Every entry of every log that contains these bytes: (log_id, index, entry). It reads the whole log.

        Raises:
            DataLoss: an entry does not parse.
        """
        for log_id in await self.store.log_ids():
            async for index, entry in self._searched(log_id, range(await self.store.log_size(log_id)), needle):
                yield log_id, index, entry

    async def entries_about(self, topic: bytes) -> AsyncIterator[tuple[str, int, AuditEntry]]:
        """Every entry of every log that is about a topic: (log_id, index, entry).

        Raises:
            DataLoss: an entry does not parse, or is not what it was.
        """
        needle = _ORDER_ACTIONS if topic == ORDERS else topic
        for log_id in await self.store.log_ids():
            places = await self.index.places(log_id, topic)
            named = iter([*places.entries, None])
            at = next(named)
            for gap in [*places.unknown, None]:
                while at is not None and (gap is None or at < gap.start):
                    yield log_id, at, await self._named(log_id, at, topic)
                    at = next(named)
                if gap is not None:
                    async for index, entry in self._searched(log_id, gap, needle):
                        if topic in topics_of(entry):
                            yield log_id, index, entry

    async def orders(self) -> AsyncIterator[AuditEntry]:
        """The entries that change an order of disclosure."""
        async for _, _, entry in self.entries_about(ORDERS):
            yield entry

    async def events_of(self, subject: Subject) -> AsyncIterator[Event]:
        """What happened to a customer's data, oldest first in each log."""
        async for log_id, index, entry in self.entries_about(subject):
            for event in _events(log_id, index, entry, subject):
                yield event

    async def recipients_of(self, subject: Subject) -> list[Recipient]:
        """Who has read fields of a customer, by caller and purpose (GDPR, article 19)."""
        found: dict[tuple[str, str], Recipient] = {}
        async for event in self.events_of(subject):
            if event.kind == "read" and event.fields:
                key = (event.caller, event.purpose)
                found.setdefault(key, Recipient(*key)).add(event)
        return [found[key] for key in sorted(found)]

    async def _named(self, log_id: str, at: int, topic: bytes) -> AuditEntry:
        if at % _BREATH == 0:
            await asyncio.sleep(0)
        found = await self.store.log_entries(log_id, at, 1)
        if not found or found[0][0] != at or topic not in topics_of(entry := parse(found[0][1])):
            raise DataLoss(_ALTERED)
        return entry

    async def _searched(self, log_id: str, within: range, needle: bytes) -> AsyncIterator[tuple[int, AuditEntry]]:
        for start in range(within.start, within.stop, WINDOW):
            end = min(start + WINDOW, within.stop)
            for index, raw in await self.store.log_entries_with(log_id, needle, start, end):
                yield index, parse(raw)
            await asyncio.sleep(0)


def _events(log_id: str, index: int, entry: AuditEntry, subject: Subject) -> Iterator[Event]:
    at = [i for i, each in enumerate(entry.subjects) if each == subject]
    outcomes = {entry.outcomes[i] for i in at} if entry.outcomes else {entry.outcome}
    for outcome in sorted(outcomes):
        mine = [i for i in at if not entry.outcomes or entry.outcomes[i] == outcome]
        digests = [column[i] for column in (entry.written, entry.replaced) if column for i in mine]
        yield Event(
            log_id,
            index,
            entry.time,
            entry.caller,
            entry.purpose,
            entry.action,
            tuple(entry.records[i] for i in mine),
            tuple(entry.fields),
            outcome,
            entry.order,
            any(digests),
        )
