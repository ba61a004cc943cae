"""What is done already, in a small file beside the table, so that a broken import goes on where it stopped.

It belongs to one file and one vault, by digest and id: a corrected file is a new import (what is stored already is left
as it is), and so is the same file into another vault. It holds line numbers, fields and rules, never a value. It is
written after each batch that was answered and removed when the import is complete: it exists only while work is left.
"""

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

from vault.cli.importer.rows import Refused
from vault.errors import ConfigError
from vault.pki import files

FORMAT = 1


@dataclass(slots=True)
class Progress:
    """What has become of the rows so far."""

    done: set[int] = field(default_factory=set)
    """Batches that were answered, by number."""
    stored: int = 0
    already_there: int = 0
    refused: list[Refused] = field(default_factory=list)


class StateFile:
    """The file of one import."""

    def __init__(self, path: Path, digest: str, vault_id: str) -> None:
        self._path = path
        self._digest = digest
        self._vault_id = vault_id

    def load(self) -> Progress:
        """What an earlier run of the same import left; empty if there was none.

        Raises:
            ConfigError: there is a file that is not ours.
        """
        if not self._path.exists():
            return Progress()
        try:
            found = json.loads(files.read(self._path))
            if found["format"] != FORMAT:
                raise ConfigError(str(self._path), "format", "is of another version: remove the file and start again")
            if (found["file"], found["vault_id"]) != (self._digest, self._vault_id):
                return Progress()
            refused = [Refused(**each) for each in found["refused"]]
            return Progress(set(found["done"]), found["stored"], found["already_there"], refused)
        except (ValueError, KeyError, TypeError):
            raise ConfigError(str(self._path), "", "is no state of an import: remove it, or give --state") from None

    def save(self, progress: Progress) -> None:
        """Replace the file in one step.

        Raises:
            ConfigError: it cannot be written.
        """
        content = {
            "format": FORMAT,
            "file": self._digest,
            "vault_id": self._vault_id,
            "done": sorted(progress.done),
            "stored": progress.stored,
            "already_there": progress.already_there,
            "refused": [asdict(each) for each in progress.refused],
        }
        try:
            files.write_over(self._path, json.dumps(content).encode() + b"\n", files.SECRET)
        except ConfigError as error:
            raise ConfigError(
                error.file, "", f"{error.why}; give --state FILE in a folder that you may write"
            ) from None

    def remove(self) -> None:
        """The import is complete."""
        try:
            self._path.unlink(missing_ok=True)
        except OSError as error:
            raise ConfigError(str(self._path), "", os.strerror(error.errno or 0)) from None
