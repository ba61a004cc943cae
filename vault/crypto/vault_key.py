"""The vault key V_n and its three expansions: W_n wraps record keys, M_n masks lookup tokens, S_n seals system rows.

A system row (a purpose's seed, a log's signing key, an epoch, a stanza) is sealed with its kind, name, version and n
in the aad: it cannot be moved to another row, kind or deployment, and nobody without the vault key can write one.
"""

import secrets
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV

from vault.crypto.context import encode, expand
from vault.crypto.lookup import Mask
from vault.crypto.record_lock import FORMAT, NONCE_SIZE, WrappingKey
from vault.domain.secret import Secret
from vault.errors import OpenError

VAULT_KEY_SIZE = 32
VAULT_ID_SIZE = 16


def new_vault_key() -> Secret:
    """V_n: 32 random bytes."""
    return Secret(secrets.token_bytes(VAULT_KEY_SIZE))


def wrap_context(vault_id: bytes, n: int) -> bytes:
    """What a root key provider binds the wrapped V_n to."""
    return encode("customer-vault/1 vault-key", vault_id, n)


def key_for_use(vault_key: Secret, vault_id: bytes, use: str) -> bytes:
    """W_n ("wrap"), M_n ("lookup-mask") or S_n ("system"): 32 bytes."""
    return expand(vault_key.reveal(), encode("customer-vault/1 vault-key-use", vault_id, use))


@dataclass(frozen=True, slots=True)
class RowName:
    """Which system row: the kind, its name and its version from 1."""

    kind: str
    row: str
    version: int


class VaultKey:
    """One version n of the vault key, ready for its three uses."""

    __slots__ = ("_system", "mask", "n", "vault_id", "wrapping")

    def __init__(self, vault_id: bytes, n: int, vault_key: Secret) -> None:
        self.vault_id = vault_id
        self.n = n
        self.wrapping = WrappingKey(vault_id, n, key_for_use(vault_key, vault_id, "wrap"))
        self.mask = Mask(key_for_use(vault_key, vault_id, "lookup-mask"))
        self._system = AESGCMSIV(key_for_use(vault_key, vault_id, "system"))

    def seal_row(self, name: RowName, plaintext: bytes) -> bytes:
        """sealed_row: format, random nonce, AES-256-GCM-SIV."""
        nonce = secrets.token_bytes(NONCE_SIZE)
        return FORMAT + nonce + self._system.encrypt(nonce, plaintext, self._row_aad(name))

    def open_row(self, name: RowName, sealed: bytes) -> bytes:
        """The plaintext of a system row.

        Raises:
            OpenError: it is not this row's, or not of this n.
        """
        if sealed[:1] != FORMAT:
            raise OpenError("the system row does not open")
        try:
            return self._system.decrypt(sealed[1:13], sealed[13:], self._row_aad(name))
        except (InvalidTag, ValueError):
            raise OpenError("the system row does not open") from None

    def _row_aad(self, name: RowName) -> bytes:
        return encode(f"customer-vault/1 {name.kind}", self.vault_id, name.row, name.version, self.n)
