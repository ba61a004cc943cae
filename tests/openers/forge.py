"""Envelopes that no honest sealer makes, sealed correctly all the same.

An opener's check is tested only if everything around it passes: an envelope that merely claims step
1,024 is refused by AES-GCM, whether or not anyone looks at the step. So each forgery is consistent
in itself (keys, contexts, tags, epoch_id) and wrong in one thing, and one that is
wrong in nothing must open.

This is one more reading of the format's text, independent of ``vault.crypto``, which refuses to make
most of what is made here.
"""

import hmac
import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from hashlib import sha256, shake_256
from typing import Any

from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_SUITE = hpke.Suite(hpke.KEM.MLKEM768_X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)


@dataclass(frozen=True, slots=True)
class ForgedBox:
    """One box; ``padded`` is encrypted as it is, whatever ``pad`` would say."""

    number: int
    name: str
    padded: bytes


def pad(plaintext: bytes) -> bytes:
    """ISO/IEC 7816-4 to a multiple of 32."""
    return plaintext + b"\x80" + bytes(31 - len(plaintext) % 32)


_CARD_NUMBER = ForgedBox(2, "payment.card_number", pad(b"4111111111111111"))
_HOLDER_NAME = ForgedBox(4, "payment.holder_name", pad(b"Alice"))


@dataclass(frozen=True, slots=True)
class Forgery:
    """All that goes into one envelope and the stanza to its reader.

    Attributes:
        secret: E; 32 bytes in anything honest.
        step: Also where its ten bits lead; a higher bit is in the envelope's context only.
        claimed: An epoch_id to use everywhere instead of the one that E commits to.
    """

    seed: bytes
    vault_id: bytes
    audience: str = "payment_processing"
    purpose: str = "payment_processing"
    record_name: str = "customers/42/cards/7f3a"
    secret: bytes = bytes(range(32))
    step: int = 7
    salt: bytes = bytes(range(32, 64))
    claimed: bytes = b""
    boxes: tuple[ForgedBox, ...] = (_CARD_NUMBER, _HOLDER_NAME)

    @property
    def epoch_id(self) -> bytes:
        """What E commits to, unless another is claimed."""
        if self.claimed:
            return self.claimed
        context = encode("customer-vault/1 epoch-id", self.vault_id, self.audience)
        return hmac.digest(self.secret, context, "sha256")

    @property
    def envelope_key(self) -> bytes:
        """The key of every box."""
        node = self.secret
        for bit in reversed(range(10)):
            node = _expand(node, encode("customer-vault/1 step", self.step >> bit & 1))
        context = ("customer-vault/1 envelope", self.vault_id, self.audience, self.step)
        return _expand(node, encode(*context, self.record_name, self.salt))

    @property
    def stanza_info(self) -> bytes:
        """The context under which E is sealed to the reader."""
        context = ("customer-vault/1 epoch-key", self.vault_id, self.audience, self.epoch_id)
        return encode(*context, self.purpose, sha256(public_key(self.seed)).digest())

    def stanza(self) -> bytes:
        """E sealed to the reader's own key."""
        return _SUITE.encrypt(self.secret, _private_key(self.seed).public_key(), self.stanza_info)

    def with_secret_of(self, stanza: bytes) -> "Forgery":
        """The same under the E of a stanza that was made elsewhere for this context."""
        secret = _SUITE.decrypt(stanza, _private_key(self.seed), self.stanza_info)
        return replace(self, secret=secret)

    def sealed(self) -> list[tuple[int, bytes]]:
        """The boxes as (number, ciphertext)."""
        return [(box.number, self._seal(box)) for box in self.boxes]

    def _seal(self, box: ForgedBox) -> bytes:
        nonce, aad = os.urandom(12), encode("customer-vault/1 field", box.name)
        return nonce + AESGCM(self.envelope_key).encrypt(nonce, box.padded, aad)

    def job(self, envelope: bytes | None = None) -> dict[str, Any]:
        """The job that opens it, or opens ``envelope`` in its stead."""
        if envelope is None:
            envelope = write_envelope(self.epoch_id, self.step, self.salt, self.sealed())
        return {
            "op": "open",
            "seed": self.seed.hex(),
            "vault_id": self.vault_id.hex(),
            "audience": self.audience,
            "purpose": self.purpose,
            "epoch_id": self.epoch_id.hex(),
            "stanza": self.stanza().hex(),
            "record_name": self.record_name,
            "envelope": envelope.hex(),
            "fields": {str(box.number): box.name for box in self.boxes},
        }


def encode(*parts: str | bytes | int) -> bytes:
    """The context encoding."""
    out = b""
    for part in parts:
        raw = part.encode() if isinstance(part, str) else part
        raw = raw.to_bytes(8, "big") if isinstance(raw, int) else raw
        out += len(raw).to_bytes(4, "big") + raw
    return out


def public_key(seed: bytes) -> bytes:
    """The 1,216 bytes of a purpose's public key."""
    pq, x25519 = _expand_seed(seed)
    return pq.public_key().public_bytes_raw() + x25519.public_key().public_bytes_raw()


def varint(value: int) -> bytes:
    """Protobuf's varint, shortest form."""
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def delimited(number: int, value: bytes) -> bytes:
    """A length-delimited protobuf field."""
    return varint(number << 3 | 2) + varint(len(value)) + value


def numeric(number: int, value: int) -> bytes:
    """A varint protobuf field, written even if it is zero."""
    return varint(number << 3) + varint(value)


def write_envelope(epoch_id: bytes, step: int, salt: bytes, boxes: Iterable[tuple[int, bytes]]) -> bytes:
    """A serialized ``Envelope`` of just these values, sensible or not."""
    head = delimited(1, epoch_id) + numeric(2, step) + delimited(3, salt)
    return head + b"".join(delimited(4, numeric(1, n) + delimited(2, c)) for n, c in boxes)


def _expand(key: bytes, context: bytes) -> bytes:
    return hmac.digest(key, context + b"\x01", "sha256")


def _private_key(seed: bytes) -> hpke.MLKEM768X25519PrivateKey:
    return hpke.MLKEM768X25519PrivateKey(*_expand_seed(seed))


def _expand_seed(seed: bytes) -> tuple[MLKEM768PrivateKey, X25519PrivateKey]:
    raw = shake_256(seed).digest(96)
    pq = MLKEM768PrivateKey.from_seed_bytes(raw[:64])
    return pq, X25519PrivateKey.from_private_bytes(raw[64:])
