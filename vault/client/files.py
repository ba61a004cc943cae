"""Reading the caller's own files, and refusing a key that others can read.

The errors name the file and what to do, never what the file holds: a certificate's key and a purpose's seed are on the
same shelf as the settings.
"""

import os
import stat
from pathlib import Path

from vault.domain.secret import Secret
from vault.errors import ConfigError

_OTHERS = 0o077
_LONGEST = 1 << 20


def read(path: Path) -> bytes:
    """Read a file.

    Raises:
        ConfigError: it cannot be read, or is larger than 1 MiB, which no file of a caller's is.
    """
    return _read(path, secret=False)


def read_secret(path: Path) -> Secret:
    """Read a key file, which only its owner may open (0600 or 0400).

    Raises:
        ConfigError: it cannot be read, is no plain file, or group or others may open it.
    """
    return Secret(_read(path, secret=True))


def _read(path: Path, *, secret: bool) -> bytes:
    try:
        with path.open("rb") as source:
            # Asked of the open file, not of the path: between two look-ups a path can change hands.
            status = os.fstat(source.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise ConfigError(str(path), "", "must be a plain file")
            if secret and status.st_mode & _OTHERS:
                raise ConfigError(str(path), "", "others may read this key: replace it, then chmod 600")
            content = source.read(_LONGEST + 1)
    except OSError as error:
        raise ConfigError(str(path), "", os.strerror(error.errno or 0)) from None
    if len(content) > _LONGEST:
        raise ConfigError(str(path), "", "is too large")
    return content
