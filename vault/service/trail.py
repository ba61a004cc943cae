"""Who read what, when, for which purpose: the log, asked about one pseudonym or one caller.

The answer comes from the entries themselves (see `vault.storage.searching` on why there is no index), a window at a
time, so that the event loop breathes and a log of any length takes no memory. It covers every log of the store, those
that a restore closed as well, in their order.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Final

from vault.audit.entry import Subject, parse
from vault.storage.port import Storage
from vault.store.v1.audit_entry_pb2 import OUTCOME_ALLOWED, AuditEntry, Outcome

WINDOW: Final = 4096
"""Entries that are searched in one go: about a millisecond."""


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


async def entries_with(store: Storage, needle: bytes) -> AsyncIterator[tuple[str, int, AuditEntry]]:
    """Every entry of every log that contains these bytes: (log_id, index, entry).

    Raises:
        DataLoss: an entry does not parse.
    """
    for log_id in await store.log_ids():
        size = await store.log_size(log_id)
        for start in range(0, size, WINDOW):
            for index, raw in await store.log_entries_with(log_id, needle, start, min(start + WINDOW, size)):
                yield log_id, index, parse(raw)
            await asyncio.sleep(0)


async def events_of(store: Storage, subject: Subject) -> AsyncIterator[Event]:
    """What happened to a customer's data, oldest first in each log."""
    async for log_id, index, entry in entries_with(store, subject):
        at = [i for i, each in enumerate(entry.subjects) if each == subject]
        if not at:
            continue
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


async def recipients_of(store: Storage, subject: Subject) -> list[Recipient]:
    """Who has read fields of a customer, by caller and purpose (GDPR, article 19)."""
    found: dict[tuple[str, str], Recipient] = {}
    async for event in events_of(store, subject):
        if event.kind == "read" and event.fields:
            key = (event.caller, event.purpose)
            found.setdefault(key, Recipient(*key)).add(event)
    return [found[key] for key in sorted(found)]
