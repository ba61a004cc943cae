"""Makes golden.json: what this project's own code wrote, kept so that later code must still read it.

    python -m tests.vectors.make_golden > tests/vectors/golden.json

Secrets are SHAKE256("customer-vault golden " + label); salts, nonces, key ids and stanzas are as they were drawn on the
day. It is not run by the tests: a file that is made anew proves nothing of the old one.
"""

import hashlib
import json
import sys
from typing import Any

from vault.crypto import epoch, fields, lookup, merkle, note, record_lock, root_key
from vault.crypto.envelope import Step
from vault.crypto.hpke import PurposeKeyPair, Recipient
from vault.crypto.vault_key import RowName, VaultKey, wrap_context
from vault.domain.secret import Secret
from vault.store.v1.record_pb2 import StoredRecord
from vault.v1 import records_pb2 as records

PURPOSES = ("account_service", "payment_processing", "service_provisioning")
NAME = "customers/Golden-1/contact"
CONTACT = {
    "name": "Zoë Straße 山田",
    "street": "1 Long Street " * 10,
    "city": "Bonn",
    "region": "NRW",
    "postal_code": "53113",
    "country_code": "DE",
    "phone": "+49228123456",
    "email": "zoe@example.org",
}
WITHOUT_PAYMENT = ("phone", "email")


def secret(label: str, size: int = 32) -> Secret:
    """A secret of the file."""
    return Secret(hashlib.shake_256(b"customer-vault golden " + label.encode()).digest(size))


def audience_of(field: str) -> str:
    """Phone and e-mail are not for payment."""
    return "+".join(p for p in PURPOSES if p != "payment_processing" or field not in WITHOUT_PAYMENT)


def make() -> dict[str, Any]:
    """The whole file."""
    vault_id = secret("vault id", 16).reveal()
    key = VaultKey(vault_id, 2, secret("vault key"))
    audiences = {f"contact.{name}": audience_of(name) for name in CONTACT}
    steps = {}
    epochs = {}
    for audience in sorted(set(audiences.values())):
        e = secret(f"epoch {audience}")
        epoch_id = epoch.epoch_id(e, vault_id, audience)
        steps[audience] = Step(audience, epoch_id, 777, epoch.step_key(e, 777))
        epochs[audience] = {
            "epoch_id": epoch_id.hex(),
            "stanzas": {p: _stanza(e, vault_id, audience, p) for p in audience.split("+")},
        }
    values = fields.plaintexts(records.Contact(**CONTACT))  # type: ignore[arg-type]
    envelopes = fields.seal(vault_id, NAME, values, audiences, steps.__getitem__)
    plain = records.Contact()
    plain.create_time.FromMilliseconds(1_790_000_000_000)
    body = StoredRecord(unprotected=plain.SerializeToString(), envelopes=envelopes).SerializeToString()
    locked = record_lock.lock(key.wrapping, NAME, 3, 1_790_000_000_001, 1_800_000_000_000, body)
    record_key = key.wrapping.unwrap(locked.wrapped, locked.header.key_id, NAME)
    return {
        "vault_id": vault_id.hex(),
        "contact": CONTACT,
        "epochs": epochs,
        "record": {
            "record_name": NAME,
            "key_id": locked.header.key_id.hex(),
            "version": 3,
            "written_at": 1_790_000_000_001,
            "expires_at": 1_800_000_000_000,
            "stored": locked.stored.hex(),
            "wrapped": locked.wrapped.hex(),
            "retired": key.wrapping.wrap(record_key, locked.header.key_id, NAME, retired=True).hex(),
        },
        "rows": [_row(key, *row) for row in ROWS],
        "tokens": [_token(vault_id, key, *token) for token in TOKENS],
        "root_key": _root(vault_id),
        "log": _log(),
    }


ROWS = (
    ("purpose-seed", "account_service", 2),
    ("lookup-key", "", 1),
    ("log-key", "log-0", 1),
    ("request-day-key", "2026-11-23", 1),
    ("system", "epochs/00ff", 1),
)
TOKENS = (("contact.phone", "+49228123456"), ("contact.email", "zoe@example.org"), ("contact.name", "zoë strasse 山田"))


def _stanza(e: Secret, vault_id: bytes, audience: str, purpose: str) -> str:
    recipient = Recipient(PurposeKeyPair(secret(f"seed {purpose}")).public_key)
    return epoch.seal_stanza(e, vault_id, audience, purpose, recipient).hex()


def _row(key: VaultKey, kind: str, row: str, version: int) -> dict[str, Any]:
    sealed = key.seal_row(RowName(kind, row, version), f"{kind} {row}".encode())
    return {"kind": kind, "row": row, "version": version, "sealed": sealed.hex()}


def _token(vault_id: bytes, key: VaultKey, field: str, value: str) -> dict[str, str]:
    token = lookup.token(secret("lookup key"), vault_id, field, value)
    return {"field": field, "value": value, "token": token.hex(), "stored": key.mask.apply(token).hex()}


def _root(vault_id: bytes) -> dict[str, str]:
    salt = secret("salt", 16).reveal()
    key = root_key.from_passphrase(Secret(b"correct horse battery staple"), salt)
    wrapped = root_key.wrap(key, secret("vault key").reveal(), wrap_context(vault_id, 2))
    return {"salt": salt.hex(), "key": key.reveal().hex(), "wrapped": wrapped.hex()}


def _log() -> dict[str, Any]:
    entries = [f"entry {i}".encode() for i in range(7)]
    root = merkle.root_of(merkle.leaf_hash(entry) for entry in entries)
    signed = note.sign_checkpoint(note.Checkpoint("golden.example/log/0", 7, root), note.LogKey(secret("log seed")))
    return {"entries": [entry.decode() for entry in entries], "root": root.hex(), "checkpoint": signed}


if __name__ == "__main__":
    json.dump(make(), sys.stdout, indent=1, ensure_ascii=False)
    sys.stdout.write("\n")
