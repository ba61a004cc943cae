"""Record keys, stored records, system rows and root keys open only as what they were written."""

import pytest

from vault.crypto import lookup, record_lock, root_key
from vault.crypto.record_lock import Header, KeyId
from vault.crypto.vault_key import RowName, VaultKey, new_vault_key
from vault.domain.secret import Secret
from vault.errors import OpenError

VAULT = bytes(range(16))
SECRET = Secret(bytes(32))
KEY = VaultKey(VAULT, 1, SECRET)
NAME = "customers/42"


def test_a_locked_record_unlocks() -> None:
    """Through its wrapped key."""
    locked = record_lock.lock(KEY.wrapping, NAME, 1, 5, 0, b"body")
    record_key = KEY.wrapping.unwrap(locked.wrapped, locked.header.key_id, NAME)
    assert record_lock.unlock(record_key, VAULT, locked.header, locked.stored) == b"body"
    assert KEY.wrapping.open(locked.header, locked.wrapped, locked.stored) == b"body"


def test_every_attempt_draws_new_keys() -> None:
    """The same body twice: another key id, another ciphertext. The fixed nonce is safe because of this."""
    one, two = (record_lock.lock(KEY.wrapping, NAME, 1, 5, 0, b"body") for _ in range(2))
    assert one.header.key_id != two.header.key_id
    assert one.stored != two.stored


@pytest.mark.parametrize(
    "column", ["record_name", "key_id", "version", "written_at", "expires_at", "vault_id", "format"]
)
def test_every_column_is_under_the_lock(column: str) -> None:
    """A change of one closes the record."""
    locked = record_lock.lock(KEY.wrapping, NAME, 1, 5, 0, b"body")
    h, stored, vault_id = locked.header, locked.stored, VAULT
    record_key = KEY.wrapping.unwrap(locked.wrapped, h.key_id, NAME)
    columns = {"record_name": h.record_name, "key_id": h.key_id, "version": 1, "written_at": 5, "expires_at": 0}
    other = {"record_name": "customers/43", "key_id": KeyId(bytes(16)), "version": 2, "written_at": 6, "expires_at": 1}
    if column in columns:
        columns[column] = other[column]
    elif column == "vault_id":
        vault_id = bytes(16)
    else:
        stored = b"\x02" + stored[1:]
    with pytest.raises(OpenError):
        record_lock.unlock(record_key, vault_id, Header(**columns), stored)  # type: ignore[arg-type]
    with pytest.raises(OpenError):
        VaultKey(vault_id, 1, SECRET).wrapping.open(Header(**columns), locked.wrapped, stored)  # type: ignore[arg-type]


@pytest.mark.parametrize("stored", [b"", b"\x01", b"\x01" + bytes(15)])
def test_short_rows_do_not_open(stored: bytes) -> None:
    """Nor do they raise anything else."""
    with pytest.raises(OpenError):
        record_lock.unlock(bytes(32), VAULT, Header(NAME, KeyId(bytes(16)), 1, 1, 0), stored)
    locked = record_lock.lock(KEY.wrapping, NAME, 1, 5, 0, b"body")
    with pytest.raises(OpenError):
        KEY.wrapping.open(locked.header, locked.wrapped, stored)


def test_a_record_does_not_open_under_a_retired_key() -> None:
    """Nor under what is no wrapped key at all, or another's."""
    locked, other = (record_lock.lock(KEY.wrapping, NAME, 1, 5, 0, b"body") for _ in range(2))
    record_key = KEY.wrapping.unwrap(locked.wrapped, locked.header.key_id, NAME)
    retired = KEY.wrapping.wrap(record_key, locked.header.key_id, NAME, retired=True)
    for wrapped in (retired, other.wrapped, b"\x02" + locked.wrapped[1:], locked.wrapped[:-1], b""):
        with pytest.raises(OpenError):
            KEY.wrapping.open(locked.header, wrapped, locked.stored)


def test_a_wrapped_key_is_of_one_record_version_and_state() -> None:
    """Another name, key id, n, vault, state or size does not unwrap."""
    wrapped = KEY.wrapping.wrap(bytes(32), bytes(16), NAME)
    others = [
        (VaultKey(VAULT, 2, Secret(bytes(32))), bytes(16), NAME, False, wrapped),
        (VaultKey(bytes(16), 1, Secret(bytes(32))), bytes(16), NAME, False, wrapped),
        (KEY, b"\x01" * 16, NAME, False, wrapped),
        (KEY, bytes(16), "customers/43", False, wrapped),
        (KEY, bytes(16), NAME, True, wrapped),
        (KEY, bytes(16), NAME, False, b"\x02" + wrapped[1:]),
        (KEY, bytes(16), NAME, False, wrapped[:-1]),
        (KEY, bytes(16), NAME, False, wrapped + b"\0"),
    ]
    for key, key_id, name, retired, raw in others:
        with pytest.raises(OpenError):
            key.wrapping.unwrap(raw, key_id, name, retired=retired)


def test_a_system_row_is_of_one_kind_name_version_and_n() -> None:
    """It cannot stand in another's place."""
    name = RowName("system", "epochs/00", 1)
    sealed = KEY.seal_row(name, b"row")
    assert KEY.open_row(name, sealed) == b"row"
    for other in (
        RowName("log-key", "epochs/00", 1),
        RowName("system", "epochs/01", 1),
        RowName("system", "epochs/00", 2),
    ):
        with pytest.raises(OpenError):
            KEY.open_row(other, sealed)
    with pytest.raises(OpenError):
        VaultKey(VAULT, 2, Secret(bytes(32))).open_row(name, sealed)
    for raw in (b"", b"\x01", b"\x02" + sealed[1:], sealed[:20]):
        with pytest.raises(OpenError):
            KEY.open_row(name, raw)


def test_tokens_depend_on_key_vault_field_and_value() -> None:
    """And their stored form on the vault key's version."""
    key = Secret(bytes(32))
    tokens = {
        lookup.token(key, VAULT, "contact.phone", "+1"),
        lookup.token(key, VAULT, "contact.email", "+1"),
        lookup.token(key, bytes(16), "contact.phone", "+1"),
        lookup.token(key, VAULT, "contact.phone", "+2"),
        lookup.token(Secret(b"\x01" * 32), VAULT, "contact.phone", "+1"),
    }
    assert len(tokens) == 5
    assert KEY.mask.apply(bytes(16)) != VaultKey(VAULT, 1, new_vault_key()).mask.apply(bytes(16))


def test_a_root_key_wraps_for_one_context() -> None:
    """From a file or from a passphrase; another key or context does not unwrap."""
    salt = root_key.new_salt()
    key = root_key.from_passphrase(Secret(b"correct horse"), salt)
    assert key.reveal() == root_key.from_passphrase(Secret(b"correct horse"), salt).reveal()
    wrapped = root_key.wrap(key, b"vault key", b"context")
    assert root_key.unwrap(key, wrapped, b"context") == b"vault key"
    for other, context, raw in (
        (root_key.new_root_key(), b"context", wrapped),
        (key, b"other", wrapped),
        (key, b"context", b""),
    ):
        with pytest.raises(OpenError):
            root_key.unwrap(other, raw, context)
