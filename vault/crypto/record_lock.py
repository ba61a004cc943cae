"""The record lock: every version of every record has its own key R, kept apart from the data.

R is drawn inside the function that encrypts, for every attempt, and encrypts exactly one body. That is what makes the
fixed nonce of zeros safe: a second attempt (lost race, new written_at) calls `lock` again and so draws a new R. Only
identical stored bytes may go to the database twice.
"""

import secrets
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, NewType

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, AESGCMSIV

from vault.crypto.context import encode, encode_raw, encode_text, encode_three
from vault.errors import OpenError

KeyId = NewType("KeyId", bytes)

FORMAT = b"\x01"
KEY_ID_SIZE = 16
RECORD_KEY_SIZE = 32
NONCE_SIZE = 12
WRAPPED_SIZE = 1 + NONCE_SIZE + RECORD_KEY_SIZE + 16
_ZERO_NONCE = bytes(NONCE_SIZE)
_LIVE = "customer-vault/1 record-key"
_RETIRED = "customer-vault/1 retired-key"


class WrappingKey:
    """W_n: wraps record keys under version n of the vault key."""

    __slots__ = ("_aead", "_live", "_n", "_retired", "_stored", "n", "vault_id")

    def __init__(self, vault_id: bytes, n: int, key: bytes) -> None:
        self.vault_id = vault_id
        self.n = n
        self._aead = AESGCMSIV(key)
        self._live, self._retired, self._n = encode(_LIVE, vault_id), encode(_RETIRED, vault_id), encode(n)
        self._stored = _stored(vault_id)

    def wrap(self, record_key: bytes, key_id: bytes, record_name: str, *, retired: bool = False) -> bytes:
        """wrapped_R, 61 bytes: format, random nonce, AES-256-GCM-SIV of R."""
        nonce = secrets.token_bytes(NONCE_SIZE)
        return FORMAT + nonce + self._aead.encrypt(nonce, record_key, self._aad(key_id, record_name, retired=retired))

    def unwrap(self, wrapped: bytes, key_id: bytes, record_name: str, *, retired: bool = False) -> bytes:
        """R, 32 bytes.

        Raises:
            OpenError: the wrapped key is not of this record, key id, version or state.
        """
        if len(wrapped) != WRAPPED_SIZE or wrapped[:1] != FORMAT:
            raise OpenError("the record key does not open")
        try:
            return self._aead.decrypt(wrapped[1:13], wrapped[13:], self._aad(key_id, record_name, retired=retired))
        except InvalidTag:
            raise OpenError("the record key does not open") from None

    def open(self, header: "Header", wrapped: bytes, stored: bytes) -> bytes:
        """`unwrap`, then `unlock`, in one pass, because every record that is read goes through both.

        Raises:
            OpenError: as they.
        """
        if len(wrapped) != WRAPPED_SIZE or wrapped[:1] != FORMAT or stored[:1] != FORMAT:
            raise OpenError("the record does not open")
        name, key_id, version, written_at, expires_at = header
        named, identified = encode_text(name), encode_raw(key_id)
        times = encode_three(version, written_at, expires_at)
        try:
            record_key = self._aead.decrypt(wrapped[1:13], wrapped[13:], self._live + identified + named + self._n)
            return AESGCM(record_key).decrypt(_ZERO_NONCE, stored[1:], self._stored + named + identified + times)
        except (InvalidTag, ValueError):
            raise OpenError("the record does not open") from None

    def _aad(self, key_id: bytes, record_name: str, *, retired: bool) -> bytes:
        return (self._retired if retired else self._live) + encode_raw(key_id) + encode_text(record_name) + self._n


@lru_cache(16)
def _stored(vault_id: bytes) -> bytes:
    return encode("customer-vault/1 stored", vault_id)


class Header(NamedTuple):
    """The plain columns of a row; all of them are in the aad, so a change of one closes the record."""

    record_name: str
    key_id: KeyId
    version: int
    written_at: int
    """Milliseconds since 1970."""
    expires_at: int
    """Milliseconds since 1970; 0 if never."""

    def aad(self, vault_id: bytes) -> bytes:
        """The context of `stored`."""
        name, key_id, version, written_at, expires_at = self
        times = encode_three(version, written_at, expires_at)
        return _stored(vault_id) + encode_text(name) + encode_raw(key_id) + times


@dataclass(frozen=True, slots=True)
class Locked:
    """One locked version of a record: the row's bytes, and its key, wrapped."""

    header: Header
    stored: bytes
    wrapped: bytes


def lock(key: WrappingKey, record_name: str, version: int, written_at: int, expires_at: int, body: bytes) -> Locked:
    """Encrypt a serialized StoredRecord under a fresh R and key id, and wrap R."""
    record_key = secrets.token_bytes(RECORD_KEY_SIZE)
    header = Header(record_name, KeyId(secrets.token_bytes(KEY_ID_SIZE)), version, written_at, expires_at)
    stored = seal_body(record_key, key.vault_id, header, body)
    return Locked(header, stored, key.wrap(record_key, header.key_id, record_name))


def seal_body(record_key: bytes, vault_id: bytes, header: Header, body: bytes) -> bytes:
    """`stored`; for `lock` and `stream.MessageLock`, which each call it once for an R that they drew."""
    return FORMAT + AESGCM(record_key).encrypt(_ZERO_NONCE, body, header.aad(vault_id))


def unlock(record_key: bytes, vault_id: bytes, header: Header, stored: bytes) -> bytes:
    """The serialized StoredRecord.

    Raises:
        OpenError: the bytes, or any column of the row, are not what was written under this key.
    """
    if stored[:1] != FORMAT:
        raise OpenError("the record does not open")
    try:
        return AESGCM(record_key).decrypt(_ZERO_NONCE, stored[1:], header.aad(vault_id))
    except (InvalidTag, ValueError):
        raise OpenError("the record does not open") from None
