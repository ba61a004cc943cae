"""How far an access log was read, in a small file beside it.

A log grows and is read every night: the state stays when an import is complete, and the next one goes on from there. It
belongs to one file and one vault: after a rotation the file begins with another line, and is read from its beginning.
The state holds offsets, numbers and a digest of the file's first line; the file itself lies beside it, in plain.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import BinaryIO, Final

from vault.errors import ConfigError
from vault.pki import files

_FORMAT: Final = 1
_HEAD: Final = 4096


@dataclass(slots=True)
class Progress:
    """What became of the lines so far."""

    offset: int = 0
    sending: int = 0
    """Where the batch ends that was being sent: it may have arrived, so what is sent again must be the same."""
    lines: int = 0
    visits: int = 0
    """Lines that were counted."""
    refused: dict[str, int] = field(default_factory=dict)
    """Lines that were not, by reason."""


class StateFile:
    """The state of one log in one vault."""

    def __init__(self, path: Path, identity: str, vault_id: str) -> None:
        self._path = path
        self.identity = identity
        self.vault_id = vault_id

    def load(self) -> Progress:
        """What an earlier run left; nothing if there was none, or if it was about another file.

        Raises:
            ConfigError: there is a file that is not ours.
        """
        if not self._path.exists():
            return Progress()
        try:
            found = json.loads(files.read(self._path))
            if found["format"] != _FORMAT:
                raise ConfigError(str(self._path), "format", "is of another version: remove the file and start again")
            if (found["file"], found["vault_id"]) != (self.identity, self.vault_id):
                return Progress()
            return Progress(found["offset"], found["sending"], found["lines"], found["visits"], dict(found["refused"]))
        except (ValueError, KeyError, TypeError):
            raise ConfigError(str(self._path), "", "is no state of an import: remove it, or give --state") from None

    def save(self, progress: Progress) -> None:
        """Replace the file in one step.

        Raises:
            ConfigError: it cannot be written.
        """
        content = {"format": _FORMAT, "file": self.identity, "vault_id": self.vault_id, **asdict(progress)}
        try:
            files.write_over(self._path, json.dumps(content).encode() + b"\n", files.SECRET)
        except ConfigError as error:
            raise ConfigError(
                error.file, "", f"{error.why}; give --state FILE in a folder that you may write"
            ) from None


def identity_of(file: BinaryIO) -> str:
    """What tells this log from the one before a rotation: its first line."""
    file.seek(0)
    return hashlib.sha256(file.readline(_HEAD)).hexdigest()
