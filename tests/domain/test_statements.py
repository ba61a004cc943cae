"""What a customer said, followed by what it said later."""

import pytest

from vault.domain import statements
from vault.domain.statements import KEPT
from vault.store.v1.record_pb2 import CustomerFacts
from vault.v1 import consent_pb2 as said

OFFERS, PROGRAMS = "partner_offers", "partner_programs"


def given(**changes: int) -> said.ConsentEvent:
    """Consent."""
    return said.ConsentEvent(state=said.CONSENT_STATE_GIVEN, **changes)  # type: ignore[arg-type]


def test_the_last_event_of_a_purpose_counts() -> None:
    """Given, withdrawn, given; each purpose on its own."""
    facts = CustomerFacts()
    assert statements.consented(facts, 1) == frozenset()
    statements.add_consent(facts, OFFERS, given(), "one")
    statements.add_consent(facts, PROGRAMS, given(), "two")
    assert statements.consented(facts, 1) == {OFFERS, PROGRAMS}
    statements.add_consent(facts, OFFERS, said.ConsentEvent(state=said.CONSENT_STATE_WITHDRAWN), "three")
    assert statements.consented(facts, 1) == {PROGRAMS}
    assert statements.add_consent(facts, OFFERS, given(), "four").consent_id == "one"
    assert statements.consented(facts, 1) == {OFFERS, PROGRAMS}
    assert [len(c.events) for c in facts.consents] == [3, 1]


@pytest.mark.parametrize("state", [said.CONSENT_STATE_REFUSED, said.CONSENT_STATE_UNSPECIFIED])
def test_only_what_was_given_is_a_consent(state: "said.ConsentState.ValueType") -> None:
    """Silence and refusal are none."""
    facts = CustomerFacts()
    statements.add_consent(facts, OFFERS, said.ConsentEvent(state=state), "one")
    assert statements.consented(facts, 1) == frozenset()


def test_a_consent_ends_when_it_says() -> None:
    """At its last moment it holds no more."""
    facts = CustomerFacts()
    statements.add_consent(facts, OFFERS, given(expire_time_ms=100), "one")
    assert statements.consented(facts, 99) == {OFFERS}
    assert statements.consented(facts, 100) == frozenset()


def test_an_objection_can_be_taken_back() -> None:
    """And made again."""
    facts = CustomerFacts()
    for objects in (True, False, True):
        statements.add_objection(facts, "product_news", said.ObjectionEvent(objects=objects))
        assert ("product_news" in statements.objected(facts)) is objects


def test_a_restriction_can_be_lifted() -> None:
    """The last one counts."""
    facts = CustomerFacts()
    assert not statements.restricted(facts)
    for on in (True, False):
        statements.add_restriction(facts, said.RestrictionEvent(restricted=on))
        assert statements.restricted(facts) is on


def test_the_history_keeps_the_newest() -> None:
    """A record does not grow without end."""
    facts = CustomerFacts()
    for at in range(KEPT + 5):
        statements.add_consent(facts, OFFERS, given(event_time_ms=at), "one")
    (consent,) = facts.consents
    assert [e.event_time_ms for e in consent.events] == list(range(5, KEPT + 5))
