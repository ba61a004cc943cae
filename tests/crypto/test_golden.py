"""What our code wrote once, it still reads; what is deterministic, it still makes."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.vectors import make_golden as golden
from vault.crypto import envelope, epoch, lookup, merkle, note, record_lock, root_key
from vault.crypto.hpke import PurposeKeyPair
from vault.crypto.record_lock import Header, KeyId
from vault.crypto.vault_key import RowName, VaultKey, wrap_context
from vault.domain.fields import protected_fields
from vault.domain.secret import Secret
from vault.store.v1.record_pb2 import StoredRecord
from vault.v1 import records_pb2 as records

G: dict[str, Any] = json.loads((Path(__file__).parent.parent / "vectors" / "golden.json").read_text(encoding="utf-8"))
VAULT_ID = bytes.fromhex(G["vault_id"])
KEY = VaultKey(VAULT_ID, 2, golden.secret("vault key"))


def raw(text: str) -> bytes:
    """Hex to bytes."""
    return bytes.fromhex(text)


def record_key(*, retired: bool) -> bytes:
    """The record's key, by its live or its retired form."""
    known = G["record"]
    wrapped = raw(known["retired" if retired else "wrapped"])
    return KEY.wrapping.unwrap(wrapped, raw(known["key_id"]), known["record_name"], retired=retired)


@pytest.mark.parametrize("purpose", golden.PURPOSES)
def test_a_record_opens_for_each_purpose_and_shows_it_no_more(purpose: str) -> None:
    """From wrapped key, stored bytes, stanza and seed to every field that the purpose may read."""
    known = G["record"]
    key_id, times = KeyId(raw(known["key_id"])), (known["written_at"], known["expires_at"])
    header = Header(known["record_name"], key_id, known["version"], *times)
    body = record_lock.unlock(record_key(retired=False), VAULT_ID, header, raw(known["stored"]))
    record = StoredRecord.FromString(body)
    envelope.check_record(record.envelopes)
    audiences = {raw(e["epoch_id"]): (audience, e["stanzas"]) for audience, e in G["epochs"].items()}
    pair = PurposeKeyPair(golden.secret(f"seed {purpose}"))
    fields = {f.number: f for f in protected_fields(records.Contact).values()}
    opened = {}
    for sealed in record.envelopes:
        audience, stanzas = audiences[sealed.epoch_id]
        if purpose not in stanzas:
            continue
        secret = epoch.open_stanza(raw(stanzas[purpose]), VAULT_ID, audience, sealed.epoch_id, purpose, pair)
        key = epoch.step_key(secret, sealed.step)
        step = envelope.Step(audience, epoch.EpochId(sealed.epoch_id), sealed.step, key)
        boxes = envelope.open_boxes(VAULT_ID, step, known["record_name"], sealed, fields)
        opened.update({field.name: plaintext.decode() for field, plaintext in boxes})
    hidden = golden.WITHOUT_PAYMENT if purpose == "payment_processing" else ()
    assert opened == {name: value for name, value in G["contact"].items() if name not in hidden}


def test_the_retired_form_holds_the_same_key() -> None:
    """For a restore."""
    assert record_key(retired=True) == record_key(retired=False)


@pytest.mark.parametrize("row", G["rows"], ids=lambda row: row["kind"])
def test_system_rows_open(row: dict[str, Any]) -> None:
    """Every kind."""
    opened = KEY.open_row(RowName(row["kind"], row["row"], row["version"]), raw(row["sealed"]))
    assert opened.decode() == f"{row['kind']} {row['row']}"


@pytest.mark.parametrize("known", G["tokens"], ids=lambda known: known["field"])
def test_tokens_are_the_same(known: dict[str, str]) -> None:
    """And their stored forms."""
    token = lookup.token(golden.secret("lookup key"), VAULT_ID, known["field"], known["value"])
    assert (token.hex(), KEY.mask.apply(token).hex()) == (known["token"], known["stored"])


def test_a_passphrase_still_opens_the_vault_key() -> None:
    """The same cost, the same key."""
    known = G["root_key"]
    key = root_key.from_passphrase(Secret(b"correct horse battery staple"), raw(known["salt"]))
    assert key.reveal().hex() == known["key"]
    opened = root_key.unwrap(key, raw(known["wrapped"]), wrap_context(VAULT_ID, 2))
    assert opened == golden.secret("vault key").reveal()


def test_a_checkpoint_is_the_same() -> None:
    """Tree, signature and form."""
    known = G["log"]
    root = merkle.root_of(merkle.leaf_hash(entry.encode()) for entry in known["entries"])
    key = note.LogKey(golden.secret("log seed"))
    checkpoint = note.Checkpoint("golden.example/log/0", 7, root)
    assert (root.hex(), note.sign_checkpoint(checkpoint, key)) == (known["root"], known["checkpoint"])
    assert note.open_checkpoint(known["checkpoint"], "golden.example/log/0", key.public_key) == checkpoint
