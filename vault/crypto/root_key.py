"""The root key of the `file` provider: wraps the vault key under 32 bytes that a file holds or a passphrase makes.

Each version of the vault key has a root key version of its own, so that destroying one root version ends one vault
key version and nothing else.
"""

import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from vault.domain.secret import Secret
from vault.errors import OpenError

ROOT_KEY_SIZE = 32
SALT_SIZE = 16
_NONCE_SIZE = 12
# OWASP's and RFC 7914's interactive-to-sensitive range: 128 MiB and about half a second, once at start.
_SCRYPT = {"n": 1 << 17, "r": 8, "p": 1}


def new_root_key() -> Secret:
    """32 random bytes."""
    return Secret(secrets.token_bytes(ROOT_KEY_SIZE))


def new_salt() -> bytes:
    """16 random bytes for `from_passphrase`."""
    return secrets.token_bytes(SALT_SIZE)


def from_passphrase(passphrase: Secret, salt: bytes) -> Secret:
    """Scrypt (RFC 7914) of a passphrase to 32 bytes."""
    return Secret(Scrypt(salt=salt, length=ROOT_KEY_SIZE, **_SCRYPT).derive(passphrase.reveal()))


def wrap(root_key: Secret, plaintext: bytes, context: bytes) -> bytes:
    """Nonce (12) || AES-256-GCM-SIV, bound to `context`."""
    nonce = secrets.token_bytes(_NONCE_SIZE)
    return nonce + AESGCMSIV(root_key.reveal()).encrypt(nonce, plaintext, context)


def unwrap(root_key: Secret, wrapped: bytes, context: bytes) -> bytes:
    """Undo `wrap`.

    Raises:
        OpenError: it is another key or another context.
    """
    try:
        return AESGCMSIV(root_key.reveal()).decrypt(wrapped[:_NONCE_SIZE], wrapped[_NONCE_SIZE:], context)
    except (InvalidTag, ValueError):
        raise OpenError("the wrapped key does not open") from None
