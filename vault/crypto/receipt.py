"""The receipt of an erasure as one file: its statement, and the proof that the log's key signed it.

    {"format": "customer-vault/1 erasure-receipt-file", "statement": "<JSON text>", "proof": "<C2SP tlog-proof>"}

The chain is short enough to be written again by whoever doubts it: the key signs a checkpoint, the checkpoint is the
root of a tree, the entry is a leaf of the tree, and the entry ends with the SHA-256 of the statement. Nothing else is
asked, neither the vault nor the customer's word. The statement stays the text that was hashed, inside of the file too.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from vault.crypto import tlog_proof
from vault.crypto.note import Checkpoint
from vault.crypto.tlog_proof import ProofFile
from vault.errors import OpenError

FORMAT: Final = "customer-vault/1 erasure-receipt-file"
LONGEST: Final = 1 << 22
"""Characters of a file."""
_FIELD_19: Final = b"\x9a\x01\x20"
"""Tag and length of the entry's `receipt`: field 19, 32 bytes. Fields ascend, so it is what an entry ends with."""


@dataclass(frozen=True, slots=True)
class ReceiptFile:
    """A statement, and the proof of its entry."""

    statement: str
    proof: ProofFile

    def text(self) -> str:
        """The file."""
        document = {"format": FORMAT, "statement": self.statement, "proof": self.proof.text()}
        return json.dumps(document, ensure_ascii=False, indent=1) + "\n"

    def check(self, logs: Mapping[str, bytes]) -> Checkpoint:
        """Check it against the keys of known logs, by origin; the checkpoint that the entry is under.

        Raises:
            OpenError: none of them signed it, or the entry is about another statement.
        """
        signed = self.proof.check(logs)
        if not self.proof.entry.endswith(_FIELD_19 + hashlib.sha256(self.statement.encode()).digest()):
            raise OpenError("the entry in the log is about another statement")
        return signed


def parse(text: str) -> ReceiptFile:
    """Read a file.

    Raises:
        OpenError: it is none that `text` makes.
    """
    try:
        document: dict[str, str] = json.loads(text[:LONGEST])
        found = ReceiptFile(document["statement"], tlog_proof.parse(document["proof"]))
        if document["format"] == FORMAT and found.text() == text:
            return found
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        pass
    raise OpenError("this is no receipt of an erasure")
