"""A copy of one store, taken while the server runs: one moment of it, whole or not there.

`VACUUM INTO` reads one moment through an ordinary reader, so neither calls nor commits wait for it, and writes only
what is alive: no free page, no unused part of a page, so nothing that was destroyed before comes along. It uses the
same copy of SQLite as the server does, in whichever process, so both see each other's locks.

A reader of the key store keeps the server from emptying that store's write-ahead log, and an erasure waits for this:
so the copy is one statement, and is looked through after it has let go of the store.

Nothing stands under the backup's name before it is complete: it is written beside it as `.NAME.part`, synced, looked
through, and then renamed. A part that a kill left behind is written over by the next run.
"""

import hashlib
import os
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

from vault.errors import ConfigError, DataLoss, ResourceExhausted, VaultError
from vault.storage import engine
from vault.storage.engine import sqlite3
from vault.storage.sqlite import failures
from vault.storage.sqlite.connection import check_file, connect, make_file, sync_folder
from vault.storage.sqlite.startup import LOG_IDS, LOG_SIZE

DATA: Final = "data"
KEYS: Final = "keys"
_STEPS: Final = 20_000
"""Of SQLite's machine between two reports: some milliseconds."""
_CHUNK: Final = 1 << 20

Progress = Callable[[int, int], None]
"""(bytes done, bytes expected); may raise to break off."""


@dataclass(frozen=True, slots=True)
class Content:
    """What a store file says of itself."""

    store: str
    """`data` or `keys`."""
    vault_id: bytes
    sequence: int
    """Of a key store, its own; of a data store, the one that it depends on."""
    logs: Mapping[str, int]
    """Entries of each log: in a data store, those that are there; in a key store, those that it knows of."""


def part_of(target: Path) -> Path:
    """Where a backup is written until it is complete."""
    return target.with_name(f".{target.name}.part")


def copy(source: Path, part: Path, progress: Progress) -> None:
    """Write one moment of a store to a new file of this user's, synced; an older part is written over.

    Raises:
        ConfigError: a file cannot be opened or made.
        DataLoss: the store is damaged.
        ResourceExhausted: no room.
    """
    engine.require()
    check_file(source, private=False)
    part.unlink(missing_ok=True)
    make_file(part)
    try:
        _vacuum_into(source, part, progress)
        descriptor = os.open(part, os.O_RDWR | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except BaseException as error:
        part.unlink(missing_ok=True)
        if isinstance(error, (sqlite3.Error, OSError)):
            raise _cannot_copy(source, part, error) from None
        raise


def examine(file: Path) -> Content:
    """Look through a whole file that nobody writes to, and read what it says of itself.

    Raises:
        ConfigError: it cannot be read, or is no store of a vault.
        DataLoss: it is damaged.
    """
    engine.require()
    check_file(file, private=False)
    try:
        with closing(connect(file, read_only=True, secret=False)) as connection:
            found = connection.execute("PRAGMA integrity_check(1)").fetchall()
            if found != [("ok",)]:
                raise DataLoss(f"{file}: is damaged")
            return _content(connection)
    except sqlite3.Error as error:
        verdict = failures.while_reading(error)
        if isinstance(verdict, DataLoss) or failures.code(error) == 1:
            raise DataLoss(f"{file}: is damaged, or no store of a vault") from None
        raise ConfigError(str(file), "", "cannot be read now") from None


def digest(file: Path, progress: Progress) -> str:
    """SHA-256 of a file, in hex.

    Raises:
        ConfigError: it cannot be read.
    """
    found, done = hashlib.sha256(), 0
    try:
        total = file.stat().st_size
        with file.open("rb") as opened:
            while chunk := opened.read(_CHUNK):
                found.update(chunk)
                done += len(chunk)
                progress(done, total)
    except OSError as error:
        raise ConfigError(str(file), "", f"cannot be read ({error.strerror})") from None
    return found.hexdigest()


def publish(part: Path, target: Path) -> None:
    """Give a complete part its name, durably.

    Raises:
        ConfigError: it cannot be renamed.
    """
    try:
        os.link(part, target)  # unlike a rename, it never replaces what came in between
        part.unlink()
        sync_folder(target)
    except FileExistsError:
        raise ConfigError(str(target), "", "exists already; a backup is never overwritten") from None
    except OSError as error:
        raise ConfigError(str(target), "", f"cannot be written ({error.strerror})") from None


def _vacuum_into(source: Path, part: Path, progress: Progress) -> None:
    expected = source.stat().st_size
    broken_off: list[BaseException] = []

    def report() -> int:
        try:
            progress(min(part.stat().st_size, expected), expected)
        except BaseException as error:  # noqa: BLE001 - raised again below; SQLite's handler cannot carry it
            broken_off.append(error)
        return len(broken_off)

    with closing(connect(source, read_only=True, secret=False)) as connection:
        # The file is opened read-only; this switch forbids writing to any other file, too.
        connection.execute("PRAGMA query_only = OFF")
        connection.set_progress_handler(report, _STEPS)
        try:
            connection.execute("VACUUM INTO ?", (f"file:{quote(str(part.absolute()))}?mode=rw",))
        except sqlite3.OperationalError:
            if broken_off:
                raise broken_off[0] from None
            raise
    progress(expected, expected)


def _content(connection: sqlite3.Connection) -> Content:
    columns = {name for _, name, *_ in connection.execute("PRAGMA table_info(meta)").fetchall()}
    if "depends_on" in columns:
        vault_id, sequence = connection.execute("SELECT vault_id, depends_on FROM meta").fetchone()
        logs = {log: connection.execute(LOG_SIZE, (log,)).fetchone()[0] for (log,) in connection.execute(LOG_IDS)}
        return Content(DATA, vault_id, sequence, logs)
    if "sequence" in columns:
        vault_id, sequence = connection.execute("SELECT vault_id, sequence FROM meta").fetchone()
        return Content(KEYS, vault_id, sequence, dict(connection.execute("SELECT log_id, size FROM log_sizes")))
    raise DataLoss("the file is no store of a vault")


def _cannot_copy(source: Path, part: Path, error: sqlite3.Error | OSError) -> VaultError:
    if isinstance(error, OSError):
        return ConfigError(str(part), "", f"cannot be written ({error.strerror})")
    verdict = failures.while_reading(error)
    if isinstance(verdict, DataLoss):
        return DataLoss(f"{source}: is damaged where it was read")
    if isinstance(verdict, ResourceExhausted):
        return ResourceExhausted(f"{part.parent}: there is no room for the backup")
    return ConfigError(str(source), "", "cannot be copied now; is there room, and may this user read it?")
