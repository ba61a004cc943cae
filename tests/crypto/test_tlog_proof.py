"""A proof as a file: it is read back as it was written, and anything bent in it is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault.crypto.merkle import inclusion_proof, leaf_hash, root_of
from vault.crypto.note import Checkpoint, LogKey, sign_checkpoint
from vault.crypto.tlog_proof import ProofFile, parse
from vault.domain.secret import Secret
from vault.errors import OpenError

ORIGIN = "vault.example/log/log-0"
KEY = LogKey(Secret(bytes(range(32))))
LOGS = {ORIGIN: KEY.public_key}
ENTRIES = [bytes([i]) * i for i in range(13)]


def proof(index: int = 5, size: int = 13) -> ProofFile:
    """A true one."""
    leaves = [leaf_hash(entry) for entry in ENTRIES[:size]]
    note = sign_checkpoint(Checkpoint(ORIGIN, size, root_of(leaves)), KEY)
    return ProofFile(ENTRIES[index], index, inclusion_proof(leaves, index), note)


@pytest.mark.parametrize("size", range(1, 14))
def test_every_entry_of_every_tree_is_proven(size: int) -> None:
    """Through the file."""
    for index in range(size):
        assert parse(proof(index, size).text()).check(LOGS) == Checkpoint(
            ORIGIN, size, root_of(leaf_hash(entry) for entry in ENTRIES[:size])
        )


def test_the_file_is_the_format_of_c2sp() -> None:
    """Header, extra, index, hashes, an empty line, the note."""
    lines = proof().text().split("\n")
    assert lines[:3] == ["c2sp.org/tlog-proof@v1", "extra BQUFBQU=", "index 5"]
    assert lines[3 + 4] == ""
    assert lines[8:10] == [ORIGIN, "13"]


@given(st.data())
def test_a_changed_character_is_refused(data: st.DataObject) -> None:
    """Wherever it stands; a signature's base64 has no spare bits either."""
    text = proof().text()
    at = data.draw(st.integers(0, len(text) - 1))
    changed = text[:at] + data.draw(st.characters(codec="utf-8").filter(lambda c: c != text[at])) + text[at + 1 :]
    with pytest.raises(OpenError):
        parse(changed).check(LOGS)


@pytest.mark.parametrize("text", ["", "c2sp.org/tlog-proof@v1\n", "x" * 100, proof().text() + "\n", proof().text()[1:]])
def test_what_is_no_proof_is_refused(text: str) -> None:
    """In one way."""
    with pytest.raises(OpenError):
        parse(text).check(LOGS)


def test_a_log_that_is_not_pinned_proves_nothing() -> None:
    """Its key could be anybody's."""
    with pytest.raises(OpenError, match="pins"):
        proof().check({"vault.example/log/log-1": KEY.public_key})
