"""The states of a message in transit, and how one follows from another: the table `AFTER`, and what each step writes.

    stored ──> WAITING ──claim──> LEASED ──last result──> gone
                  ^                 │ release, or the lease ends
                  └─────────────────┘
    time is up (`dead_at`):  WAITING ──> DEAD,  LEASED ──> RETURNING
               DEAD ──claim──> RETURNING ──last result──> gone;  release, or the lease ends: DEAD again

A queue row has no column for its state. It follows from the row and the time, so nothing has to run when a lease ends
or time is up, and a vault that was down meanwhile finds all as it should be.

A lease that ended still counts for who has it, until somebody else claims the message: what a slow worker then says of
a delivery is the truth, and refusing it would deliver twice. Whoever comes after another claim is refused.

Nothing here reads or writes: rows in, rows out.
"""

import hmac
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Final

from vault.errors import Conflict, InvalidArgument
from vault.storage.queue import Queued, QueueRow, RecipientRow
from vault.v1 import mail_service_pb2 as v1

LEASE_S: Final = 300
"""A lease of a worker who does not say how long."""
BOUNCE_MS: Final = 2 * 24 * 3600 * 1000
"""How long a dead letter is kept for its sender to be told, beyond the time that the policy gives to deliveries."""
RESTRICTED_MS: Final = 3600 * 1000
"""Until a message is looked at again whose owner's data must not be used now."""


class State(Enum):
    """Where a message stands."""

    GONE = "gone"
    """Not stored yet, or no more."""
    WAITING = "waiting"
    LEASED = "leased"
    DEAD = "dead"
    """Not delivered in time; its sender is to be told."""
    RETURNING = "returning"
    """A dead letter that a worker has."""


class Event(Enum):
    """What happens to one."""

    STORE = "store"
    CLAIM = "claim"
    EXTEND = "extend"
    RELEASE = "release"
    GIVE_UP = "give up"
    RESULT = "result"
    """Of some recipients."""
    LAST_RESULT = "last result"
    LEASE_ENDS = "lease ends"
    TIME_UP = "time up"
    TAKE_OUT = "take out"
    """Expiry, erasure."""


AFTER: Final[Mapping[State, Mapping[Event, State]]] = {
    State.GONE: {Event.STORE: State.WAITING},
    State.WAITING: {
        Event.CLAIM: State.LEASED,
        # By who had the lease last:
        Event.EXTEND: State.LEASED,
        Event.RELEASE: State.WAITING,
        Event.GIVE_UP: State.DEAD,
        Event.RESULT: State.WAITING,
        Event.LAST_RESULT: State.GONE,
        Event.TIME_UP: State.DEAD,
        Event.TAKE_OUT: State.GONE,
    },
    State.LEASED: {
        Event.EXTEND: State.LEASED,
        Event.RELEASE: State.WAITING,
        Event.GIVE_UP: State.DEAD,
        Event.RESULT: State.LEASED,
        Event.LAST_RESULT: State.GONE,
        Event.LEASE_ENDS: State.WAITING,
        Event.TIME_UP: State.RETURNING,
        Event.TAKE_OUT: State.GONE,
    },
    State.DEAD: {
        Event.CLAIM: State.RETURNING,
        Event.EXTEND: State.RETURNING,
        Event.RELEASE: State.DEAD,
        Event.GIVE_UP: State.DEAD,
        Event.RESULT: State.DEAD,
        Event.LAST_RESULT: State.GONE,
        Event.TAKE_OUT: State.GONE,
    },
    State.RETURNING: {
        Event.EXTEND: State.RETURNING,
        Event.RELEASE: State.DEAD,
        Event.GIVE_UP: State.DEAD,
        Event.RESULT: State.RETURNING,
        Event.LAST_RESULT: State.GONE,
        Event.LEASE_ENDS: State.DEAD,
        Event.TAKE_OUT: State.GONE,
    },
}
"""The states, what can happen in each, and what follows. What is not here cannot happen."""

SHOWN: Final[Mapping[State, "v1.MessageState.ValueType"]] = {
    State.WAITING: v1.MESSAGE_STATE_WAITING,
    State.LEASED: v1.MESSAGE_STATE_LEASED,
    State.DEAD: v1.MESSAGE_STATE_DEAD,
    State.RETURNING: v1.MESSAGE_STATE_LEASED,
}


def state_of(row: QueueRow | None, now: int) -> State:
    """Where a message stands at a time."""
    if row is None or row.expires_at <= now:
        return State.GONE
    leased, dead = bool(row.lease) and row.due_at > now, row.dead_at <= now
    if dead:
        return State.RETURNING if leased else State.DEAD
    return State.LEASED if leased else State.WAITING


def follow(row: QueueRow, now: int, event: Event) -> State:
    """The state after an event.

    Raises:
        Conflict: it cannot happen now.
    """
    after = AFTER[state_of(row, now)].get(event)
    if after is None:
        raise Conflict("the message is not in a state for this; read it again")
    return after


def check_lease(row: QueueRow, lease: bytes) -> None:
    """Check that nobody claimed or released the message since the lease was given.

    Raises:
        Conflict: somebody did.
    """
    if not row.lease or not hmac.compare_digest(row.lease, lease):
        raise Conflict("lease_id: is not the message's newest; another worker may have it, so leave it alone")


def claim(row: QueueRow, now: int, lease: bytes, lease_ms: int) -> QueueRow:
    """Under a new lease; one that took its place without a word is noted."""
    follow(row, now, Event.CLAIM)
    reason, status = (v1.RELEASE_REASON_LEASE_LOST, "") if row.lease else (row.reason, row.status)
    return row._replace(
        lease=lease,
        due_at=now + lease_ms,
        attempts=row.attempts + 1,
        reason=int(reason),
        status=status,
        revision=row.revision + 1,
    )


def extend(row: QueueRow, now: int, lease_ms: int) -> QueueRow:
    """With a lease that ends later."""
    follow(row, now, Event.EXTEND)
    return row._replace(due_at=now + lease_ms, revision=row.revision + 1)


def release(row: QueueRow, now: int, due_at: int, reason: int, status: str) -> QueueRow:
    """To be claimed again; no later than when time is up, for then its sender must be told."""
    give_up = reason == v1.RELEASE_REASON_UNDELIVERABLE
    after = follow(row, now, Event.GIVE_UP if give_up else Event.RELEASE)
    row = row._replace(lease=b"", reason=reason, status=status, revision=row.revision + 1)
    if give_up:
        return row._replace(due_at=now, dead_at=min(now, row.dead_at))
    latest = row.dead_at if after is State.WAITING else row.expires_at
    return row._replace(due_at=max(now, min(due_at, latest)))


def hold(row: QueueRow, now: int) -> QueueRow:
    """Left alone for a while, because the owner's data must not be used."""
    due_at, reason = now + RESTRICTED_MS, int(v1.RELEASE_REASON_OWNER_RESTRICTED)
    return row._replace(lease=b"", due_at=due_at, reason=reason, status="", revision=row.revision + 1)


def sooner(row: QueueRow, now: int) -> QueueRow | None:
    """Due at once; None if it is, or a worker has it."""
    if row.due_at <= now or row.lease:
        return None
    return row._replace(due_at=now, revision=row.revision + 1)


def returned(row: QueueRow, now: int) -> QueueRow | None:
    """A dead letter at once, when the worker who may have it is through; None if it is one."""
    if row.dead_at <= now:
        return None
    due_at = row.due_at if row.lease else min(row.due_at, now)
    return row._replace(dead_at=now, due_at=due_at, revision=row.revision + 1)


def record(
    queued: Queued, now: int, results: Iterable[v1.DeliveryResult]
) -> tuple[QueueRow | None, list[RecipientRow]]:
    """What became of recipients: the row after it, None if these were the last; and the recipients that changed.

    A result that is there stays: who repeats one changes nothing.

    Raises:
        InvalidArgument: a recipient is not the message's.
        Conflict: it cannot happen now.
    """
    by_place = {recipient.place: recipient for recipient in queued.recipients}
    changed: dict[int, RecipientRow] = {}
    for at, result in enumerate(results):
        old = by_place.get(result.recipient)
        if old is None:
            raise InvalidArgument(f"results[{at}].recipient", "must be the place of a recipient of the message")
        if old.state == v1.RECIPIENT_STATE_WAITING and old.place not in changed:
            new = old._replace(state=int(result.state), status=result.status, changed_at=now)
            changed[old.place] = new
    by_place |= changed
    left = any(recipient.state == v1.RECIPIENT_STATE_WAITING for recipient in by_place.values())
    follow(queued.row, now, Event.RESULT if left else Event.LAST_RESULT)
    row = queued.row._replace(revision=queued.row.revision + 1) if left else None
    return row, list(changed.values())
