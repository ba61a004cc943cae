"""Three implementations read each other: the vault's own, Go and Node.

Each seals, each opens, in every direction, so a habit that only one of them has shows at once. The
vault's side is adapted here to the jobs of the programs, with its functions used as a server or an SDK
uses them.
"""

from typing import Any, Protocol

import pytest

from tests.openers import forge
from tests.openers.conftest import PROGRAMS
from tests.openers.programs import Job, Program
from vault.crypto import envelope, epoch
from vault.crypto.hpke import PurposeKeyPair, Recipient
from vault.domain.fields import ALL_FIELDS
from vault.domain.secret import Secret
from vault.v1.envelope_pb2 import Envelope

VAULT_ID = bytes(range(16))
SEEDS = {
    "account_service": bytes([1]) * 32,
    "payment_processing": bytes([2]) * 32,
    "service_provisioning": bytes([3]) * 32,
}
# Around the padding's block of 32, and texts whose own bytes look like padding.
CARD = {2: "4", 3: "x" * 31, 4: "x" * 32, 5: "x" * 33, 6: "x" * 64}
CONTACT = {2: "山田 太郎", 3: "\u0080", 4: "\u0080" + "\0" * 30, 5: "\0", 8: "+15551234567", 9: "ø@example.org"}


class Implementation(Protocol):
    """What all three can do."""

    def answer(self, job: Job) -> dict[str, Any]:
        """Seal."""

    def opens(self, job: Job) -> dict[int, bytes]:
        """Open."""


class Vault:
    """vault.crypto behind the programs' jobs."""

    def answer(self, job: Job) -> dict[str, Any]:
        """Seal under a fresh epoch, as ``seal`` in Go and Node does."""
        vault_id, secret = bytes.fromhex(job["vault_id"]), epoch.new_epoch_secret()
        keys = job.get("public_keys") or {job["purpose"]: job["public_key"]}
        stanzas = {
            purpose: epoch.seal_stanza(secret, vault_id, job["audience"], purpose, Recipient(bytes.fromhex(key))).hex()
            for purpose, key in keys.items()
        }
        step = self._step(secret, vault_id, job["audience"], job["step"])
        values = [(ALL_FIELDS[f["name"]], bytes.fromhex(f["plaintext"])) for f in job["fields"].values()]
        sealed = envelope.seal(vault_id, step, job["record_name"], values)
        answer = {"epoch_id": step.epoch_id.hex(), "envelope": sealed.SerializeToString().hex()}
        return answer | ({"stanzas": stanzas} if "public_keys" in job else {"stanza": stanzas[job["purpose"]]})

    def opens(self, job: Job) -> dict[int, bytes]:
        """Open as the SDK does."""
        vault_id, epoch_id = bytes.fromhex(job["vault_id"]), bytes.fromhex(job["epoch_id"])
        sealed = Envelope.FromString(bytes.fromhex(job["envelope"]))
        envelope.check_record([sealed])
        assert sealed.epoch_id == epoch_id
        key = PurposeKeyPair(Secret(bytes.fromhex(job["seed"])))
        stanza = bytes.fromhex(job["stanza"])
        secret = epoch.open_stanza(stanza, vault_id, job["audience"], epoch_id, job["purpose"], key)
        step = self._step(secret, vault_id, job["audience"], sealed.step)
        wanted = {int(number): ALL_FIELDS[name] for number, name in job["fields"].items()}
        opened = envelope.open_boxes(vault_id, step, job["record_name"], sealed, wanted)
        return {field.number: plaintext for field, plaintext in opened}

    def _step(self, secret: Secret, vault_id: bytes, audience: str, number: int) -> envelope.Step:
        epoch_id = epoch.epoch_id(secret, vault_id, audience)
        return envelope.Step(audience, epoch_id, number, epoch.step_key(secret, number))


@pytest.fixture
def vault() -> Vault:
    """The vault's own."""
    return Vault()


@pytest.fixture(params=["vault", *PROGRAMS])
def sealer(request: pytest.FixtureRequest) -> Implementation:
    """Each in turn."""
    chosen: Implementation = request.getfixturevalue(request.param)
    return chosen


@pytest.fixture(params=["vault", *PROGRAMS])
def opener(request: pytest.FixtureRequest) -> Implementation:
    """Each in turn."""
    chosen: Implementation = request.getfixturevalue(request.param)
    return chosen


def _names(category: str, values: dict[int, str]) -> dict[int, str]:
    by_number = {f.number: f.policy_name for n, f in ALL_FIELDS.items() if n.startswith(category + ".")}
    return {number: by_number[number] for number in values}


def _seal_job(record_name: str, names: dict[int, str], values: dict[int, str], step: int) -> dict[str, Any]:
    fields = {str(n): {"name": names[n], "plaintext": text.encode().hex()} for n, text in values.items()}
    job = {"op": "seal", "vault_id": VAULT_ID.hex(), "record_name": record_name, "step": step}
    return job | {"fields": fields}


def _open_job(sealing: Job, sealed: Job, purpose: str) -> dict[str, Any]:
    copied = {key: sealing[key] for key in ("vault_id", "record_name", "audience")}
    stanza = sealed["stanzas"][purpose] if "stanzas" in sealed else sealed["stanza"]
    asked = {number: field["name"] for number, field in sealing["fields"].items()}
    own = {"op": "open", "purpose": purpose, "seed": SEEDS[purpose].hex(), "fields": asked, "stanza": stanza}
    return copied | own | {"epoch_id": sealed["epoch_id"], "envelope": sealed["envelope"]}


def _encoded(values: dict[int, str]) -> dict[int, bytes]:
    return {number: text.encode() for number, text in values.items()}


def _card_job(step: int) -> dict[str, Any]:
    purpose = "payment_processing"
    own = {"audience": purpose, "purpose": purpose, "public_key": forge.public_key(SEEDS[purpose]).hex()}
    return _seal_job("customers/42/cards/7f3a", _names("payment", CARD), CARD, step) | own


@pytest.mark.parametrize("step", [0, 1, 1023])
def test_a_card_sealed_by_one_opens_by_any(sealer: Implementation, opener: Implementation, step: int) -> None:
    """Sealed to billing's public key alone; opened with its seed alone."""
    job = _card_job(step)
    sealed = sealer.answer(job)
    assert opener.opens(_open_job(job, sealed, "payment_processing")) == _encoded(CARD)


def test_a_contact_sealed_by_one_opens_by_any_for_every_member(sealer: Implementation, opener: Implementation) -> None:
    """One envelope, a stanza for each purpose of its audience."""
    keys = {purpose: forge.public_key(seed).hex() for purpose, seed in SEEDS.items()}
    job = _seal_job("customers/42/contact", _names("contact", CONTACT), CONTACT, 514)
    job |= {"audience": "+".join(sorted(SEEDS)), "public_keys": keys}
    sealed = sealer.answer(job)
    assert set(sealed["stanzas"]) == set(SEEDS)
    for purpose in SEEDS:
        assert opener.opens(_open_job(job, sealed, purpose)) == _encoded(CONTACT)


@pytest.mark.parametrize("step", [0, 1, 128, 1023])
def test_what_a_program_writes_is_canonical_protobuf(program: Program, step: int) -> None:
    """Stored bytes are digested: two writers of one envelope should write one."""
    job = _card_job(step)
    job["fields"] = dict(reversed(job["fields"].items()))  # the order of the job is nobody's order
    written = bytes.fromhex(program.answer(job)["envelope"])
    read = Envelope.FromString(written)
    assert read.SerializeToString(deterministic=True) == written
    assert [box.field for box in read.boxes] == sorted(CARD)


def test_a_program_never_seals_alike_twice(program: Program) -> None:
    """Fresh secret, salt and nonces for every envelope, also of the same job."""
    job = _card_job(0)
    one, other = program.answer(job), program.answer(job)
    assert one["epoch_id"] != other["epoch_id"]
    first, second = (Envelope.FromString(bytes.fromhex(a["envelope"])) for a in (one, other))
    assert first.salt != second.salt
    nonces = [box.ciphertext[:12] for read in (first, second) for box in read.boxes]
    assert len(set(nonces)) == len(nonces)


UNSEALABLE: dict[str, dict[str, Any]] = {
    "step above the last": {"step": 1024},
    "negative step": {"step": -1},
    "audience unsorted": {"audience": "payment_processing+account_service"},
    "another purpose's audience": {"audience": "account_service"},
    "no key for a member": {"audience": "account_service+payment_processing"},
    "short key": {"public_key": "00" * 1215},
    "no key": {"public_key": ""},
    "short vault_id": {"vault_id": "00" * 15},
    "no fields": {"fields": {}},
    "field 0": {"fields": {"0": {"name": "payment.card_number", "plaintext": "34"}}},
    "empty string": {"fields": {"2": {"name": "payment.card_number", "plaintext": ""}}},
    "not UTF-8": {"fields": {"2": {"name": "payment.card_number", "plaintext": "ff"}}},
    "a key too many": {"public_keys": {p: forge.public_key(s).hex() for p, s in SEEDS.items()}},
}


@pytest.mark.parametrize("change", UNSEALABLE.values(), ids=UNSEALABLE)
def test_what_no_opener_would_accept_is_not_sealed(program: Program, change: dict[str, Any]) -> None:
    """A sealer's mistake would be found by the reader, when the plaintext is gone."""
    assert set(program.answer(_card_job(0))) == {"epoch_id", "stanza", "envelope"}
    assert program.refuses(_card_job(0) | change)
