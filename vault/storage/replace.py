"""Putting a backup in the place of a store: whole or not at all, and what was there is kept.

A write-ahead log belongs to the file that it was written for, and SQLite does not know: a backup that is copied over a
store whose log still lies there would be overwritten by it, page by page. So the old file goes aside together with its
log, under names that still make a pair, before the copy takes its place. Nothing is thrown away: the old files may hold
what the backup lacks, and they are the operator's to delete.

A kill at any moment leaves a state that the same call goes on from.
"""

import os
import shutil
from pathlib import Path
from typing import Final

from vault.errors import ConfigError
from vault.storage.sqlite.connection import check_file, make_file, sync_folder

_COMPANIONS: Final = ("-wal", "-shm", "")
"""The file itself goes last: as long as it is there, the others belong to it."""


def aside(live: Path) -> Path:
    """Where the file goes that was there."""
    return live.with_name(live.name + ".before-restore")


def put_back(backup: Path, live: Path) -> bool:
    """Copy a backup to the place of a store, under the vault's lock; False if exactly that was done before.

    Raises:
        ConfigError: what an earlier restore put aside is still there, or a file cannot be written.
    """
    check_file(backup, private=False)
    old, part = aside(live), live.with_name(f".{live.name}.part")
    try:
        if live.exists() and old.exists():
            if _same(backup, live):
                return False
            raise ConfigError(
                str(old),
                "",
                "is there from an earlier restore: to go on with that one, leave out --data and --keys; to begin a new "
                "one, move that file away first",
            )
        _copy(backup, part)
        for companion in _COMPANIONS:
            was = Path(f"{live}{companion}")
            if was.exists():
                was.replace(f"{old}{companion}")
        part.replace(live)
        sync_folder(live)
    except OSError as error:
        raise ConfigError(str(live), "", f"cannot be put in place ({error.strerror})") from None
    return True


def _copy(backup: Path, part: Path) -> None:
    part.unlink(missing_ok=True)
    make_file(part)
    with backup.open("rb") as source, part.open("r+b") as target:
        shutil.copyfileobj(source, target, 1 << 20)
        target.flush()
        os.fsync(target.fileno())


def _same(one: Path, other: Path) -> bool:
    """Whether nothing has happened to the copy yet."""
    if one.stat().st_size != other.stat().st_size:
        return False
    with one.open("rb") as a, other.open("rb") as b:
        while chunk := a.read(1 << 20):
            if chunk != b.read(1 << 20):
                return False
    return True
