"""What has come to its end is destroyed: one sweep for all records that have an `expires_at`.

No read shows a record after its end, whether it was swept or not; the sweep makes that true for old disks as well. It
goes by the columns of the rows only to find places to look at. (1) Each record is opened first, and the end that
counts is the one under its lock: to write another time into a row destroys nothing. (2) What does not open is reported,
in the log, and left: whether it is over nobody can tell, and an operator may still repair it. (3) What an order
covers is held, (4) and what its kind keeps for a while longer stays too. (5) The rest goes as in a deletion: rows out
and entry in, then the keys, live and retired.

Counts of visits are no records and have no keys: those of hours past their time go first, by the policy as it is now,
and the log is told how many.

It works in bounded batches between which calls are served, one sweep at a time, and only while the clock is trusted: a
clock that jumped ahead would end everything at once. A batch that fails fails the round; the next one finds the same
rows. What an operator asks for is bounded as well and says whether there is more.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Protocol

from vault.audit.entry import NO_DIGEST, digest_of
from vault.domain import names
from vault.domain.names import Owner, OwnerKind, RecordName, owner_of
from vault.errors import DataLoss
from vault.policy.model import Caller
from vault.policy.retention import Duration
from vault.service.call import Call
from vault.service.entries import Subject, Touched, new_subject, outcome_of, touched_entry
from vault.service.freshness import ANY_ORDER, StaleError
from vault.service.opening import Opened, Records, customer_facts
from vault.service.writing import Change, Journal
from vault.storage.expiring import FIRST, ExpiryStore, Place
from vault.storage.port import Item, Remove, Result
from vault.storage.visits import VisitStore

ACTION: Final = "Vault.ExpireRecords"
AT_ONCE: Final = 100
"""Records of a batch: opened in a few milliseconds, and removed in one group."""
_REPORTED: Final = 10_000
"""Records that do not open and whose report is remembered, so that each is in the log once, and not each hour."""


class Holds(Protocol):
    """Who may forbid a destruction: orders of disclosure."""

    async def moment(self) -> int:
        """From when on a hold is new to who asks now."""

    async def held(self, records: Sequence[RecordName], now: int) -> Mapping[RecordName, str]:
        """Those of these records that an order covers at a time, and the order's id."""


class Companion(Protocol):
    """What goes with a kind of record, or keeps it: it is registered under the collection, `messages`."""

    async def stay(self, call: Call, records: Sequence[Opened]) -> Collection[RecordName]:
        """Those of these expired records that may not go yet."""

    async def gone(self, call: Call, records: Sequence[RecordName]) -> None:
        """Told when records are destroyed; what else the kind knows of them should go now."""


class SweepStore(ExpiryStore, VisitStore, Protocol):
    """What is looked at: records that end, and counts of visits."""


class NoHolds:
    """Nothing is held."""

    async def moment(self) -> int:
        """None is ever new."""
        return 1 << 62

    async def held(self, _records: Sequence[RecordName], _now: int) -> Mapping[RecordName, str]:
        """None."""
        return {}


@dataclass(slots=True)
class Swept:
    """What one sweep did, in numbers."""

    removed: int = 0
    held: int = 0
    """Over, and covered by an order."""
    kept: int = 0
    """Over, and kept by their kind for a while."""
    unreadable: int = 0
    visit_counts: int = 0
    """Counts of visits, of hours past their time."""
    last: Place | None = None
    """Where it ended, if there may be more after that."""

    def add(self, other: "Swept") -> None:
        """Count another batch in."""
        self.removed += other.removed
        self.held += other.held
        self.kept += other.kept
        self.unreadable += other.unreadable
        self.visit_counts += other.visit_counts


class Retention:
    """The sweep of one process."""

    def __init__(self, store: SweepStore, records: Records, journal: Journal, owner: str, visits: Duration) -> None:
        """Nothing is swept yet.

        Args:
            store: of what ends.
            records: of the same store.
            journal: of the log.
            owner: the vault's own name, for the log.
            visits: how long counts of visits are kept.
        """
        self._store = store
        self._visits = visits
        self._records = records
        self._journal = journal
        self._caller = Caller(owner, frozenset())
        self._companions: dict[str, Companion] = {}
        self._reported: set[RecordName] = set()
        self._turn = asyncio.Lock()
        self.holds: Holds = NoHolds()

    def register(self, collection: str, companion: Companion) -> None:
        """Let a kind of record have a word: `messages`."""
        self._companions[collection] = companion

    async def sweep(self, now: int, *, after: Place = FIRST, batches: int | None = None) -> Swept:
        """Destroy what has come to its end.

        Args:
            now: milliseconds since 1970, from a clock that is trusted.
            after: where to begin.
            batches: how many at most; all there are if left out.

        Raises:
            VaultError: the store cannot do it now.
        """
        swept, done = Swept(), 0
        async with self._turn:
            if after == FIRST:
                swept.visit_counts = await self._forget_visits(now)
            while places := await self._store.expired(now, after, AT_ONCE):
                if done == batches:
                    swept.last = after
                    break
                with suppress(StaleError):  # a hold came in between: the next round looks at them again
                    swept.add(await self._batch(places, now))
                after, done = places[-1], done + 1
        return swept

    async def _forget_visits(self, now: int) -> int:
        gone = await self._store.forget_visits(self._visits.first_kept_hour(now))
        if gone:
            call = Call(self._caller, ACTION, now)
            await self._journal.append(call, touched_entry(call, Touched(), counts={"visit_counts": gone}))
        return gone

    async def _batch(self, places: Sequence[Place], now: int) -> Swept:
        call = Call(self._caller, ACTION, now)
        found = await self._records.open([place.record_name for place in places], now, expired=True)
        # (2) reported, (1) and by the end that is under the lock.
        lost = [name for name, opened in found.items() if isinstance(opened, DataLoss)]
        await self._report(call, lost)
        moment = await self.holds.moment()
        over = [o for o in found.values() if isinstance(o, Opened) and 0 < o.locked.expires_at <= now]
        held = await self.holds.held([o.locked.record_name for o in over], now)
        free = [o for o in over if o.locked.record_name not in held]
        kept = await self._kept(call, free)
        gone = await self._remove(call, [o for o in free if o.locked.record_name not in kept], moment)
        return Swept(len(gone), len(held), len(kept), len(lost))

    async def _kept(self, call: Call, records: Sequence[Opened]) -> set[RecordName]:
        kept: set[RecordName] = set()
        for collection, companion in self._companions.items():
            if own := [o for o in records if _collection(o.locked.record_name) == collection]:
                kept |= set(await companion.stay(call, own))
        return kept

    async def _remove(self, call: Call, records: Sequence[Opened], moment: int) -> list[RecordName]:
        """Rows out and entry in, then the keys (5); those that another write changed meanwhile stay.

        Raises:
            StaleError: a hold was made since that moment; all stay.
        """
        if not records:
            return []
        subjects = await self._subjects(records, call.now)
        changes = [_removal(opened, subjects) for opened in records]
        unless = moment, {ANY_ORDER, *subjects}
        results, _ = await self._journal.commit(call, changes, lambda _: None, unless=unless)
        done = zip(records, results, strict=True)
        gone = [opened.locked.record_name for opened, result in done if result is Result.DONE]
        for collection, companion in self._companions.items():
            if own := [name for name in gone if _collection(name) == collection]:
                await companion.gone(call, own)
        return gone

    async def _subjects(self, records: Sequence[Opened], now: int) -> Mapping[Owner, Subject]:
        """The pseudonyms of the customers; what belongs to nobody who has one gets one of its own."""
        owners = {owner_of(o.locked.record_name) for o in records}
        customers = [RecordName(owner) for owner in owners if names.owner_kind(owner) is OwnerKind.CUSTOMER]
        subjects = {owner: new_subject() for owner in owners}
        for name, opened in (await self._records.open(customers, now)).items():
            with suppress(DataLoss):  # what is over is over, whether its customer opens or not
                if isinstance(opened, Opened):
                    subjects[owner_of(name)] = Subject(customer_facts(opened).subject)
        return subjects

    async def _report(self, call: Call, lost: Sequence[RecordName]) -> None:
        new = [name for name in lost if name not in self._reported]
        if not new:
            return
        if len(self._reported) > _REPORTED:
            self._reported.clear()
        touched, error = Touched(), DataLoss("does not open")
        for name in new:
            touched.read(new_subject(), name, outcome_of(error))
        entry = touched_entry(call, touched, error=error, counts={"unreadable": len(new)})
        await self._journal.append(call, entry)
        self._reported.update(new)


def _removal(opened: Opened, subjects: Mapping[Owner, Subject]) -> Change:
    row = opened.row
    item = Item(row.owner, removes=(Remove(row.owner, row.record_name, row.key_id),))
    return Change(item, subjects[owner_of(row.record_name)], [(row.record_name, NO_DIGEST, digest_of(row.stored))])


def _collection(name: RecordName) -> str:
    return names.under_owner(name).partition("/")[0]
