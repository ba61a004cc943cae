"""Signed checkpoints: a C2SP signed note (c2sp.org/signed-note) whose text is a C2SP tlog-checkpoint.

    <origin>
    <tree size>
    <base64 of the root hash>

    — <key name> <base64 of key hash (4) || Ed25519 signature (64)>

Each line ends in a newline; what is signed are the first three lines, with theirs. The key name is the origin. The key
hash is the first 4 bytes of SHA-256(name || 0x0A || 0x01 || public key); it only helps to find the key, and the reader
here already has it.

The reader accepts exactly what the writer writes: no extension lines, one signature, canonical base64 and numbers. It
parses loosely and then compares with the text written again, so no rule of form can be forgotten. A witness's
cosignature would be refused: one goes beside our note, not into it. Opening fails one way and without a reason.
"""

import hashlib
from base64 import b64decode, b64encode
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from vault.crypto.merkle import HASH_SIZE, RootHash
from vault.domain.secret import Secret
from vault.errors import InvalidArgument, OpenError

SEED_SIZE = 32
PUBLIC_KEY_SIZE = 32
_KEY_HASH_SIZE = 4
_ED25519 = b"\x01"
_SIZE_LIMIT = 1 << 63
_LONGEST = 1024
"""An origin is a host name and a few letters; no reader needs to look at more."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A log's tree at one size."""

    origin: str
    size: int
    """Number of entries, below 2^63."""
    root: RootHash

    def text(self) -> str:
        """The three lines that are signed.

        Raises:
            InvalidArgument: the origin cannot be a key name, or the size or the root's length is impossible.
        """
        _check_name(self.origin)
        if not 0 <= self.size < _SIZE_LIMIT:
            raise InvalidArgument("size", "must be at least 0 and below 2^63")
        if len(self.root) != HASH_SIZE:
            raise InvalidArgument("root", "must be 32 bytes")
        return f"{self.origin}\n{self.size}\n{_base64(self.root)}\n"


class LogKey:
    """The signing key of one log, made from its seed."""

    __slots__ = ("_private", "public_key")

    public_key: bytes
    """32 bytes."""

    def __init__(self, seed: Secret) -> None:
        """Load the 32-byte Ed25519 seed (RFC 8032).

        Raises:
            InvalidArgument: the seed is not 32 bytes.
        """
        if len(seed.reveal()) != SEED_SIZE:
            raise InvalidArgument("seed", "must be 32 bytes")
        self._private = Ed25519PrivateKey.from_private_bytes(seed.reveal())
        self.public_key = self._private.public_key().public_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        """The Ed25519 signature, 64 bytes; the same for the same message."""
        return self._private.sign(message)


def key_hash(name: str, public_key: bytes) -> bytes:
    """The first 4 bytes of SHA-256(name || newline || 0x01 || public key)."""
    return hashlib.sha256(name.encode() + b"\n" + _ED25519 + public_key).digest()[:_KEY_HASH_SIZE]


def vkey(name: str, public_key: bytes) -> str:
    """The verifier key as other tools of the field take it: name+hex of the key hash+base64 of type and key.

    Raises:
        InvalidArgument: the name cannot be a key name.
    """
    _check_name(name)
    return f"{name}+{key_hash(name, public_key).hex()}+{_base64(_ED25519 + public_key)}"


def sign_checkpoint(checkpoint: Checkpoint, key: LogKey) -> str:
    """The signed note of a checkpoint.

    Raises:
        InvalidArgument: as `Checkpoint.text`.
    """
    return _sign_note(checkpoint.origin, checkpoint.text(), key)


def open_checkpoint(note: str | bytes, origin: str, public_key: bytes) -> Checkpoint:
    """The checkpoint that this log's key signed.

    Args:
        note: as it came; bytes are read as UTF-8.
        origin: the log that is expected, from the reader's own configuration.
        public_key: of that log, 32 bytes, from the same place.

    Raises:
        OpenError: the note is anything else than what `sign_checkpoint` returns for this origin and key.
    """
    try:
        # (1) take it apart; whatever is odd shows in step 2
        text = note.decode() if isinstance(note, bytes) else note
        _, size, root, _, signed, _ = text[:_LONGEST].split("\n")
        checkpoint = Checkpoint(origin, int(size), RootHash(b64decode(root)))
        signature = b64decode(signed.rpartition(" ")[2])[_KEY_HASH_SIZE:]
        signed_text = checkpoint.text()
    except (ValueError, InvalidArgument):
        raise OpenError("the checkpoint does not open") from None
    # (2) written again, it must be the same note: this is where origin, key hash and all forms are checked
    if _note(origin, signed_text, public_key, signature) != text:
        raise OpenError("the checkpoint does not open")
    # (3) the signature, which must be 64 bytes of this key
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, signed_text.encode())
    except (ValueError, InvalidSignature):
        raise OpenError("the checkpoint does not open") from None
    return checkpoint


def _sign_note(name: str, text: str, key: LogKey) -> str:
    """A note of one signature; `text` ends in a newline."""
    return _note(name, text, key.public_key, key.sign(text.encode()))


def _note(name: str, text: str, public_key: bytes, signature: bytes) -> str:
    return f"{text}\n\u2014 {name} {_base64(key_hash(name, public_key) + signature)}\n"


def _base64(raw: bytes) -> str:
    return b64encode(raw).decode()


def _check_name(name: str) -> None:
    """A key name: not empty, no spaces, no plus, no control characters (signed-note, Format).

    Of all Unicode spaces only U+0020 is printable.
    """
    if not name or "+" in name or " " in name or not name.isprintable():
        raise InvalidArgument("origin", "must be printable, without spaces and without +")
