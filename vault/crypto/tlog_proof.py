"""A proof that an entry stands in a log, as one file that anybody can check offline: a C2SP tlog-proof.

    c2sp.org/tlog-proof@v1
    extra <base64 of the entry>
    index <number>
    <base64 of a hash>              the inclusion proof of RFC 9162, lowest first
    …

    <the signed checkpoint>

The format leaves it open what `extra` holds, and says that nothing vouches for it: here it is the entry, whose hash is
the leaf that is proven, so it need not be believed. The reader takes exactly what the writer makes.
"""

from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from vault.crypto.merkle import leaf_hash, verify_inclusion
from vault.crypto.note import Checkpoint, open_checkpoint
from vault.errors import OpenError

HEADER: Final = "c2sp.org/tlog-proof@v1"
_EXTRA: Final = "extra "
_INDEX: Final = "index "
LONGEST: Final = 1 << 20
"""Characters of a file; an entry about a batch of a hundred has some thousands."""


@dataclass(frozen=True, slots=True)
class ProofFile:
    """An entry, where it stands, and why that is so."""

    entry: bytes
    index: int
    hashes: tuple[bytes, ...]
    checkpoint: str
    """Signed note."""

    def text(self) -> str:
        """The file."""
        lines = [HEADER, _EXTRA + _base64(self.entry), f"{_INDEX}{self.index}", *map(_base64, self.hashes)]
        return "\n".join(lines) + "\n\n" + self.checkpoint

    def check(self, logs: Mapping[str, bytes]) -> Checkpoint:
        """Check it against the keys of known logs, by origin; the checkpoint that the entry is under.

        Raises:
            OpenError: none of them signed the checkpoint, or the entry does not stand there.
        """
        # (1) the log's signature, by the pinned key of the origin that is named
        origin = self.checkpoint.partition("\n")[0]
        if origin not in logs:
            raise OpenError("the checkpoint is of a log that the pins do not list")
        signed = open_checkpoint(self.checkpoint, origin, logs[origin])
        # (2) the entry's own hash, and (3) its path to the signed root
        verify_inclusion(leaf_hash(self.entry), self.index, signed.size, self.hashes, signed.root)
        return signed


def parse(text: str) -> ProofFile:
    """Read a file.

    Raises:
        OpenError: it is none that `text` makes.
    """
    try:
        head, _, checkpoint = text[:LONGEST].partition("\n\n")
        header, extra, index, *hashes = head.split("\n")
        proof = ProofFile(
            b64decode(extra.removeprefix(_EXTRA), validate=True),
            int(index.removeprefix(_INDEX)),
            tuple(b64decode(each, validate=True) for each in hashes),
            checkpoint,
        )
    except ValueError:
        raise OpenError("this is no proof of an entry") from None
    if header != HEADER or proof.text() != text:
        raise OpenError("this is no proof of an entry")
    return proof


def _base64(raw: bytes) -> str:
    return b64encode(raw).decode()
