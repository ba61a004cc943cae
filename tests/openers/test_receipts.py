"""An outsider checks an erasure's receipt with Go's standard library and the log's key alone, and is not fooled."""

import hashlib
import json
from random import Random

import pytest

from tests.openers.programs import Program
from vault.audit.entry import entry_bytes
from vault.crypto.merkle import inclusion_proof, leaf_hash, root_of
from vault.crypto.note import Checkpoint, LogKey, sign_checkpoint
from vault.crypto.receipt import ReceiptFile, parse
from vault.crypto.tlog_proof import ProofFile
from vault.domain.secret import Secret
from vault.errors import OpenError
from vault.store.v1.audit_entry_pb2 import OUTCOME_ALLOWED, OUTCOME_FAILED, Outcome

ORIGIN = "vault.example/log/log-0"
KEY = LogKey(Secret(bytes(range(32))))
STATEMENT = json.dumps({"format": "customer-vault/1 erasure-receipt", "customer_id": "Müller", "nonce": "00" * 16})
OFFICER = "spiffe://vault.example/officer"
ERASE = "CustomerService.EraseCustomer"


def receipt(
    statement: str = STATEMENT,
    *,
    said: str = STATEMENT,
    action: str = ERASE,
    outcome: Outcome.ValueType = OUTCOME_ALLOWED,
) -> str:
    """A receipt file whose entry, in a log of 77, names the digest of `said`."""
    digest = hashlib.sha256(said.encode()).digest()
    entry = entry_bytes(1_700_000_000_000, OFFICER, "", action, outcome=outcome, receipt=digest)
    entries = [Random(i).randbytes(40) for i in range(77)]
    entries[41] = entry
    leaves = [leaf_hash(each) for each in entries]
    note = sign_checkpoint(Checkpoint(ORIGIN, 77, root_of(leaves)), KEY)
    return ReceiptFile(statement, ProofFile(entry, 41, inclusion_proof(leaves, 41), note)).text()


def job(text: str, *, origin: str = ORIGIN, key: bytes = KEY.public_key) -> dict[str, str]:
    """What the program is asked."""
    return {"op": "check_receipt", "receipt": text, "origin": origin, "key": key.hex()}


@pytest.mark.needs("go")
def test_a_true_receipt_holds(go: Program) -> None:
    """What it says, where it stands, and under which size."""
    assert go.answer(job(receipt())) == {"statement": json.loads(STATEMENT), "index": 41, "tree_size": 77}
    assert parse(receipt()).check({ORIGIN: KEY.public_key}).size == 77


@pytest.mark.needs("go")
def test_a_receipt_that_the_log_did_not_sign_is_refused(go: Program) -> None:
    """Another statement, another deed, one that failed, another log, another key."""
    refused = [
        job(receipt(STATEMENT.replace("ller", "hler"))),
        job(receipt(action="CustomerService.GetCustomer")),
        job(receipt(outcome=OUTCOME_FAILED)),
        job(receipt(), origin="vault.example/log/log-1"),
        job(receipt(), key=LogKey(Secret(bytes(32))).public_key),
        job("{}"),
        job("not JSON"),
    ]
    assert all(go.refuses(each) for each in refused)


def bent(count: int) -> list[str]:
    """The receipt with one character changed; what is no other JSON text is left out."""
    text, random = receipt(), Random(11)
    found: list[str] = []
    same = parse(text)
    while len(found) < count:
        at = random.randrange(len(text))
        changed = text[:at] + random.choice("AZaz09+/= ".replace(text[at], "")) + text[at + 1 :]
        try:
            document = json.loads(changed)
        except ValueError:
            document = {}
        if document.get("statement") != same.statement or document.get("proof") != same.proof.text():
            found.append(changed)
    return found


@pytest.mark.needs("go")
def test_whatever_is_bent_is_refused_by_a_program_without_our_code(go: Program) -> None:
    """Any character that says something."""
    assert all(go.refuses(job(each)) for each in bent(60))


def test_whatever_is_bent_is_refused() -> None:
    """By ours as well, in one way."""
    for each in [*bent(400), receipt(STATEMENT + " ", said=STATEMENT), "", "[]", '{"statement": 1}']:
        with pytest.raises(OpenError):
            parse(each).check({ORIGIN: KEY.public_key})
