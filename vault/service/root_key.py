"""Which root key the settings name, and where its passphrase is."""

import os

from vault.domain.secret import Secret
from vault.errors import ConfigError
from vault.keyring.root import FileProvider, RootKeyProvider
from vault.service.settings import RootKeySettings


def root_key_provider(settings: RootKeySettings) -> RootKeyProvider:
    """The provider that the settings name, with its passphrase.

    Raises:
        ConfigError: the passphrase is not where it should be.
    """
    if settings.passphrase_file is not None:
        try:
            text = settings.passphrase_file.read_bytes().rstrip(b"\r\n")
        except OSError as error:
            raise ConfigError(str(settings.passphrase_file), "", f"cannot be read ({error.strerror})") from None
        return FileProvider(settings.path, Secret(text))
    if settings.passphrase_env is not None:
        text = os.environb.get(settings.passphrase_env.encode(), b"")
        if not text:
            raise ConfigError("environment", settings.passphrase_env, "is not set; it must hold the passphrase")
        return FileProvider(settings.path, Secret(text))
    return FileProvider(settings.path)
