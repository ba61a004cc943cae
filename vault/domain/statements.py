"""What a customer said about the use of its data: consent, objection, restriction, each with its history.

Pure functions of the customer record's body. A statement is never changed, only followed by another: what counts is
the last event, and the ones before it are the proof of what counted when (GDPR article 7(1); ISO/IEC TS 27560 names the
fields). So that a record cannot grow without end, the oldest events of a purpose go once there are more than `KEPT`;
the log still has an entry for each.

An event that says what the last one said is kept too: a customer who agrees again, to a newer notice, has done so.
"""

from collections.abc import Iterable
from typing import Any, Final, TypeVar

from vault.store.v1.record_pb2 import CustomerFacts
from vault.v1.consent_pb2 import (
    CONSENT_STATE_GIVEN,
    Consent,
    ConsentEvent,
    Objection,
    ObjectionEvent,
    RestrictionEvent,
)

KEPT: Final = 32
"""Events of one purpose, or of the restriction."""

_Event = TypeVar("_Event", ConsentEvent, ObjectionEvent, RestrictionEvent)


def consented(facts: CustomerFacts, now: int) -> frozenset[str]:
    """The purposes to which consent holds at a time (milliseconds since 1970)."""
    return frozenset(c.purpose for c in facts.consents if c.events and _holds(c.events[-1], now))


def objected(facts: CustomerFacts) -> frozenset[str]:
    """The purposes to which the customer objects."""
    return frozenset(o.purpose for o in facts.objections if o.events and o.events[-1].objects)


def restricted(facts: CustomerFacts) -> bool:
    """Whether processing is restricted to storage and legal claims."""
    return bool(facts.restrictions) and facts.restrictions[-1].restricted


def superseded(events: Iterable[_Event], event_time_ms: int) -> bool:
    """Whether the customer has said something since a time, so that what was said then decides no more."""
    return any(event.event_time_ms > event_time_ms for event in events)


def add_consent(facts: CustomerFacts, purpose: str, event: ConsentEvent, new_id: str) -> Consent:
    """Let an event follow in the consent record of a purpose, which is begun under `new_id` if there is none."""
    consent = next((c for c in facts.consents if c.purpose == purpose), None)
    if consent is None:
        consent = facts.consents.add(consent_id=new_id, purpose=purpose)
    _follow(consent.events, event)
    return consent


def add_objection(facts: CustomerFacts, purpose: str, event: ObjectionEvent) -> Objection:
    """Let an event follow in the objections to a purpose."""
    objection = next((o for o in facts.objections if o.purpose == purpose), None)
    if objection is None:
        objection = facts.objections.add(purpose=purpose)
    _follow(objection.events, event)
    return objection


def add_restriction(facts: CustomerFacts, event: RestrictionEvent) -> RestrictionEvent:
    """Let an event follow in the restrictions."""
    _follow(facts.restrictions, event)
    return event


def _holds(event: ConsentEvent, now: int) -> bool:
    return event.state == CONSENT_STATE_GIVEN and (event.expire_time_ms == 0 or now < event.expire_time_ms)


def _follow(events: Any, event: _Event) -> None:  # noqa: ANN401 - upb's repeated field
    kept: Iterable[_Event] = [*events, event][-KEPT:]
    del events[:]
    events.extend(kept)
