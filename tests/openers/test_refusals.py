"""What an opener must refuse, one rule at a time.

Each case is a forgery that would open if one check were missing: everything else in it is right.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from google.protobuf.message import DecodeError

from tests.openers.forge import (
    ForgedBox,
    Forgery,
    delimited,
    numeric,
    pad,
    varint,
    write_envelope,
)
from tests.openers.programs import Program
from vault.v1.envelope_pb2 import Envelope

HONEST = Forgery(seed=bytes(range(64, 96)), vault_id=bytes(range(16)))
PLAIN = {2: b"4111111111111111", 4: b"Alice"}
BOTH = "payment_processing+service_provisioning"


def test_an_honest_forgery_opens(program: Program) -> None:
    """Else every refusal below would prove nothing."""
    assert program.opens(HONEST.job()) == PLAIN


def test_a_reader_of_a_shared_audience_opens(program: Program) -> None:
    """The control for the cases that alter an audience."""
    assert program.opens(replace(HONEST, audience=BOTH).job()) == PLAIN


def test_the_last_step_opens(program: Program) -> None:
    """The control for the step above it."""
    assert program.opens(replace(HONEST, step=1023).job()) == PLAIN


FORGERIES: dict[str, Forgery] = {
    "audience unsorted": replace(HONEST, audience="service_provisioning+payment_processing"),
    "audience with a name twice": replace(HONEST, audience="payment_processing+payment_processing"),
    "audience with an empty name": replace(HONEST, audience="+payment_processing"),
    "audience with a capital": replace(HONEST, audience="Billing+payment_processing"),
    "audience with a name of 64": replace(HONEST, audience="a" * 64 + "+payment_processing"),
    "audience ending in a newline": replace(HONEST, audience="payment_processing+x\n"),
    "audience without the purpose": replace(HONEST, audience="service_provisioning"),
    "purpose that is a part of a name": replace(HONEST, purpose="payment"),
    "purpose that is two members": replace(HONEST, audience=BOTH, purpose=BOTH),
    "secret of 31 bytes": replace(HONEST, secret=bytes(31)),
    "secret of 33 bytes": replace(HONEST, secret=bytes(33)),
    "epoch_id of another secret": replace(HONEST, claimed=replace(HONEST, secret=bytes(32)).epoch_id),
    "epoch_id of 31 bytes": replace(HONEST, claimed=HONEST.epoch_id[:31]),
    "step above the last": replace(HONEST, step=1024),
    "step above the last by far": replace(HONEST, step=2**31),
    "salt of 31 bytes": replace(HONEST, salt=bytes(31)),
    "salt of 33 bytes": replace(HONEST, salt=bytes(33)),
    "vault_id of 15 bytes": replace(HONEST, vault_id=bytes(15)),
    "no boxes": replace(HONEST, boxes=()),
    "boxes descending": replace(HONEST, boxes=HONEST.boxes[::-1]),
    "a field twice": replace(HONEST, boxes=HONEST.boxes[:1] * 2),
    "field 0": replace(HONEST, boxes=(replace(HONEST.boxes[0], number=0),)),
}


@pytest.mark.parametrize("forgery", FORGERIES.values(), ids=FORGERIES)
def test_a_forged_envelope_is_refused(program: Program, forgery: Forgery) -> None:
    """Whoever holds every key still cannot make an opener bend a rule."""
    assert program.refuses(forgery.job())


PADDINGS: dict[str, bytes] = {
    "no 0x80": b"4111111111111111" + bytes(16),
    "a block too many": pad(b"4111111111111111") + bytes(32),
    "a block too many, of its own": bytes(32) + b"\x80" + bytes(63),
    "half a block": b"411111111111111\x80",
    "a byte after the zeros": pad(b"4111111111111111")[:-1] + b"\x01",
    "nothing at all": b"",
    "an empty string": pad(b""),
    "not UTF-8": pad(b"\xff"),
    "a surrogate": pad(b"\xed\xa0\x80"),
    "an overlong form": pad(b"\xc0\xaf"),
    "half a character": pad(b"\xc3"),
}


@pytest.mark.parametrize("padded", PADDINGS.values(), ids=PADDINGS)
def test_a_box_that_no_sealer_would_fill_so_is_refused(program: Program, padded: bytes) -> None:
    """One plaintext has one padding; a string is UTF-8 and not empty."""
    box = ForgedBox(2, "payment.card_number", padded)
    assert program.refuses(replace(HONEST, boxes=(box,)).job())


def test_a_box_that_was_not_asked_for_is_left_alone(program: Program) -> None:
    """Its plaintext type is not the asker's to judge, and it may be no text at all."""
    odd = ForgedBox(3, "payment.expiry", b"no padding, \xff")
    job = replace(HONEST, boxes=(HONEST.boxes[0], odd, HONEST.boxes[1])).job()
    del job["fields"]["3"]
    assert program.opens(job) == PLAIN


def test_a_field_that_was_empty_is_absent(program: Program) -> None:
    """Asking for a field without a box is no error."""
    assert program.opens(HONEST.job() | {"fields": {"3": "payment.expiry"}}) == {}


OTHERS: dict[str, dict[str, Any]] = {
    "seed": {"seed": bytes(32).hex()},
    "short seed": {"seed": HONEST.seed[:31].hex()},
    "vault": {"vault_id": bytes(16).hex()},
    "record": {"record_name": "customers/43/cards/7f3a"},
    "published epoch": {"epoch_id": bytes(32).hex()},
    "field": {"fields": {"2": "payment.expiry"}},
    "short stanza": {"stanza": HONEST.stanza()[:-1].hex()},
    "long stanza": {"stanza": HONEST.stanza().hex() + "00"},
    "empty stanza": {"stanza": ""},
    "half a byte more": {"stanza": HONEST.stanza().hex() + "0"},
    "no hex after the hex": {"stanza": HONEST.stanza().hex() + "zz"},
    "operation": {"op": "constructor"},
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_a_job_of_another_context_is_refused(program: Program, other: dict[str, Any]) -> None:
    """Each part of the context is bound: none can be exchanged for another's."""
    assert program.refuses(HONEST.job() | other)


def test_an_envelope_of_another_epoch_is_refused(program: Program) -> None:
    """The epoch_id in the envelope is no decoration, even if the key beside it would open the boxes."""
    for epoch_id in (bytes(32), HONEST.epoch_id[:31], HONEST.epoch_id + b"\0", b""):
        envelope = write_envelope(epoch_id, HONEST.step, HONEST.salt, HONEST.sealed())
        assert program.refuses(HONEST.job(envelope))


def test_a_member_with_anothers_stanza_is_refused(program: Program) -> None:
    """A stanza names its purpose, so one purpose cannot be served under another's name."""
    job = replace(HONEST, audience=BOTH).job()
    assert program.refuses(job | {"purpose": "service_provisioning"})


def _flip(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


ALTERATIONS: dict[str, Callable[[bytes], bytes]] = {
    "nonce": lambda box: _flip(box, 0),
    "body": lambda box: _flip(box, 12),
    "tag": lambda box: _flip(box, len(box) - 1),
    "one byte short": lambda box: box[:-1],
    "a short tag": lambda box: box[:12] + box[-15:],
    "no body": lambda box: box[:12] + box[-16:],
    "less than a nonce": lambda box: box[:11],
    "nothing": lambda _: b"",
}


@pytest.mark.parametrize("alter", ALTERATIONS.values(), ids=ALTERATIONS)
def test_an_altered_box_is_refused(program: Program, alter: Callable[[bytes], bytes]) -> None:
    """In its nonce, its body or its tag, or cut anywhere."""
    (number, ciphertext), *rest = HONEST.sealed()
    boxes = [(number, alter(ciphertext)), *rest]
    envelope = write_envelope(HONEST.epoch_id, HONEST.step, HONEST.salt, boxes)
    assert program.refuses(HONEST.job(envelope))


def _envelope() -> bytes:
    return write_envelope(HONEST.epoch_id, HONEST.step, HONEST.salt, HONEST.sealed())


def _group(number: int, inside: bytes) -> bytes:
    return varint(number << 3 | 3) + inside + varint(number << 3 | 4)


SAME_TO_PROTOBUF: dict[str, Callable[[bytes], bytes]] = {
    "an unknown varint": lambda e: e + numeric(9, 2**64 - 1),
    "an unknown string": lambda e: delimited(9, b"?") + e,
    "an unknown fixed64": lambda e: varint(9 << 3 | 1) + bytes(8) + e,
    "an unknown fixed32": lambda e: varint(9 << 3 | 5) + bytes(4) + e,
    "a group that holds an envelope": lambda e: e + _group(9, _group(8, e)),
    "a known number of another type": lambda e: e + delimited(2, b"?") + numeric(1, 5),
    "an earlier value": lambda e: delimited(1, b"?") + numeric(2, 9) + delimited(3, b"") + e,
    "a step wider than 32 bits": lambda e: e + numeric(2, 2**32 + HONEST.step),
    "a tag in too many bytes": lambda e: e + b"\x90\x80\x00" + varint(HONEST.step),
    "a step in too many bytes": lambda e: e + b"\x10" + bytes([HONEST.step | 128, 128, 0]),
}


@pytest.mark.parametrize("change", SAME_TO_PROTOBUF.values(), ids=SAME_TO_PROTOBUF)
def test_what_protobuf_reads_alike_opens_alike(program: Program, change: Callable[[bytes], bytes]) -> None:
    """A reader with a taste of its own would see another envelope than the vault does."""
    plain = _envelope()
    assert change(plain) != plain
    assert Envelope.FromString(change(plain)).step == HONEST.step
    assert program.opens(HONEST.job(change(plain))) == PLAIN


NO_PROTOBUF: dict[str, Callable[[bytes], bytes]] = {
    "cut short": lambda e: e[:-1],
    "field number 0": lambda e: e + numeric(0, 1),
    "no such type": lambda e: e + varint(9 << 3 | 6),
    "an open group": lambda e: e + varint(9 << 3 | 3),
    "a group that was never opened": lambda e: e + varint(9 << 3 | 4),
    "a group closed by another": lambda e: e + varint(9 << 3 | 3) + varint(8 << 3 | 4),
    "a length beyond the end": lambda e: e + varint(9 << 3 | 2) + varint(2**63),
    "an endless varint": lambda e: e + b"\x10" + b"\xff" * 10 + b"\x01",
}


@pytest.mark.parametrize("change", NO_PROTOBUF.values(), ids=NO_PROTOBUF)
def test_what_protobuf_does_not_read_is_refused(program: Program, change: Callable[[bytes], bytes]) -> None:
    """The reader by hand is as strict as the generated one."""
    broken = change(_envelope())
    with pytest.raises(DecodeError):
        Envelope.FromString(broken)
    assert program.refuses(HONEST.job(broken))


def test_a_varint_beyond_64_bits_is_refused(program: Program) -> None:
    """Protobuf's own parsers disagree here (upb drops the bits), and no writer writes it."""
    beyond = _envelope() + b"\x10" + bytes([HONEST.step | 128]) + b"\x80" * 8 + b"\x02"
    assert Envelope.FromString(beyond).step == HONEST.step
    assert program.refuses(HONEST.job(beyond))


def test_an_envelope_without_a_step_is_of_step_0(program: Program) -> None:
    """Protobuf leaves zero out."""
    first = replace(HONEST, step=0)
    written = write_envelope(first.epoch_id, 0, first.salt, first.sealed())
    left_out = Envelope.FromString(written).SerializeToString()
    assert len(left_out) == len(written) - len(numeric(2, 0))
    assert program.opens(first.job(left_out)) == PLAIN
