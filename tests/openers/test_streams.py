"""A program written from the text of the format opens the streams that the vault seals, and refuses what is not one."""

import hashlib
import json
import secrets
from typing import Any

import pytest

from tests.openers.programs import HERE, Program
from vault.crypto import epoch, stream
from vault.crypto.envelope import Step
from vault.domain.fields import ALL_FIELDS
from vault.domain.secret import Secret

VECTORS: dict[str, Any] = json.loads((HERE.parent / "vectors" / "format-1.json").read_text())
EPOCH = VECTORS["mail_epoch"]
BODY = ALL_FIELDS["mail.body"]
NAME = "customers/42/messages/m1"
pytestmark = pytest.mark.needs("node-hpke")


def job(body: bytes, number: int = 3) -> dict[str, Any]:
    """A body, sealed by the vault's code under the known epoch."""
    key = epoch.step_key(Secret(bytes.fromhex(EPOCH["E"])), number)
    step = Step(EPOCH["audience"], epoch.EpochId(bytes.fromhex(EPOCH["epoch_id"])), number, key)
    sealer = stream.Sealer(bytes.fromhex(VECTORS["vault_id"]), step, NAME, BODY)
    parts = [body[at : at + stream.CHUNK_SIZE] for at in range(0, len(body), stream.CHUNK_SIZE)] or [b""]
    chunks = [sealer.seal(part, last=at == len(parts) - 1).hex() for at, part in enumerate(parts)]
    made = sealer.stream
    return {
        "op": "open-stream",
        "seed": VECTORS["purposes"]["mail_delivery"]["seed"],
        "vault_id": VECTORS["vault_id"],
        "audience": EPOCH["audience"],
        "purpose": "mail_delivery",
        "epoch_id": EPOCH["epoch_id"],
        "stanza": EPOCH["stanzas"]["mail_delivery"],
        "record_name": NAME,
        "field": BODY.policy_name,
        "field_number": BODY.number,
        "stream": {
            "epoch_id": made.epoch_id.hex(),
            "step": made.step,
            "salt": made.salt.hex(),
            "field": made.field,
            "chunks": made.chunks,
            "length": made.length,
        },
        "chunks": chunks,
    }


@pytest.mark.parametrize("length", [0, 1, 65_535, 65_536, 65_537, 131_073])
def test_a_stream_of_the_vaults_opens(node: Program, length: int) -> None:
    """Byte for byte, at every step of the tree."""
    body = secrets.token_bytes(length)
    for number in (0, 3, 1023):
        assert node.answer(job(body, number)) == {"body_sha256": hashlib.sha256(body).hexdigest()}


def test_what_no_sealer_made_is_refused(node: Program) -> None:
    """Cut, swapped, of another record, field or step, or with counts that do not fit."""
    good = job(secrets.token_bytes(2 * stream.CHUNK_SIZE + 1))
    first, second, third = good["chunks"]
    cut = {**good["stream"], "chunks": 2, "length": 2 * stream.CHUNK_SIZE}
    for change in (
        {"chunks": [first, second]},
        {"chunks": [second, first, third]},
        {"chunks": [first, second, third, third]},
        {"chunks": [first, second], "stream": cut},
        {"record_name": "customers/43/messages/m1"},
        {"field": "mail.dsn"},
        {"field_number": 2},
        {"stream": {**good["stream"], "step": 4}},
        {"stream": {**good["stream"], "step": 1024}},
        {"stream": {**good["stream"], "length": 1}},
        {"stream": {**good["stream"], "salt": "00"}},
    ):
        assert node.refuses({**good, **change}), change
