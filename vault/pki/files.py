"""Certificates, keys and lists on disk: the one module of this package that does I/O.

Private keys are created 0600 from their first byte on (never chmod after the fact, which leaves a
moment in which others can open the file), and one that others could read is refused when loaded:
a key that was readable for a while must be taken as known. Replacing goes through a rename, so a
reader sees the old file or the new one, never half of one.

Raises only `ConfigError`; it names the file and what to do, never what the file holds.
"""

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from vault.errors import ConfigError

SECRET: Final = 0o600
PUBLIC: Final = 0o644

_OTHERS: Final = 0o077


def make_directory(path: Path) -> None:
    """Create a directory that only its owner can enter, or keep the one that is there."""
    with _explained(path):
        path.mkdir(mode=0o700, parents=True, exist_ok=True)


def write_new(path: Path, data: bytes, mode: int) -> None:
    """Create a file; one that exists is never touched.

    Args:
        path: where; its directory exists.
        data: all of it.
        mode: `SECRET` or `PUBLIC`, further narrowed by the umask.

    Raises:
        ConfigError: the file exists or cannot be written.
    """
    with _explained(path):
        fd = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode)
        with os.fdopen(fd, "wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())


def write_over(path: Path, data: bytes, mode: int) -> None:
    """Create a file or replace it in one step; arguments and errors as `write_new`."""
    new = path.with_name(f".{path.name}.new")
    with _explained(path):
        # Left over from a crash: nothing refers to it, and O_EXCL below would refuse for ever.
        new.unlink(missing_ok=True)
    write_new(new, data, mode)
    with _explained(path):
        new.replace(path)


def read(path: Path) -> bytes:
    """Read a public file.

    Raises:
        ConfigError: it cannot be read.
    """
    with _explained(path):
        return path.read_bytes()


def read_secret(path: Path) -> bytes:
    """Read a private key.

    Raises:
        ConfigError: it cannot be read, is no plain file, or group or others may open it.
    """
    with _explained(path), path.open("rb") as source:
        # Asked of the open file, not of the path: between two look-ups a path can change hands.
        status = os.fstat(source.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise ConfigError(str(path), "", "is not a plain file")
        if status.st_mode & _OTHERS:
            raise ConfigError(str(path), "", "others may read this key: replace it, then chmod 600")
        return source.read()


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn what the system says into what the operator needs: which file, and why."""
    try:
        yield
    except OSError as error:
        raise ConfigError(str(path), "", os.strerror(error.errno or 0)) from None
