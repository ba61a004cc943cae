"""An operator says that a witness's checkpoint is lost: noted in the key store, for the next start, which logs it.

It takes the root key and the stores for itself, so nobody does it who could not do anything else to the vault, and not
beside a running server. It says nothing about a log that is shorter than what a witness has seen: that is a restore.
"""

from vault.errors import ConfigError
from vault.keyring.system_rows import SystemRows
from vault.keyring.vault_keys import VaultKeys
from vault.service.places import place_of
from vault.service.root_key import root_key_provider
from vault.service.settings import Settings
from vault.service.witness import Witness
from vault.storage.sqlite import SqliteStorage


async def accept(settings: Settings, reason: str) -> None:
    """Let the next start go on without the witness's checkpoint.

    Raises:
        ConfigError: no witness is set, the server runs, or the root key is not that of this key store.
        InvalidArgument: the reason is empty, too long, not printable, or looks like a card number.
    """
    if settings.witness is None:
        raise ConfigError("vault.toml", "witness", "is not set, so there is nothing to accept")
    store = await SqliteStorage.open(settings.storage.data, settings.storage.keys, fatal=lambda _: None)
    try:
        rows = SystemRows(store, await VaultKeys.open(store, root_key_provider(settings.root_key)))
        place = place_of(settings.witness, settings.root_key.passphrase_env)
        vault = settings.vault
        witness = Witness(place, rows, vault.trust_domain, vault.log_id, settings.witness.every_seconds)
        await witness.accept_loss(reason)
    finally:
        await store.close()
