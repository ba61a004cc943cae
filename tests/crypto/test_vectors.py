"""Our code reproduces the known answers of format 1."""

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from vault.crypto import context, envelope, epoch, hpke, lookup, record_lock
from vault.crypto.record_lock import Header, KeyId
from vault.crypto.vault_key import RowName, VaultKey, key_for_use
from vault.domain.fields import ALL_FIELDS, protected_fields
from vault.domain.secret import Secret
from vault.errors import OpenError
from vault.store.v1 import record_pb2
from vault.v1 import records_pb2
from vault.v1.envelope_pb2 import Envelope

FILE = Path(__file__).parent.parent / "vectors" / "format-1.json"
V: dict[str, Any] = json.loads(FILE.read_text())
VAULT_ID = bytes.fromhex(V["vault_id"])


def raw(text: str) -> bytes:
    """Hex to bytes."""
    return bytes.fromhex(text)


def key_pair(purpose: str) -> hpke.PurposeKeyPair:
    """The pair of one of the vectors' purposes."""
    return hpke.PurposeKeyPair(Secret(raw(V["purposes"][purpose]["seed"])))


def vault_key() -> VaultKey:
    """V_1 of the vectors."""
    return VaultKey(VAULT_ID, V["vault_key"]["n"], Secret(raw(V["vault_key"]["V"])))


def epochs() -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """(epoch, envelope) of the card and of both envelopes of the contact."""
    return [(e["epoch"], e) for e in (V["card"], *V["contact"]["envelopes"])]


def fields_of(record: str) -> dict[int, Any]:
    """Protected fields by number of the card or contact."""
    message = records_pb2.Card if record == "card" else records_pb2.Contact
    return {f.number: f for f in protected_fields(message).values()}


def test_context_encoding_is_length_prefixed() -> None:
    """The encoder's example gives the known bytes."""
    parts = [p["text"] if "text" in p else p["int"] if "int" in p else raw(p["hex"]) for p in V["encode"]["parts"]]
    assert context.encode(*parts).hex() == V["encode"]["result"]


@pytest.mark.parametrize("purpose", sorted(V["purposes"]))
def test_seed_gives_the_fingerprint(purpose: str) -> None:
    """A seed expands to the known key pair."""
    assert key_pair(purpose).fingerprint.hex() == V["purposes"][purpose]["fingerprint"]
    assert hpke.Recipient(key_pair(purpose).public_key).fingerprint.hex() == V["purposes"][purpose]["fingerprint"]


@pytest.mark.parametrize(("known", "_envelope"), epochs())
def test_stanzas_open_to_the_epoch_secret(known: dict[str, Any], _envelope: object) -> None:
    """Every stanza opens under its purpose's key, and to the committed secret."""
    for purpose, stanza in known["stanzas"].items():
        opened = epoch.open_stanza(
            raw(stanza), VAULT_ID, known["audience"], raw(known["epoch_id"]), purpose, key_pair(purpose)
        )
        assert opened.reveal().hex() == known["E"]


@pytest.mark.parametrize(("known", "sealed"), epochs())
def test_steps_and_envelope_keys(known: dict[str, Any], sealed: dict[str, Any]) -> None:
    """Opener and sealer reach the same K_j; the envelope key follows from it."""
    secret = Secret(raw(known["E"]))
    assert epoch.epoch_id(secret, VAULT_ID, known["audience"]).hex() == known["epoch_id"]
    assert epoch.step_key(secret, sealed["step"]).hex() == sealed["K_step"]
    sequence = epoch.StepSequence(bytearray(secret.reveal()))
    for _ in range(sealed["step"]):
        sequence.advance()
    assert (sequence.step, sequence.key.hex()) == (sealed["step"], sealed["K_step"])
    name = V["card"]["record_name"] if sealed is V["card"] else V["contact"]["record_name"]
    step = envelope.Step(known["audience"], epoch.EpochId(raw(known["epoch_id"])), sealed["step"], sequence.key)
    assert envelope.envelope_key(VAULT_ID, step, name, raw(sealed["salt"])).hex() == sealed["envelope_key"]


@pytest.mark.parametrize(("known", "sealed"), epochs())
def test_boxes_open(known: dict[str, Any], sealed: dict[str, Any]) -> None:
    """An envelope opens, box by box, to the known plaintexts."""
    kind = "card" if sealed is V["card"] else "contact"
    message = Envelope.FromString(raw(sealed["envelope"]))
    envelope.check_record([message])
    step = envelope.Step(
        known["audience"], epoch.EpochId(raw(known["epoch_id"])), sealed["step"], raw(sealed["K_step"])
    )
    opened = envelope.open_boxes(VAULT_ID, step, V[kind]["record_name"], message, fields_of(kind))
    assert {f.policy_name: p.hex() for f, p in opened} == {b["field"]: b["plaintext_hex"] for b in sealed["boxes"]}
    assert [f.number for f, _ in opened] == [b["number"] for b in sealed["boxes"]]


@pytest.mark.parametrize("kind", ["card", "contact"])
def test_record_lock(kind: str) -> None:
    """The wrapped key unwraps, the stored bytes unlock and are reproduced bit by bit."""
    known = V[kind]["record_lock"]
    key = vault_key().wrapping
    name = V[kind]["record_name"]
    opened = key.unwrap(raw(known["wrapped_R"]), raw(known["key_id"]), name)
    assert opened.hex() == known["R"]
    header = Header(name, KeyId(raw(known["key_id"])), known["version"], known["written_at"], known["expires_at"])
    body = record_lock.unlock(opened, VAULT_ID, header, raw(known["stored"]))
    assert body.hex() == V[kind]["StoredRecord"]
    again = b"\x01" + AESGCM(opened).encrypt(bytes(12), body, header.aad(VAULT_ID))
    assert again.hex() == known["stored"]
    record = record_pb2.StoredRecord.FromString(body)
    assert record.SerializeToString(deterministic=True) == body
    envelope.check_record(record.envelopes)


def test_retired_key_opens_only_as_retired() -> None:
    """A retired key is R under another label: no read can open it by mistake."""
    known = V["card"]["record_lock"]
    wrapped, key_id, name = raw(V["retired_key"]["wrapped"]), raw(known["key_id"]), V["card"]["record_name"]
    assert vault_key().wrapping.unwrap(wrapped, key_id, name, retired=True).hex() == known["R"]
    with pytest.raises(OpenError):
        vault_key().wrapping.unwrap(wrapped, key_id, name)


def test_vault_key_uses() -> None:
    """W, M and S are expanded from V."""
    secret = Secret(raw(V["vault_key"]["V"]))
    for use, letter in (("wrap", "W"), ("lookup-mask", "M"), ("system", "S")):
        assert key_for_use(secret, VAULT_ID, use).hex() == V["vault_key"][letter]


def test_lookup_token_and_mask() -> None:
    """A token and its stored form."""
    known = V["lookup"]
    token = lookup.token(Secret(raw(known["lookup_key"])), VAULT_ID, known["field"], known["value"])
    assert token.hex() == known["token"]
    assert vault_key().mask.apply(token).hex() == known["stored"]


def test_sealed_row() -> None:
    """A system row opens under its kind, name, version and n."""
    known = V["sealed_row"]
    name = RowName(known["kind"], known["row"], known["row_version"])
    assert vault_key().open_row(name, raw(known["sealed"])).hex() == known["plaintext"]


class TestRefused:
    """Each line of the vectors' list of what must be refused, but for streams (`test_stream`)."""

    def test_card_stored_with_version_2(self) -> None:
        """The version is in the aad."""
        known = V["card"]["record_lock"]
        header = Header(V["card"]["record_name"], KeyId(raw(known["key_id"])), 2, known["written_at"], 0)
        with pytest.raises(OpenError):
            record_lock.unlock(raw(known["R"]), VAULT_ID, header, raw(known["stored"]))

    def test_wrapped_key_under_another_record(self) -> None:
        """The record name is in the aad of the wrapped key."""
        known = V["card"]["record_lock"]
        name = V["card"]["record_name"].replace("customers/42/", "customers/43/")
        with pytest.raises(OpenError):
            vault_key().wrapping.unwrap(raw(known["wrapped_R"]), raw(known["key_id"]), name)

    def test_envelope_with_another_step(self) -> None:
        """Step 514 has another key than step 515."""
        known = V["card"]["epoch"]
        key = epoch.step_key(Secret(raw(known["E"])), 514)
        step = envelope.Step(known["audience"], epoch.EpochId(raw(known["epoch_id"])), 514, key)
        message = Envelope.FromString(raw(V["card"]["envelope"]))
        with pytest.raises(OpenError):
            envelope.open_boxes(VAULT_ID, step, V["card"]["record_name"], message, fields_of("card"))

    def test_box_under_another_field(self) -> None:
        """The field is the box's aad."""
        known = V["card"]["epoch"]
        step = envelope.Step(
            known["audience"], epoch.EpochId(raw(known["epoch_id"])), V["card"]["step"], raw(V["card"]["K_step"])
        )
        message = Envelope.FromString(raw(V["card"]["envelope"]))
        with pytest.raises(OpenError):
            envelope.open_boxes(VAULT_ID, step, V["card"]["record_name"], message, {2: ALL_FIELDS["payment.expiry"]})

    @pytest.mark.parametrize("case", ["uncommitted_stanza", "non_canonical_audience"])
    def test_stanzas(self, case: str) -> None:
        """A stanza whose secret is not committed to, and an audience that is not sorted."""
        known = {"epoch_id": V["card"]["epoch"]["epoch_id"], **V["must_refuse"][case]}
        if case == "uncommitted_stanza":
            known["epoch_id"] = V["card"]["epoch"]["epoch_id"]
        with pytest.raises(OpenError):
            epoch.open_stanza(
                raw(known["stanza"]),
                VAULT_ID,
                known["audience"],
                raw(known["epoch_id"]),
                known["purpose"],
                key_pair(known["purpose"]),
            )

    def test_step_1024(self) -> None:
        """Refused before any work, by opener and by the check of a record."""
        with pytest.raises(OpenError):
            epoch.step_key(Secret(bytes(32)), 1024)
        message = Envelope.FromString(raw(V["card"]["envelope"]))
        message.step = 1024
        with pytest.raises(OpenError):
            envelope.check_record([message])

    @pytest.mark.parametrize(
        "padded",
        [
            bytes(32),
            b"4111" + bytes(28),
            b"4111\x80" + bytes(59),
            b"4111\x80" + bytes(26),
            b"4111\x80" + bytes(26) + b"\x01",
            b"",
            b"\x80" + bytes(63),
        ],
    )
    def test_padding_that_pad_would_not_make(self, padded: bytes) -> None:
        """No mark, too many zeros, not a multiple of 32, or something after the mark."""
        with pytest.raises(OpenError):
            envelope.unpad(padded)

    def test_two_envelopes_with_one_field(self) -> None:
        """A field stands once in a record."""
        message = Envelope.FromString(raw(V["card"]["envelope"]))
        with pytest.raises(OpenError):
            envelope.check_record([message, message])
