"""The purpose lock: one box per field, under the key of one envelope.

An envelope has a fresh random salt, so its key is used for one write and a dozen boxes at most; random nonces are far
from any limit. A box's aad is its field's policy name: it cannot be moved to another field, and everything else about
it (deployment, audience, step, record) is in the key. Both sides check strictly what they read, so that one message
has one meaning: no field twice, no empty value, one padding.
"""

import secrets
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import NewType

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from vault.crypto.context import encode, encode_raw, encode_text, expand
from vault.crypto.epoch import EPOCH_ID_SIZE, LAST_STEP, EpochId
from vault.domain.fields import Plaintext, ProtectedField
from vault.errors import OpenError
from vault.v1 import envelope_pb2

Salt = NewType("Salt", bytes)

SALT_SIZE = 32
NONCE_SIZE = 12
TAG_SIZE = 16
PAD_BLOCK = 32
_MIN_BOX = NONCE_SIZE + PAD_BLOCK + TAG_SIZE
# By names of this module: they are asked for with each box, and an enum looks its members up each time.
_MESSAGE, _STRING = Plaintext.MESSAGE, Plaintext.STRING


@dataclass(frozen=True, slots=True)
class Step:
    """What a sealer or opener has of one step of an epoch."""

    audience: str
    epoch_id: EpochId
    number: int
    key: bytes
    """K_j, 32 bytes."""


@cache
def _field_aad(field: str) -> bytes:
    return encode("customer-vault/1 field", field)


@lru_cache(4096)
def _step_context(vault_id: bytes, audience: str, step: int) -> bytes:
    return encode("customer-vault/1 envelope", vault_id, audience, step)


def envelope_key(vault_id: bytes, step: Step, record_name: str, salt: bytes) -> bytes:
    """The key of one envelope, 32 bytes."""
    context = _step_context(vault_id, step.audience, step.number) + encode_text(record_name) + encode_raw(salt)
    return expand(step.key, context)


def seal(
    vault_id: bytes, step: Step, record_name: str, values: Iterable[tuple[ProtectedField, bytes]]
) -> envelope_pb2.Envelope:
    """Seal the values of one record for one audience, under a fresh salt.

    `values` are (field, plaintext), ascending by field number, at least one; strings and bytes are not empty.
    """
    salt = secrets.token_bytes(SALT_SIZE)
    aead = AESGCM(envelope_key(vault_id, step, record_name, salt))
    envelope = envelope_pb2.Envelope(epoch_id=step.epoch_id, step=step.number, salt=salt)
    for field, plaintext in values:
        nonce = secrets.token_bytes(NONCE_SIZE)
        sealed = aead.encrypt(nonce, pad(plaintext), _field_aad(field.policy_name))
        envelope.boxes.add(field=field.number, ciphertext=nonce + sealed)
    return envelope


def open_boxes(
    vault_id: bytes,
    step: Step,
    record_name: str,
    envelope: envelope_pb2.Envelope,
    wanted: Mapping[int, ProtectedField],
) -> list[tuple[ProtectedField, bytes]]:
    """Open the boxes of the wanted fields; boxes of other fields are left alone.

    The envelope's form must have been checked by `check_record` with the record's other envelopes.

    Raises:
        OpenError: a wanted box does not open, or is not what a sealer makes.
    """
    decrypt = AESGCM(envelope_key(vault_id, step, record_name, envelope.salt)).decrypt
    opened = []
    for box in envelope.boxes:
        field = wanted.get(box.field)
        if field is not None:
            opened.append((field, _open_box(decrypt, field, box.ciphertext)))
    return opened


def _open_box(decrypt: Callable[[bytes, bytes, bytes], bytes], field: ProtectedField, ciphertext: bytes) -> bytes:
    if len(ciphertext) < _MIN_BOX:
        raise OpenError("a box does not open")
    try:
        padded = decrypt(ciphertext[:NONCE_SIZE], ciphertext[NONCE_SIZE:], _field_aad(field.policy_name))
    except InvalidTag:
        raise OpenError("a box does not open") from None
    plaintext = unpad(padded)
    if field.plaintext is _MESSAGE:
        return plaintext
    if not plaintext:
        raise OpenError("a box does not open")
    if field.plaintext is _STRING:
        try:
            plaintext.decode()
        except UnicodeDecodeError:
            raise OpenError("a box does not open") from None
    return plaintext


def check_record(envelopes: Sequence[envelope_pb2.Envelope], *, stream_field: int = 0) -> list[frozenset[int]]:
    """Check the form of all envelopes of one record together (section 4).

    Returns:
        The numbers of the fields in each envelope, none of which stands in two.

    Raises:
        OpenError: an envelope is empty or its sizes are wrong, boxes do not ascend strictly from 1, a step is above
            1,023, or a field stands twice (in one envelope, in two, or in a box and the stream).
    """
    found: list[frozenset[int]] = []
    seen = frozenset([stream_field] if stream_field else ())
    for envelope in envelopes:
        if len(envelope.epoch_id) != EPOCH_ID_SIZE or len(envelope.salt) != SALT_SIZE:
            raise OpenError("an envelope is malformed")
        if envelope.step > LAST_STEP:
            raise OpenError("the step is out of range")
        fields = _ascending(tuple([box.field for box in envelope.boxes]))
        if seen:
            if not seen.isdisjoint(fields):
                raise OpenError("an envelope is malformed")
            seen |= fields
        else:
            seen = fields
        found.append(fields)
    return found


@lru_cache(1024)
def _ascending(numbers: tuple[int, ...]) -> frozenset[int]:
    """The fields of an envelope's boxes; few lists of them occur, so each is judged once. What is refused is not kept.

    Raises:
        OpenError: there is none, or they do not ascend strictly from 1.
    """
    fields = frozenset(numbers)
    if not numbers or numbers[0] < 1 or list(numbers) != sorted(fields):
        raise OpenError("an envelope is malformed")
    return fields


def keep_boxes(envelope: envelope_pb2.Envelope, fields: Collection[int]) -> envelope_pb2.Envelope | None:
    """The same envelope with only the boxes of `fields`, moved over unopened; None if none is left."""
    kept = [box for box in envelope.boxes if box.field in fields]
    if len(kept) == len(envelope.boxes):
        return envelope
    if not kept:
        return None
    return envelope_pb2.Envelope(epoch_id=envelope.epoch_id, step=envelope.step, salt=envelope.salt, boxes=kept)


def pad(plaintext: bytes) -> bytes:
    """ISO/IEC 7816-4: 0x80, then zeros up to the next multiple of 32; 1 to 32 bytes are always added."""
    return plaintext + b"\x80" + bytes(-(len(plaintext) + 1) % PAD_BLOCK)


def unpad(padded: bytes) -> bytes:
    """Undo `pad`.

    Raises:
        OpenError: the padding is not the one that `pad` makes.
    """
    marked = padded.rstrip(b"\0")
    if marked[-1:] != b"\x80" or len(padded) % PAD_BLOCK or len(padded) - len(marked) >= PAD_BLOCK:
        raise OpenError("a box does not open")
    return marked[:-1]
