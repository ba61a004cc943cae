"""Entries: what stands in them, and what cannot be brought to stand in them."""

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault.audit import entry as module
from vault.audit.entry import NO_DIGEST, Subject, describe, digest_of, entry_bytes, new_subject, parse
from vault.domain.names import CustomerId, card_name, contact_name, customer_name
from vault.errors import DataLoss, InvalidArgument
from vault.store.v1.audit_entry_pb2 import AuditEntry, Outcome
from vault.v1.status_pb2 import Reason

TIME = 1_790_000_000_123
CALLER = "spiffe://vault.example/billing"
PAN = "4111111111111111"
REQUEST = "123e4567-e89b-12d3-a456-426614174000"
ALICE, BOB = Subject(b"a" * 16), Subject(b"b" * 16)
CARD = card_name(CustomerId("alice"), "7f3a")
CONTACT = contact_name(CustomerId("bob"))


def entry(**changes: Any) -> bytes:
    """An ordinary read, with changes."""
    given_ = {"purpose": "payment_processing", "outcome": Outcome.OUTCOME_ALLOWED, **changes}
    return entry_bytes(TIME, CALLER, given_.pop("purpose"), "PaymentService.GetCard", **given_)


def test_an_entry_says_who_did_what_for_which_purpose() -> None:
    """All fields of one call on two records."""
    message = parse(
        entry(
            outcome=Outcome.OUTCOME_FAILED,
            reason=Reason.REASON_NOT_FOUND,
            subjects=[ALICE, BOB],
            records=[CARD, CONTACT],
            fields=["payment.card_number", "contact.name"],
            request=REQUEST,
            order="order-7",
            written=[digest_of(b"new"), NO_DIGEST],
            replaced=[NO_DIGEST, digest_of(b"old")],
            outcomes=[Outcome.OUTCOME_ALLOWED, Outcome.OUTCOME_FAILED],
        )
    )
    assert message == AuditEntry(
        time=TIME,
        caller=CALLER,
        purpose="payment_processing",
        action="PaymentService.GetCard",
        subjects=[ALICE, BOB],
        records=["cards/7f3a", "contact"],
        fields=["payment.card_number", "contact.name"],
        outcome=Outcome.OUTCOME_FAILED,
        reason=Reason.REASON_NOT_FOUND,
        request=REQUEST,
        order="order-7",
        written=[hashlib.sha256(b"new").digest(), b""],
        replaced=[b"", hashlib.sha256(b"old").digest()],
        outcomes=[Outcome.OUTCOME_ALLOWED, Outcome.OUTCOME_FAILED],
    )


def test_a_customer_id_never_stands_in_an_entry() -> None:
    """Names come in full and are cut here; the customer record itself has an empty name."""
    raw = entry(
        subjects=[ALICE, BOB, ALICE],
        records=[CARD, CONTACT, customer_name(CustomerId("alice"))],
        fields=["contact.name"],
    )
    assert list(parse(raw).records) == ["cards/7f3a", "contact", ""]
    assert b"alice" not in raw
    assert b"bob" not in raw


@pytest.mark.parametrize(
    "value", [PAN, f"a{PAN}", "Alice Smith", "alice@mail.example", "+15550100", "X" * 5000, "é", " "]
)
def test_what_a_caller_sent_in_place_of_a_name_is_left_out(value: str) -> None:
    """The denial is logged all the same."""
    raw = entry(
        purpose=value, outcome=Outcome.OUTCOME_DENIED, request=value, order=value, fields=[value, "contact.name"]
    )
    assert value.encode() not in raw
    message = parse(raw)
    assert (message.purpose, message.request, message.order) == ("", "", "")
    assert list(message.fields) == ["contact.name"]
    assert message.outcome == Outcome.OUTCOME_DENIED


@pytest.mark.parametrize(
    "lists",
    [
        {"records": [CARD]},
        {"subjects": [ALICE]},
        {"records": [CARD], "subjects": [ALICE, BOB]},
        {"records": [CARD], "subjects": [Subject(b"a" * 15)]},
        {"records": [CARD], "subjects": [ALICE], "written": [NO_DIGEST, NO_DIGEST]},
        {"records": [CARD], "subjects": [ALICE], "replaced": [b"x" * 31]},
        {"records": [CARD], "subjects": [ALICE], "outcomes": [1, 2]},
        {"written": [NO_DIGEST]},
    ],
)
def test_lists_that_are_not_parallel_are_a_mistake(lists: dict[str, Any]) -> None:
    """An entry that nobody could read right is not written."""
    with pytest.raises(InvalidArgument):
        entry(**lists)


def test_a_card_number_sent_as_a_purpose_is_not_kept_in_memory() -> None:
    """Only good purposes are cached."""
    module._purpose.cache_clear()
    entry(purpose=f"a{PAN}")
    entry(purpose=PAN)
    assert module._purpose.cache_info().currsize == 0
    entry()
    assert module._purpose.cache_info().currsize == 1


def test_subjects_are_random() -> None:
    """16 bytes, never the same."""
    assert len({new_subject() for _ in range(100)}) == 100
    assert {len(new_subject()) for _ in range(10)} == {16}


@given(st.binary(max_size=200))
def test_parsing_accepts_only_what_would_be_written_again(raw: bytes) -> None:
    """Whatever parses is its own re-encoding."""
    try:
        message = parse(raw)
    except DataLoss:
        return
    assert message.SerializeToString() == raw


@pytest.mark.parametrize(
    "raw",
    [
        b"\x08",
        b"\xff" * 20,
        b"\x12\x02\xff\xfe",  # caller is not UTF-8
        entry() + b"\x7a\x01x",  # field 15
        b"\x08\x80\x00",  # an overlong varint
        b"\x12\x01a\x08\x01",  # fields out of order
        b"\x08\x00",  # a default that is not left out
    ],
)
def test_bytes_that_we_do_not_write_are_refused(raw: bytes) -> None:
    """Unknown fields and second spellings too: a verifier vouches for all that it has read."""
    with pytest.raises(DataLoss):
        parse(raw)
    with pytest.raises(DataLoss):
        describe(raw)


def test_a_description_is_plain_and_short() -> None:
    """Numbers become names, bytes hex, and what is absent is not shown."""
    raw = entry(
        subjects=[ALICE, BOB],
        records=[CARD, customer_name(CustomerId("bob"))],
        written=[digest_of(b"new"), NO_DIGEST],
        outcomes=[Outcome.OUTCOME_ALLOWED, Outcome.OUTCOME_FAILED],
    )
    described = describe(raw)
    assert described == {
        "time": "2026-09-21T14:13:20.123+00:00",
        "caller": CALLER,
        "purpose": "payment_processing",
        "action": "PaymentService.GetCard",
        "outcome": "ALLOWED",
        "records": [
            {"record": "cards/7f3a", "subject": ALICE.hex(), "outcome": "ALLOWED", "written": digest_of(b"new").hex()},
            {"record": "", "subject": BOB.hex(), "outcome": "FAILED"},
        ],
    }
    assert json.loads(json.dumps(described)) == described


def test_a_description_survives_what_a_newer_version_may_write() -> None:
    """Numbers without a name and times without a calendar stay numbers; short lists stay short."""
    raw = AuditEntry(time=1 << 60, outcome=99, reason=98, records=["contact"]).SerializeToString()  # type: ignore[arg-type]
    assert describe(raw) == {"time": str(1 << 60), "outcome": "99", "reason": "98", "records": [{"record": "contact"}]}


def test_a_denial_is_described_with_its_reason() -> None:
    """By name."""
    raw = entry(outcome=Outcome.OUTCOME_DENIED, reason=Reason.REASON_PURPOSE_NOT_ALLOWED)
    assert describe(raw)["reason"] == "PURPOSE_NOT_ALLOWED"


def test_counts_of_a_job_stand_ascending_by_name() -> None:
    """A purge or a restore says what it did in numbers; nobody can bring text into a name."""
    made = entry(counts={"retired": 2, "log-0/restored": 7})
    assert [(count.name, count.value) for count in parse(made).counts] == [("log-0/restored", 7), ("retired", 2)]
    assert describe(made)["counts"] == {"log-0/restored": 7, "retired": 2}
    with pytest.raises(InvalidArgument, match="a count's name"):
        entry(counts={"Ann Example": 1})
