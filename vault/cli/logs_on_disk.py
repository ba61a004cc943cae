"""What `audit verify` checks, and against which keys: a data file, and the logs that it should hold.

The keys come from pins that the verifier brings along, never from the file that is checked. This module, and all that
it imports, is free of the server, the service, the storage drivers and gRPC, so that who distrusts a vault need not run
much of it: it can be read in an afternoon.
"""

import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vault.audit.report import Report
from vault.audit.verify import verify
from vault.cli import log_archive
from vault.errors import ConfigError
from vault.pki import files
from vault.storage import logfile

_KEY_SIZE: Final = 32


@dataclass(frozen=True, slots=True)
class LogToVerify:
    """A pinned log in a data file."""

    file: Path
    log_id: str
    origin: str
    public_key: bytes

    def verify(self, notes: Mapping[str, str]) -> Report:
        """Check all of it; `notes` are checkpoints by origin that callers kept.

        Raises:
            ConfigError: the file cannot be read.
            DataLoss: it is damaged.
            OpenError: a kept note is not of this log.
        """
        kept = [note for origin, note in notes.items() if origin == self.origin]
        archive = log_archive.is_archive(self.file)
        checkpoints = (log_archive if archive else logfile).checkpoints(self.file, self.log_id)
        return verify(self.entries(), checkpoints, self.origin, self.public_key, kept)

    def entries(self) -> Iterator[tuple[int, bytes, bytes | None]]:
        """(index, entry, leaf hash), ascending.

        Raises:
            ConfigError: the file cannot be read.
            DataLoss: it is damaged.
        """
        if log_archive.is_archive(self.file):
            return log_archive.entries(self.file, self.log_id)
        return logfile.entries(self.file, self.log_id)


def data_file(target: Path) -> Path:
    """The data file of a vault's folder as its settings name it, or the file itself.

    Raises:
        ConfigError: the folder holds no settings that name one.
    """
    if not target.is_dir():
        return target
    config = target / "vault.toml"
    try:
        # Only this key is looked at: the settings' own reader belongs to the server.
        return target / str(tomllib.loads(files.read(config).decode())["storage"]["data"])
    except (ValueError, KeyError, TypeError):
        raise ConfigError(str(config), "storage.data", "is missing: name the data file itself") from None


def pinned_logs(pins: Path) -> dict[str, bytes]:
    """The logs of pins.json: public keys by origin.

    Raises:
        ConfigError: the file cannot be read, or has no usable logs.
    """
    try:
        found = json.loads(files.read(pins))["logs"]
        keys = {str(origin): bytes.fromhex(key) for origin, key in found.items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ConfigError(str(pins), "logs", "must give a public key in hex for each origin") from None
    if not keys or any(len(key) != _KEY_SIZE for key in keys.values()):
        raise ConfigError(str(pins), "logs", "must give a public key of 32 bytes for at least one origin")
    return keys


def kept_notes(witness: Path) -> dict[str, str]:
    """Checkpoints that were kept elsewhere, by origin: the state file of an SDK, or a witness's signed note.

    Raises:
        ConfigError: the file cannot be read, or is neither.
    """
    raw = files.read(witness)
    try:
        notes = json.loads(raw)
    except ValueError:
        notes = _signed_note(raw)
    if not isinstance(notes, dict) or not all(isinstance(note, str) for note in notes.values()):
        raise ConfigError(str(witness), "", "is neither the state file of an SDK nor a signed checkpoint")
    return notes


def _signed_note(raw: bytes) -> dict[str, str] | None:
    """A note by the origin that it names; whether it is one, its signature tells."""
    text = raw.decode(errors="replace")
    return {text.partition("\n")[0]: text} if "\n\n\u2014 " in text else None


def logs_to_verify(file: Path, keys: Mapping[str, bytes]) -> list[LogToVerify]:
    """Every pinned log. A log in the file that is not pinned is an error: nobody could say whether it is true.

    Raises:
        ConfigError: the file cannot be read, or holds a log without a pinned key.
    """
    wanted = {origin.rpartition("/")[2]: (origin, key) for origin, key in keys.items()}
    found = log_archive.logs(file) if log_archive.is_archive(file) else logfile.logs(file)
    for log_id in found:
        if log_id not in wanted:
            raise ConfigError(str(file), f"log {log_id}", "has no public key in the pins: add its origin and key")
    return [LogToVerify(file, log_id, origin, key) for log_id, (origin, key) in wanted.items()]
