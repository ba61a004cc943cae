"""An outsider checks with Go's standard library alone that an entry stands in the log, and is not fooled."""

from random import Random

import pytest

from tests.openers.programs import Program
from vault.crypto.merkle import inclusion_proof, leaf_hash, root_of
from vault.crypto.note import Checkpoint, LogKey, sign_checkpoint
from vault.crypto.tlog_proof import ProofFile
from vault.domain.secret import Secret

ORIGIN = "vault.example/log/log-0"
KEY = LogKey(Secret(bytes(range(32))))
ENTRIES = [Random(i).randbytes(i) for i in range(300)]

pytestmark = pytest.mark.needs("go")


def proof(index: int, size: int) -> str:
    """A true one."""
    leaves = [leaf_hash(entry) for entry in ENTRIES[:size]]
    note = sign_checkpoint(Checkpoint(ORIGIN, size, root_of(leaves)), KEY)
    return ProofFile(ENTRIES[index], index, inclusion_proof(leaves, index), note).text()


def job(text: str, *, origin: str = ORIGIN, key: bytes = KEY.public_key) -> dict[str, str]:
    """What the program is asked."""
    return {"op": "check_proof", "proof": text, "origin": origin, "key": key.hex()}


@pytest.mark.parametrize(
    ("index", "size"), [(0, 1), (1, 2), (2, 3), (6, 7), (255, 256), (256, 257), (0, 300), (299, 300)]
)
def test_a_true_proof_holds(go: Program, index: int, size: int) -> None:
    """The entry, where it stands, and under which size."""
    said = go.answer(job(proof(index, size)))
    assert said == {"entry": ENTRIES[index].hex(), "index": index, "tree_size": size}


def test_whatever_is_bent_is_refused(go: Program) -> None:
    """Characters anywhere, another log, another key."""
    text, random = proof(77, 300), Random(7)
    bent = [job(text, origin="vault.example/log/log-1"), job(text, key=LogKey(Secret(bytes(32))).public_key)]
    for _ in range(60):
        at = random.randrange(len(text))
        bent.append(job(text[:at] + random.choice("AZaz09+/=\n ".replace(text[at], "")) + text[at + 1 :]))
    assert all(go.refuses(each) for each in bent)
