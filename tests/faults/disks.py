"""Disks that fill up and disks that fail, mounted where a store lies; skipped where nothing may be mounted.

A full disk is a small tmpfs. A failing disk is a file system in a file on one, through a loop device: when the tmpfs
is full, what the kernel writes back is lost, and fsync says so, once.
"""

import contextlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest


def _run(*command: str | Path) -> bool:
    return subprocess.run(list(map(str, command)), capture_output=True, check=False).returncode == 0


def _must(*command: str | Path) -> None:
    if not _run(*command):
        pytest.skip(f"cannot {command[0]} here: it needs root, and loop devices for some tests")


@contextlib.contextmanager
def _mounted(where: Path, *options: str | Path) -> Iterator[Path]:
    """Something mounted over a folder, with what was in the folder."""
    with tempfile.TemporaryDirectory() as aside:
        kept = shutil.copytree(where, Path(aside) / "kept")
        _must("mount", *options, where)
        try:
            shutil.copytree(kept, where, dirs_exist_ok=True)
            assert _run("sync", "-f", where)
            yield where
        finally:
            assert _run("umount", where) or _run("umount", "--lazy", where)


@dataclass(frozen=True, slots=True)
class SmallDisk:
    """A file system of a few megabytes."""

    folder: Path

    def fill(self) -> None:
        """Take all that is left, to the last block."""
        with contextlib.suppress(OSError), (self.folder / "ballast").open("ab", buffering=0) as ballast:
            while True:
                ballast.write(bytes(4096))

    def make_room(self) -> None:
        """Give it back."""
        (self.folder / "ballast").unlink()


@contextlib.contextmanager
def small_disk(folder: Path, size: str) -> Iterator[SmallDisk]:
    """A small disk over a folder of a stopped vault."""
    with _mounted(folder, "-t", "tmpfs", "-o", f"size={size},mode=700", "tmpfs"):
        yield SmallDisk(folder)


@dataclass(frozen=True, slots=True)
class FailingDisk:
    """A file system whose device loses what it cannot place."""

    folder: Path
    below: SmallDisk

    def fail(self) -> None:
        """From now on."""
        self.below.fill()

    def repair(self) -> None:
        """As after a reboot: what was not on the disk is gone, the file system is checked, and there is room."""
        assert _run("umount", self.folder)
        self.below.make_room()
        checked = subprocess.run(["e2fsck", "-fy", self.below.folder / "image"], capture_output=True, check=False)
        assert checked.returncode in (0, 1), checked.stdout  # 1: errors were corrected
        assert _run("mount", "-o", "loop", self.below.folder / "image", self.folder)


@contextlib.contextmanager
def failing_disk(folder: Path) -> Iterator[FailingDisk]:
    """A failing disk over a folder of a stopped vault."""
    with tempfile.TemporaryDirectory() as place, small_disk(Path(place), "24m") as below:
        image = below.folder / "image"
        with image.open("wb") as file:
            file.truncate(64 << 20)
        _must("mkfs.ext4", "-q", image)
        with _mounted(folder, "-o", "loop", image):
            yield FailingDisk(folder, below)
