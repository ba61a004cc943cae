"""What a group does, decided from values before anything is written.

The writer reads the facts that a group depends on in one query per table, inside of the transactions that will write.
As nobody else writes, the outcome of every item follows from those facts and from the items before it, so it is
decided here, without I/O, and the database is only told the net result: no row is written to be rolled back, no
failed item leaves a key behind, and a work that fails takes nothing of the others with it.
"""

from collections.abc import Collection, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field, replace

from vault.crypto.merkle import LeafHash, leaf_hash
from vault.crypto.record_lock import KeyId
from vault.domain.names import Owner, RecordName
from vault.storage.port import (
    Committed,
    Item,
    Put,
    Remove,
    Result,
    Row,
    SeenRequest,
    Work,
    WrappedKey,
)
from vault.storage.queue import QueuePut
from vault.storage.visits import Visits

NO_INDEX = -1
"""The log_index of a replay: no entry was written."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the stores held before the group."""

    key_ids: Mapping[RecordName, KeyId]
    """The key id of each named row that exists."""
    seen: Mapping[tuple[str, str], SeenRequest]
    erased: Collection[Owner]
    revisions: Mapping[RecordName, int] = field(default_factory=dict)
    """Of each named message in the queue."""
    tokens: Collection[tuple[Owner, bytes]] = ()
    """Those of the messages to be stored that earlier ones brought."""


@dataclass(frozen=True, slots=True)
class Retirement:
    """A replaced key, wrapped again, and when it was replaced (milliseconds)."""

    key: WrappedKey
    retired_at: int


@dataclass(slots=True)
class Changes:
    """What items do to the stores; those of one item, one work, or a whole group."""

    rows: dict[RecordName, Row | None] = field(default_factory=dict)
    """The last state of each row touched; None if it is out."""
    puts: list[Put] = field(default_factory=list)
    removes: list[Remove] = field(default_factory=list)
    queue: list[QueuePut] = field(default_factory=list)
    revisions: dict[RecordName, int] = field(default_factory=dict)
    """The last revision of each queue row touched."""
    tokens: set[tuple[Owner, bytes]] = field(default_factory=set)

    def add(self, later: "Changes") -> None:
        """Let other changes follow these."""
        self.rows |= later.rows
        self.puts += later.puts
        self.removes += later.removes
        self.queue += later.queue
        self.revisions |= later.revisions
        self.tokens |= later.tokens

    def retirements(self) -> list[Retirement]:
        """The keys that were replaced."""
        return [Retirement(put.retire, put.row.written_at) for put in self.puts if put.retire is not None]


_NOTHING = Changes()
"""Of works without items: most are."""


@dataclass(slots=True)
class Plan:
    """The net result of a group, and each work's outcome in order."""

    facts: Facts
    log_sizes: MutableMapping[str, int]
    """Entries of each log, these included."""
    outcomes: list[Committed | Exception] = field(default_factory=list)
    changes: Changes = field(default_factory=Changes)
    entries: list[tuple[str, int, bytes, LeafHash]] = field(default_factory=list)
    """(log_id, index, entry, leaf hash)"""
    requests: dict[tuple[str, str], SeenRequest] = field(default_factory=dict)
    visits: list[Visits] = field(default_factory=list)
    destroying: list[bool] = field(default_factory=list)
    """For each work, whether it takes rows out: it is answered after their keys are gone."""

    def take(self, work: Work) -> None:
        """Decide one work after those before it."""
        changes = Changes() if work.items else _NOTHING
        outcome = self._decide(work, changes)
        self.outcomes.append(outcome)
        self.destroying.append(bool(changes.removes) and isinstance(outcome, Committed))

    def _decide(self, work: Work, changes: Changes) -> Committed | Exception:
        seen = self._seen(work.request) if work.request else None
        if seen is not None:
            return Committed((), NO_INDEX, seen)
        results = tuple([self._decide_item(item, changes) for item in work.items]) if work.items else ()
        try:
            entry, response = work.finish(results)
            leaf = leaf_hash(entry)
        except Exception as error:  # noqa: BLE001 - it is this work's, and goes to its caller
            return error
        index = self.log_sizes.get(work.log_id, 0)
        self.log_sizes[work.log_id] = index + 1
        self.entries.append((work.log_id, index, entry, leaf))
        if work.items:
            self.changes.add(changes)
        if work.visits is not None:
            self.visits.append(work.visits)
        if work.request is not None and response is not None:
            self.requests[work.request.caller, work.request.request_id] = replace(work.request, response=response)
        return Committed(results, index)

    def _seen(self, request: SeenRequest) -> SeenRequest | None:
        used = (request.caller, request.request_id)
        return self.requests.get(used) or self.facts.seen.get(used)

    def _decide_item(self, item: Item, before: Changes) -> Result:
        """Take an item into `before` if all of it can be done."""
        if item.owner in self.facts.erased or any(put.row.owner in self.facts.erased for put in item.puts):
            return Result.ERASED
        after = Changes()
        for put in item.puts:
            key_id = self._key_id(put.row.record_name, before, after)
            if key_id != put.replaces:
                return Result.EXISTS if put.replaces is None else Result.CHANGED
            after.add(Changes({put.row.record_name: put.row}, [put]))
        for place in item.queue:
            if (refused := self._decide_queue(place, before, after)) is not None:
                return refused
        for remove in item.removes:
            if self._key_id(remove.record_name, before, after) != remove.key_id:
                return Result.CHANGED
            after.add(Changes({remove.record_name: None}, [], [remove]))
        before.add(after)
        return Result.DONE

    def _decide_queue(self, put: QueuePut, before: Changes, after: Changes) -> Result | None:
        """Take a change of the queue into `after`; why not, if not."""
        row, layers = put.row, (after, before, self.changes)
        if self._key_id(row.record_name, before, after) != row.key_id:
            return Result.CHANGED
        known = next((c.revisions[row.record_name] for c in layers if row.record_name in c.revisions), None)
        if (self.facts.revisions.get(row.record_name, 0) if known is None else known) != row.revision - 1:
            return Result.CHANGED
        token = (row.owner, put.dedupe)
        if put.dedupe and (token in self.facts.tokens or any(token in c.tokens for c in layers)):
            return Result.DUPLICATE
        after.queue.append(put)
        after.revisions[row.record_name] = row.revision
        if put.dedupe:
            after.tokens.add(token)
        return None

    def _key_id(self, name: RecordName, *layers: Changes) -> KeyId | None:
        for layer in (*reversed(layers), self.changes):
            if name in layer.rows:
                row = layer.rows[name]
                return row.key_id if row else None
        return self.facts.key_ids.get(name)


def decide(works: Sequence[Work], facts: Facts, log_sizes: Mapping[str, int]) -> Plan:
    """Decide a group; `log_sizes` are the durable sizes before it."""
    plan = Plan(facts, dict(log_sizes))
    for work in works:
        plan.take(work)
    return plan
