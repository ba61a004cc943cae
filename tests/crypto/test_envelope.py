"""Boxes, padding, and the form of a record's envelopes."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault.crypto import envelope, epoch, fields
from vault.domain.fields import ALL_FIELDS, ProtectedField, protected_fields
from vault.domain.secret import Secret
from vault.errors import OpenError
from vault.v1 import records_pb2 as records
from vault.v1.envelope_pb2 import Box, Envelope

VAULT = bytes(range(16))
NAME = "customers/42/contact"
BY_NUMBER = {f.number: f for f in protected_fields(records.Contact).values()}


def step(number: int = 0, audience: str = "a") -> envelope.Step:
    """A step of a fixed epoch."""
    secret = Secret(bytes(32))
    return envelope.Step(audience, epoch.epoch_id(secret, VAULT, audience), number, epoch.step_key(secret, number))


def sealed(**values: Any) -> Envelope:
    """A contact's values in one envelope."""
    return envelope.seal(VAULT, step(), NAME, fields.plaintexts(records.Contact(**values)))


def opened(sealed_: Envelope, name: str = NAME, at: envelope.Step | None = None) -> dict[str, str]:
    """What opens."""
    boxes = envelope.open_boxes(VAULT, at or step(), name, sealed_, BY_NUMBER)
    return {f.name: p.decode() for f, p in boxes}


@given(st.binary(max_size=200))
def test_padding_goes_both_ways_and_hides_the_length(plaintext: bytes) -> None:
    """1 to 32 bytes are always added, up to a multiple of 32."""
    padded = envelope.pad(plaintext)
    assert envelope.unpad(padded) == plaintext
    assert len(padded) % 32 == 0
    assert 1 <= len(padded) - len(plaintext) <= 32


@given(st.binary(max_size=96))
def test_only_what_pad_makes_is_unpadded(padded: bytes) -> None:
    """One plaintext, one padding."""
    try:
        plaintext = envelope.unpad(padded)
    except OpenError:
        return
    assert envelope.pad(plaintext) == padded


@given(st.dictionaries(st.sampled_from(sorted(protected_fields(records.Contact))), st.text(min_size=1, max_size=80)))
def test_what_is_sealed_opens(values: dict[str, str]) -> None:
    """Field by field, whatever the text."""
    values = {k: v for k, v in values.items() if not any("\ud800" <= c <= "\udfff" for c in v)}
    if values:
        assert opened(sealed(**values)) == values


def test_each_write_has_its_own_salt_and_nonces() -> None:
    """The same value twice gives nothing alike."""
    one, two = sealed(name="Ann"), sealed(name="Ann")
    assert one.salt != two.salt
    assert one.boxes[0].ciphertext != two.boxes[0].ciphertext


@pytest.mark.parametrize("what", ["name", "step", "audience", "salt", "field"])
def test_a_box_opens_only_where_it_was_sealed(what: str) -> None:
    """Another record, step, audience, salt or field closes it."""
    message, name, at = sealed(name="Ann", city="Bonn"), NAME, step()
    if what == "name":
        name = "customers/43/contact"
    elif what == "step":
        at = step(1)
    elif what == "audience":
        at = step(0, "b")
    elif what == "salt":
        message.salt = bytes(32)
    else:
        message.boxes[0].ciphertext, message.boxes[1].ciphertext = (
            message.boxes[1].ciphertext,
            message.boxes[0].ciphertext,
        )
    with pytest.raises(OpenError):
        opened(message, name, at)


def test_boxes_that_are_not_wanted_are_left_alone() -> None:
    """Even one that would not open."""
    message = sealed(name="Ann", city="Bonn")
    message.boxes[1].ciphertext = bytes(60)
    wanted = {2: BY_NUMBER[2]}
    assert envelope.open_boxes(VAULT, step(), NAME, message, wanted) == [(BY_NUMBER[2], b"Ann")]


@pytest.mark.parametrize("plaintext", [b"", b"\xff\xfe"])
def test_an_empty_or_broken_text_is_refused(plaintext: bytes) -> None:
    """A sealer makes no box of an empty value, and no string that is not UTF-8."""
    message = envelope.seal(VAULT, step(), NAME, [(ALL_FIELDS["contact.name"], plaintext)])
    with pytest.raises(OpenError):
        opened(message)


def test_an_empty_message_is_a_value() -> None:
    """It has a box; absent and empty differ for messages."""
    field: ProtectedField = ALL_FIELDS["account.services"]
    account = records.Account(services=records.ServiceList())
    assert fields.plaintexts(account) == [(field, b"")]
    message = envelope.seal(VAULT, step(), NAME, [(field, b"")])
    assert envelope.open_boxes(VAULT, step(), NAME, message, {field.number: field}) == [(field, b"")]
    read = records.Account()
    fields.put(read, field, b"")
    assert read.HasField("services")


def test_a_message_that_does_not_parse_is_refused() -> None:
    """The plaintext of a message field is its serialization."""
    with pytest.raises(OpenError):
        fields.put(records.Account(), ALL_FIELDS["account.services"], b"\xff")


def well_formed() -> Envelope:
    """A form that passes."""
    return Envelope(epoch_id=bytes(32), step=1023, salt=bytes(32), boxes=[Box(field=2), Box(field=3)])


def spoil(message: Envelope, how: str) -> list[Envelope]:
    """The same, malformed in one way."""
    match how:
        case "short epoch_id":
            message.epoch_id = bytes(31)
        case "long salt":
            message.salt = bytes(33)
        case "no boxes":
            del message.boxes[:]
        case "step":
            message.step = 1024
        case "descending":
            message.boxes.reverse()
        case "field zero":
            message.boxes[0].field = 0
        case "field twice":
            message.boxes[0].field = 3
        case "two envelopes":
            return [message, well_formed()]
    return [message]


CASES = ["short epoch_id", "long salt", "no boxes", "step", "descending", "field zero", "field twice", "two envelopes"]


@pytest.mark.parametrize("how", CASES)
def test_malformed_records_are_refused(how: str) -> None:
    """The whole record, before anything opens."""
    envelope.check_record([well_formed()])
    with pytest.raises(OpenError):
        envelope.check_record(spoil(well_formed(), how))


def test_a_field_stands_not_in_a_box_and_the_stream() -> None:
    """A body has one place."""
    with pytest.raises(OpenError):
        envelope.check_record([well_formed()], stream_field=3)


def test_boxes_move_over_unopened() -> None:
    """What is kept stays byte for byte."""
    message = sealed(name="Ann", city="Bonn")
    kept = envelope.keep_boxes(message, {4})
    assert kept is not None
    assert [b.field for b in kept.boxes] == [4]
    assert opened(kept) == {"city": "Bonn"}
    assert envelope.keep_boxes(message, {9}) is None
    assert envelope.keep_boxes(message, {2, 4}) is message
