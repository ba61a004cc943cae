"""HPKE base mode (RFC 9180) with X-Wing: seal to a purpose's public key, open with its private key.

KEM 0x647A MLKEM768-X25519 (X-Wing, draft-ietf-hpke-pq), KDF 0x0001 HKDF-SHA256, AEAD 0x0002 AES-256-GCM. The private
key is the 32-byte seed: SHAKE256(seed, 96) is a 64-byte ML-KEM-768 seed and a 32-byte X25519 key. All context is bound
by `info`; the aad is empty. Base mode does not authenticate the sender: whoever has the public key can seal, which is
why the record lock and the ownership of epochs exist.
"""

import hashlib
import secrets
from typing import NewType

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import (
    AEAD,
    KDF,
    KEM,
    MLKEM768X25519PrivateKey,
    MLKEM768X25519PublicKey,
    Suite,
)

from vault.crypto.context import expand
from vault.domain.secret import Secret
from vault.errors import InvalidArgument, OpenError

Fingerprint = NewType("Fingerprint", bytes)

SEED_SIZE = 32
ENC_SIZE = 1120
STANZA_SIZE = ENC_SIZE + 32 + 16
_MLKEM_PUBLIC_SIZE = 1184
PUBLIC_KEY_SIZE = _MLKEM_PUBLIC_SIZE + 32

_SUITE = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


class PurposeKeyPair:
    """The key pair of one version of a purpose, made from its seed."""

    __slots__ = ("_private", "_seed", "fingerprint", "public_key")

    public_key: bytes
    """1216 bytes: ML-KEM-768 (1184) || X25519 (32)."""
    fingerprint: Fingerprint
    """SHA-256 of the public key."""

    def __init__(self, seed: Secret) -> None:
        """Expand the 32-byte seed.

        Raises:
            InvalidArgument: the seed is not 32 bytes.
        """
        if len(seed.reveal()) != SEED_SIZE:
            raise InvalidArgument("seed", "must be 32 bytes")
        self._seed = seed
        expanded = hashlib.shake_256(seed.reveal()).digest(96)
        mlkem = MLKEM768PrivateKey.from_seed_bytes(expanded[:64])
        x25519 = X25519PrivateKey.from_private_bytes(expanded[64:])
        self._private = MLKEM768X25519PrivateKey(mlkem, x25519)
        self.public_key = mlkem.public_key().public_bytes_raw() + x25519.public_key().public_bytes_raw()
        self.fingerprint = fingerprint(self.public_key)

    def derive(self, info: bytes) -> bytes:
        """A key of the holder's own beside this one: HKDF-Expand of the seed, 32 bytes.

        It says nothing about the pair, which SHAKE256 makes of the same seed, nor about one of another info.
        """
        return expand(self._seed.reveal(), info)

    def open(self, sealed: bytes, info: bytes) -> bytes:
        """HPKE.OpenBase of enc || ciphertext.

        Raises:
            OpenError: it was not sealed to this key with this info.
        """
        try:
            return _SUITE.decrypt(sealed, self._private, info=info)
        except (InvalidTag, ValueError):
            raise OpenError("the stanza does not open") from None


class Recipient:
    """A purpose's public key, ready to be sealed to."""

    __slots__ = ("_public", "fingerprint", "public_key")

    public_key: bytes
    fingerprint: Fingerprint

    def __init__(self, public_key: bytes) -> None:
        """Load 1216 bytes.

        Raises:
            InvalidArgument: the length is wrong or either half is not a public key.
        """
        if len(public_key) != PUBLIC_KEY_SIZE:
            raise InvalidArgument("public_key", "must be 1216 bytes")
        try:
            mlkem = MLKEM768PublicKey.from_public_bytes(public_key[:_MLKEM_PUBLIC_SIZE])
            x25519 = X25519PublicKey.from_public_bytes(public_key[_MLKEM_PUBLIC_SIZE:])
        except ValueError:
            raise InvalidArgument("public_key", "must be an ML-KEM-768 and an X25519 public key") from None
        self._public = MLKEM768X25519PublicKey(mlkem, x25519)
        self.public_key = public_key
        self.fingerprint = fingerprint(public_key)

    def seal(self, plaintext: bytes, info: bytes) -> bytes:
        """HPKE.SealBase: enc (1120) || ciphertext (plaintext + 16)."""
        return _SUITE.encrypt(plaintext, self._public, info=info)


def fingerprint(public_key: bytes) -> Fingerprint:
    """SHA-256 of a public key."""
    return Fingerprint(hashlib.sha256(public_key).digest())


def new_seed() -> Secret:
    """A fresh private key: 32 random bytes."""
    return Secret(secrets.token_bytes(SEED_SIZE))
