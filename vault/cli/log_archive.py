"""A log in one plain file, to be kept for years and checked without a vault: JSON, one object a line.

    {"format": "customer-vault log archive 1"}
    {"log_id": "log-0", "origin": "vault.example/log/log-0"}     begins a log
    {"index": 0, "entry": "<base64 of the entry as stored>"}      ascending from 0, none left out
    {"size": 1, "note": "<signed checkpoint>"}                    ascending, after the entries that it covers

An entry is a serialized vault.store.v1.AuditEntry; its leaf hash is SHA-256(0x00 || entry), the tree RFC 9162's, a note
a C2SP checkpoint. An archive ends at a checkpoint, so all of it is proven, and begins at the log's beginning: of a tree
whose first entries are missing nothing could be proven from the file alone.
"""

import base64
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from vault.audit.entry import parse
from vault.errors import ConfigError, DataLoss
from vault.storage import logfile

FORMAT: Final = "customer-vault log archive 1"


def is_archive(path: Path) -> bool:
    """Whether a file begins like an archive; a data file begins like SQLite."""
    try:
        with path.open("rb") as file:
            return file.read(1) == b"{"
    except OSError:
        return False


def write(data: Path, target: Path, origins: dict[str, str], before: int | None) -> dict[str, int]:
    """Write the logs of a data file to a new file; the entries of each.

    Args:
        data: a data file; its server may run.
        target: the new file, for this user only; it is complete or not there.
        origins: by log id.
        before: milliseconds since 1970: only entries before the first one of that time, up to a checkpoint.

    Raises:
        ConfigError: a file cannot be read or made.
        DataLoss: the data file is damaged.
    """
    part = target.with_name(f".{target.name}.part")
    if target.exists():
        raise ConfigError(str(target), "", "exists already; an archive is never overwritten")
    part.unlink(missing_ok=True)
    counts = {}
    try:
        with os.fdopen(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="utf-8") as file:
            file.write(json.dumps({"format": FORMAT}) + "\n")
            for log_id, origin in origins.items():
                file.write(json.dumps({"log_id": log_id, "origin": origin}) + "\n")
                counts[log_id] = _log(data, log_id, before, file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(target)
    except OSError as error:
        raise ConfigError(str(target), "", f"cannot be written ({error.strerror})") from None
    finally:
        part.unlink(missing_ok=True)
    return counts


def _log(data: Path, log_id: str, before: int | None, file: Any) -> int:  # noqa: ANN401 - a text file
    notes = logfile.checkpoints(data, log_id)
    end = _end(data, log_id, notes[-1][0] if notes else 0, before)
    kept = [(size, note) for size, note in notes if size <= end]
    end = kept[-1][0] if kept else 0
    for index, entry, _ in logfile.entries(data, log_id):
        if index >= end:
            break
        file.write(json.dumps({"index": index, "entry": base64.b64encode(entry).decode()}) + "\n")
    for size, note in kept:
        file.write(json.dumps({"size": size, "note": note}) + "\n")
    return end


def _end(data: Path, log_id: str, signed: int, before: int | None) -> int:
    if before is None:
        return signed
    late = (index for index, entry, _ in logfile.entries(data, log_id) if parse(entry).time >= before)
    return min(signed, next(late, signed))


def logs(path: Path) -> list[str]:
    """The logs of an archive.

    Raises:
        ConfigError: the file cannot be read, or is none.
    """
    return [str(line["log_id"]) for line in _lines(path) if "log_id" in line]


def entries(path: Path, log_id: str) -> Iterator[tuple[int, bytes, bytes | None]]:
    """(index, entry, None), as they stand there.

    Raises:
        ConfigError: the file cannot be read, or is none.
        DataLoss: a line is damaged.
    """
    for line in _of(path, log_id):
        if "entry" in line:
            try:
                yield int(line["index"]), base64.b64decode(line["entry"], validate=True), None
            except (ValueError, KeyError, TypeError):
                raise DataLoss(f"{path}: a line is damaged") from None


def checkpoints(path: Path, log_id: str) -> list[tuple[int, str]]:
    """(size, signed note), as they stand there.

    Raises:
        ConfigError: the file cannot be read, or is none.
        DataLoss: a line is damaged.
    """
    try:
        return [(int(line["size"]), str(line["note"])) for line in _of(path, log_id) if "note" in line]
    except (ValueError, KeyError, TypeError):
        raise DataLoss(f"{path}: a line is damaged") from None


def _of(path: Path, log_id: str) -> Iterator[dict[str, Any]]:
    now = None
    for line in _lines(path):
        if "log_id" in line:
            now = line["log_id"]
        elif now == log_id:
            yield line


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    try:
        with path.open(encoding="utf-8") as file:
            for number, text in enumerate(file):
                line = json.loads(text)
                if not isinstance(line, dict) or (number == 0) is not (line.get("format") == FORMAT):
                    raise DataLoss(f"{path}: line {number + 1} is none of a log archive")
                yield line
    except OSError as error:
        raise ConfigError(str(path), "", f"cannot be read ({error.strerror})") from None
    except ValueError:
        raise DataLoss(f"{path}: a line is damaged, or the end is missing") from None
