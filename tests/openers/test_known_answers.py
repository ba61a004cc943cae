"""The programs open what the known answers hold, from seed, stanza and envelope to plaintext.

Nothing of ``vault`` is imported here: these tests hold even if the Python side is wrong, and say then
which side is.
"""

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.openers.forge import Forgery
from tests.openers.programs import HERE, Job, Program

VECTORS: dict[str, Any] = json.loads((HERE.parent / "vectors" / "format-1.json").read_text())
CARD = VECTORS["card"]


def _job(record_name: str, envelope: Job, purpose: str) -> dict[str, Any]:
    epoch = envelope["epoch"]
    return {
        "op": "open",
        "seed": VECTORS["purposes"][purpose]["seed"],
        "vault_id": VECTORS["vault_id"],
        "audience": epoch["audience"],
        "purpose": purpose,
        "epoch_id": epoch["epoch_id"],
        "stanza": epoch["stanzas"][purpose],
        "record_name": record_name,
        "envelope": envelope["envelope"],
        "fields": {str(box["number"]): box["field"] for box in envelope["boxes"]},
    }


ENVELOPES = [
    (record["record_name"], envelope, purpose)
    for record, envelopes in ((CARD, [CARD]), (VECTORS["contact"], VECTORS["contact"]["envelopes"]))
    for envelope in envelopes
    for purpose in envelope["epoch"]["stanzas"]
]


def test_the_vectors_hold_a_card_and_both_contact_envelopes() -> None:
    """A list that lost its entries would leave the tests below with nothing to do."""
    assert [(name, purpose) for name, _, purpose in ENVELOPES] == [
        (CARD["record_name"], "payment_processing"),
        ("customers/42/contact", "payment_processing"),
        ("customers/42/contact", "service_provisioning"),
        ("customers/42/contact", "service_provisioning"),
    ]


@pytest.mark.parametrize(("record_name", "envelope", "purpose"), ENVELOPES)
def test_every_known_envelope_opens_for_every_member(
    program: Program, record_name: str, envelope: Job, purpose: str
) -> None:
    """Each member of the audience comes to the same plaintext by its own stanza."""
    expected = {box["number"]: bytes.fromhex(box["plaintext_hex"]) for box in envelope["boxes"]}
    assert program.opens(_job(record_name, envelope, purpose)) == expected


def _card() -> dict[str, Any]:
    return _job(CARD["record_name"], CARD, "payment_processing")


def test_a_known_envelope_under_another_step_is_refused(program: Program) -> None:
    """Step 514 leads to another key than 515."""
    at_515 = b"\x10" + b"\x83\x04"
    raw = bytes.fromhex(CARD["envelope"])
    assert raw.count(at_515) == 1
    altered = raw.replace(at_515, b"\x10\x82\x04").hex()
    assert program.refuses(_card() | {"envelope": altered})


def test_a_known_box_under_another_field_is_refused(program: Program) -> None:
    """A ciphertext means one field only."""
    assert program.refuses(_card() | {"fields": {"2": "payment.expiry"}})


def test_the_known_uncommitted_stanza_is_refused(program: Program) -> None:
    """HPKE opens it, but its secret does not give the epoch_id."""
    stanza = VECTORS["must_refuse"]["uncommitted_stanza"]["stanza"]
    assert program.refuses(_card() | {"stanza": stanza})


def test_the_known_non_canonical_audience_is_refused(program: Program) -> None:
    """All is consistent and a box under its secret is sealed well; only the names are not sorted."""
    known = VECTORS["must_refuse"]["non_canonical_audience"]
    forgery = Forgery(
        seed=bytes.fromhex(VECTORS["purposes"][known["purpose"]]["seed"]),
        vault_id=bytes.fromhex(VECTORS["vault_id"]),
        audience=known["audience"],
        purpose=known["purpose"],
        claimed=bytes.fromhex(known["epoch_id"]),
    ).with_secret_of(bytes.fromhex(known["stanza"]))
    assert replace(forgery, claimed=b"").epoch_id == forgery.epoch_id
    assert program.refuses(forgery.job() | {"stanza": known["stanza"]})


def test_a_recovery_stanza_is_no_stanza(program: Program) -> None:
    """Its label is another one, though key, purpose, epoch and secret are right."""
    recovery = VECTORS["recovery_stanza"]
    altered = {"seed": recovery["recipient_seed"], "stanza": recovery["stanza"]}
    assert program.refuses(_card() | altered)


def test_the_programs_depend_on_nothing_hidden() -> None:
    """Go needs no module; the lock of the Node packages pins hashes and names no host."""
    assert "require" not in (HERE / "go" / "go.mod").read_text()
    lock = (HERE / "node" / "package-lock.json").read_text()
    assert "://" not in lock
    packages = json.loads(lock)["packages"]
    assert {"node_modules/@hpke/core", "node_modules/@hpke/hybridkem-x-wing"} < set(packages)
    assert all(package["integrity"] for name, package in packages.items() if name)
