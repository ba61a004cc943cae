"""Root key: does it open the vault key, with the passphrase if it has one?"""

import asyncio
import os
from collections.abc import Iterator
from typing import Final

from vault.cli.doctor.examine import Examined, Finding, State, ok
from vault.cli.failures import PUT_BACK_ROOT_KEY
from vault.crypto.vault_key import wrap_context
from vault.errors import ConfigError, DataLoss, OpenError
from vault.keyring.root import RootKeyProvider
from vault.pki import files
from vault.service.root_key import root_key_provider
from vault.service.settings import RootKeySettings
from vault.storage import inspect

_OTHERS: Final = 0o077


def check(at: Examined) -> Iterator[Finding]:
    """Open each version of the vault key as the server does at its start, and drop it at once."""
    if at.settings is None:
        return
    settings = at.settings.root_key
    trouble = list(_files(settings))
    yield from trouble
    if trouble:
        return
    if settings.passphrase_env is not None and not os.environ.get(settings.passphrase_env):
        yield Finding(State.UNCHECKED, f"{settings.passphrase_env} is not set here", "set it, and run doctor again")
        return
    try:
        vault_id, rows = inspect.vault_keys(at.settings.storage.keys)
    except (ConfigError, DataLoss):
        yield Finding(State.UNCHECKED, "the key store cannot be read", "see what is said of the stores")
        return
    provider = root_key_provider(settings)
    bad = [row.n for row in rows if not _opens(provider, row.n, row.wrapped, vault_id)]
    if bad or not rows:
        said = f"{settings.path} does not open version {bad[0]} of the vault key" if bad else "there is no vault key"
        yield Finding(State.PROBLEM, said, PUT_BACK_ROOT_KEY)
    else:
        yield ok(f"{settings.path} opens the vault key")


def _files(settings: RootKeySettings) -> Iterator[Finding]:
    """Both files, before anything is tried with them."""
    try:
        files.read(settings.path)
    except ConfigError as error:
        yield Finding(State.PROBLEM, str(error), PUT_BACK_ROOT_KEY)
    if settings.passphrase_file is None:
        return
    try:
        mode = settings.passphrase_file.stat().st_mode
    except OSError as error:
        why = os.strerror(error.errno or 0)
        yield Finding(State.PROBLEM, f"{settings.passphrase_file}: {why}", "put the passphrase's file back (mode 600)")
        return
    if mode & _OTHERS:
        remedy = "chmod 600; if anybody else uses this machine, take the passphrase as known"
        yield Finding(State.PROBLEM, f"{settings.passphrase_file} is open to others", remedy)


def _opens(provider: RootKeyProvider, version: int, wrapped: bytes, vault_id: bytes) -> bool:
    try:
        asyncio.run(provider.unwrap(version, wrapped, wrap_context(vault_id, version)))
    except OpenError:
        return False
    return True
