"""Lookup tokens: exact search on phone, e-mail and name without storing them.

A token is a keyed hash of the normalized value, 16 bytes, and what is stored is that token encrypted as one AES block
under M_n, so that old copies of the key store die with the vault key. ECB of a single block under a key of its own is
a permutation of it, which is all that is wanted here: equal tokens must be found by equality. There is no token of a
card number: behind a BIN and last four only 10^9 candidates are left, which any keyed hash on a stolen host gives away.
"""

import hmac

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import ECB

from vault.crypto.context import encode, expand
from vault.domain.secret import Secret

TOKEN_SIZE = 16


def token(lookup_key: Secret, vault_id: bytes, field: str, value: str) -> bytes:
    """The token of a normalized value of a field, 16 bytes."""
    key = expand(lookup_key.reveal(), encode("customer-vault/1 lookup", vault_id, field))
    return hmac.digest(key, value.encode(), "sha256")[:TOKEN_SIZE]


class Mask:
    """M_n: the block cipher that stands between a token and the key store."""

    __slots__ = ("_cipher",)

    def __init__(self, key: bytes) -> None:
        self._cipher = Cipher(AES256(key), ECB())  # noqa: S305 - one block, see the module's docstring

    def apply(self, lookup_token: bytes) -> bytes:
        """The stored form of a token, 16 bytes."""
        encryptor = self._cipher.encryptor()
        return encryptor.update(lookup_token) + encryptor.finalize()
