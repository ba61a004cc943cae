"""The table of states is the whole truth: each step of the code is walked from each state, and nothing else happens."""

from collections.abc import Callable

import pytest

from vault.crypto.record_lock import KeyId
from vault.domain.names import Owner, RecordName
from vault.errors import Conflict, InvalidArgument
from vault.service import mail_states
from vault.service.mail_states import AFTER, BOUNCE_MS, Event, State, state_of
from vault.storage.queue import Queued, QueueRow, RecipientRow
from vault.v1 import mail_service_pb2 as v1

NOW = 1_790_000_000_000
DAY = 24 * 3600 * 1000
LEASE = b"l" * 16
WAITING = int(v1.RECIPIENT_STATE_WAITING)


def row(state: State) -> QueueRow:
    """A message in a state, now; a lease that ended is still its last one."""
    dead = state in (State.DEAD, State.RETURNING)
    leased = state in (State.LEASED, State.RETURNING)
    dead_at = NOW - 1 if dead else NOW + DAY
    name = RecordName("domains/example.net/messages/m1")
    due_at = NOW + 1000 if leased else NOW - 1000
    return QueueRow(
        Owner("domains/example.net"), name, KeyId(bytes(16)), 1, 5, 1, NOW - DAY, due_at, dead_at,
        dead_at + BOUNCE_MS, LEASE, 1, 0, "", 7,
    )  # fmt: skip


def queued(state: State) -> Queued:
    """With two recipients."""
    return Queued(row(state), tuple(RecipientRow(place, b"t" * 16, b"", WAITING, "", 0) for place in range(2)))


def results(*places: int) -> list[v1.DeliveryResult]:
    """Delivered to these."""
    return [v1.DeliveryResult(recipient=place, state=v1.RECIPIENT_STATE_DELIVERED) for place in places]


Step = Callable[[State], QueueRow | None]
STEPS: dict[Event, Step] = {
    Event.CLAIM: lambda s: mail_states.claim(row(s), NOW, b"n" * 16, 1000),
    Event.EXTEND: lambda s: mail_states.extend(row(s), NOW, 1000),
    Event.RELEASE: lambda s: mail_states.release(row(s), NOW, NOW, v1.RELEASE_REASON_TEMPORARY_FAILURE, ""),
    Event.GIVE_UP: lambda s: mail_states.release(row(s), NOW, NOW, v1.RELEASE_REASON_UNDELIVERABLE, ""),
    Event.RESULT: lambda s: mail_states.record(queued(s), NOW, results(0))[0],
    Event.LAST_RESULT: lambda s: mail_states.record(queued(s), NOW, results(0, 1))[0],
    Event.LEASE_ENDS: lambda s: row(s)._replace(due_at=NOW),
    Event.TIME_UP: lambda s: row(s)._replace(dead_at=NOW),
    Event.TAKE_OUT: lambda _: None,
}
BY_TIME = {Event.LEASE_ENDS, Event.TIME_UP, Event.TAKE_OUT}
"""Nobody asks for these, so nobody is refused."""
THERE = [state for state in State if state is not State.GONE]


@pytest.mark.parametrize("state", THERE)
@pytest.mark.parametrize("event", list(STEPS))
def test_every_step_leads_where_the_table_says(state: State, event: Event) -> None:
    """And what the table does not have is refused."""
    after = AFTER[state].get(event)
    if after is None:
        if event not in BY_TIME:
            with pytest.raises(Conflict):
                STEPS[event](state)
        return
    changed = STEPS[event](state)
    assert state_of(changed, NOW) is after
    if changed is not None and event not in BY_TIME:
        assert changed.revision == row(state).revision + 1


def test_every_state_is_reached_and_left() -> None:
    """From nothing to nothing; no state is a trap, and each event is somewhere."""
    reached = {after for events in AFTER.values() for after in events.values()}
    assert reached | {State.GONE} == set(State) == set(AFTER)
    assert {event for events in AFTER.values() for event in events} == set(Event) == {Event.STORE, *STEPS}
    assert all(State.GONE in AFTER[state].values() for state in THERE)
    assert state_of(None, NOW) is State.GONE


@pytest.mark.parametrize("state", THERE)
def test_past_its_end_a_message_is_gone(state: State) -> None:
    """Whatever state it was in."""
    assert state_of(row(state)._replace(expires_at=NOW), NOW) is State.GONE


def test_a_next_attempt_is_no_later_than_the_end_of_deliveries() -> None:
    """Else its sender would be told later than the policy says."""
    released = mail_states.release(row(State.LEASED), NOW, NOW + 9 * DAY, v1.RELEASE_REASON_UNREACHABLE, "")
    assert released.due_at == released.dead_at
    assert mail_states.release(row(State.LEASED), NOW, 0, v1.RELEASE_REASON_UNREACHABLE, "").due_at == NOW


def test_a_message_of_a_restricted_owner_is_left_alone_for_a_while() -> None:
    """It is neither leased nor counted as an attempt."""
    held = mail_states.hold(row(State.WAITING), NOW)
    assert (held.lease, held.attempts, held.reason) == (b"", 1, v1.RELEASE_REASON_OWNER_RESTRICTED)
    assert held.due_at > NOW


def test_the_first_result_of_a_recipient_stays() -> None:
    """Who repeats one, or says otherwise later, changes nothing."""
    one = queued(State.LEASED)
    _, (changed,) = mail_states.record(one, NOW, results(0, 0))
    after = Queued(one.row, (changed, one.recipients[1]))
    bounced = v1.DeliveryResult(recipient=0, state=v1.RECIPIENT_STATE_BOUNCED)
    left, again = mail_states.record(after, NOW + 1, [bounced])
    assert left is not None
    assert not again


def test_a_result_of_nobody_is_refused() -> None:
    """The place must be one of the list."""
    with pytest.raises(InvalidArgument, match="recipient"):
        mail_states.record(queued(State.LEASED), NOW, results(2))


@pytest.mark.parametrize(("has", "shows"), [(b"", b""), (b"", LEASE), (LEASE, b"x" * 16), (LEASE, b"")])
def test_only_the_newest_lease_counts(has: bytes, shows: bytes) -> None:
    """Nobody has one that was released."""
    mail_states.check_lease(row(State.LEASED), LEASE)
    with pytest.raises(Conflict, match="lease_id"):
        mail_states.check_lease(row(State.LEASED)._replace(lease=has), shows)
