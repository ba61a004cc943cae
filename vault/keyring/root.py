"""Root keys: what the vault key is wrapped by. One root key version for each vault key version.

`RootKeyProvider` is the port (a KMS or an HSM behind it is one more class). The `file` provider keeps keys in one file
of mode 0600, or only a salt for each version if a passphrase makes the keys. A file cannot promise destruction: a
version is gone when the last copy of the file is gone, and the erasure horizon says so.
"""

import json
import os
from pathlib import Path
from typing import Protocol

from vault.crypto import root_key
from vault.domain.secret import Secret
from vault.errors import ConfigError

_GROUP_AND_OTHERS = 0o077


class RootKeyProvider(Protocol):
    """Wraps under versions of a root key; its bytes are its own."""

    async def create(self, version: int) -> None:
        """Make a version, durable on return; an existing one is kept."""

    async def wrap(self, version: int, plaintext: Secret, context: bytes) -> bytes:
        """Wrap, bound to `context`."""

    async def unwrap(self, version: int, wrapped: bytes, context: bytes) -> Secret:
        """Undo `wrap`.

        Raises:
            OpenError: the bytes or the context are not those of `wrap`.
            ConfigError: the version is not there.
        """


class FileProvider:
    """Root keys in a file, or under a passphrase with their salts in the file."""

    def __init__(self, path: Path, passphrase: Secret | None = None) -> None:
        self._path = path
        self._passphrase = passphrase

    async def create(self, version: int) -> None:
        """Add a version to the file, which is replaced as a whole and synced."""
        entries = self._read() if self._path.exists() else {}
        if str(version) in entries:
            return
        if self._passphrase is None:
            entries[str(version)] = {"key": root_key.new_root_key().reveal().hex()}
        else:
            entries[str(version)] = {"salt": root_key.new_salt().hex()}
        temporary = self._path.with_name(self._path.name + ".new")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump({"versions": entries}, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    async def wrap(self, version: int, plaintext: Secret, context: bytes) -> bytes:
        """AES-256-GCM-SIV under the version's key."""
        return root_key.wrap(self._key(version), plaintext.reveal(), context)

    async def unwrap(self, version: int, wrapped: bytes, context: bytes) -> Secret:
        """Undo `wrap`."""
        return Secret(root_key.unwrap(self._key(version), wrapped, context))

    def _key(self, version: int) -> Secret:
        entry = self._read().get(str(version))
        if entry is None:
            raise ConfigError(str(self._path), f"versions.{version}", "is missing; put back the right root key file")
        try:
            if "key" in entry:
                return Secret(bytes.fromhex(entry["key"]))
            salt = bytes.fromhex(entry["salt"])
        except (KeyError, ValueError, TypeError):
            raise ConfigError(str(self._path), f"versions.{version}", "must have a key or a salt in hex") from None
        if self._passphrase is None:
            raise ConfigError(
                str(self._path), f"versions.{version}", "needs a passphrase: set root_key.passphrase_file"
            )
        return root_key.from_passphrase(self._passphrase, salt)

    def _read(self) -> dict[str, dict[str, str]]:
        try:
            mode = self._path.stat().st_mode
            text = self._path.read_bytes()
        except OSError as error:
            raise ConfigError(str(self._path), "", f"cannot be read ({error.strerror})") from None
        if mode & _GROUP_AND_OTHERS:
            raise ConfigError(str(self._path), "", "can be read by others; run: chmod 600 on it")
        try:
            entries = json.loads(text)["versions"]
        except (ValueError, KeyError, TypeError):
            raise ConfigError(str(self._path), "", "is not a root key file") from None
        if not isinstance(entries, dict):
            raise ConfigError(str(self._path), "versions", "must be an object")
        return entries
