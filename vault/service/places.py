"""Where checkpoints are put so that this machine's loss or misfortune does not reach them: a file, or a command.

What is kept is the newest signed note itself (C2SP), a few hundred bytes that hold nothing secret, and the tools of the
field read it. A file is replaced in one step and synced, so a reader sees the old or the new note. A command gets the
note on standard input; it is a list of arguments, never a shell's line, runs in a group of its own, which is killed
when its time is up, and does not see the root key's passphrase. Its output is not shown: whatever it prints may be
somebody's credentials.

All of it blocks, and runs in a thread of its own.
"""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

from vault.errors import Unavailable
from vault.service.settings import WitnessSettings

LONGEST: Final = 4096
"""Bytes that are read: a note has a few hundred."""


class Place(Protocol):
    """Where a note is kept."""

    name: str
    """As in vault.toml."""
    gives_back: bool
    """Whether it can be read at all."""

    def read(self) -> bytes:
        """The note that was put there last; nothing if there is none. Raises `Unavailable` if that cannot be told."""

    def write(self, note: bytes) -> None:
        """Put a note in place of the last. Raises `Unavailable` if it was not taken."""


class FilePlace:
    """A file, on another volume."""

    name = "witness.file"
    gives_back = True

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> bytes:
        """As the protocol says. A folder that is not there is most often a volume that is not mounted."""
        try:
            if not self._path.parent.is_dir():
                raise Unavailable("its folder is not there: mount the volume, or make the folder")
            with self._path.open("rb") as file:
                return file.read(LONGEST)
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise Unavailable(f"cannot be read ({error.strerror})") from None

    def write(self, note: bytes) -> None:
        """As the protocol says, durable on return."""
        new = self._path.with_name(f".{self._path.name}.new")
        try:
            with new.open("wb") as file:
                file.write(note)
                file.flush()
                os.fsync(file.fileno())
            new.replace(self._path)
            folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            raise Unavailable(f"cannot be written ({error.strerror})") from None


def place_of(settings: WitnessSettings, passphrase_env: str | None) -> Place:
    """The place that vault.toml names."""
    if settings.file is not None:
        return FilePlace(settings.file)
    env = {name: value for name, value in os.environ.items() if name != passphrase_env}
    return CommandPlace(settings.command or (), settings.read_command, settings.timeout_seconds, env)


class CommandPlace:
    """Two commands of the operator's: one that takes a note, and maybe one that gives it back."""

    name = "witness.command"

    def __init__(
        self, write: Sequence[str], read: Sequence[str] | None, seconds: float, env: Mapping[str, str]
    ) -> None:
        self.gives_back = read is not None
        self._write = write
        self._read = read
        self._seconds = seconds
        self._env = env

    def read(self) -> bytes:
        """As the protocol says; nothing if there is no command for it."""
        return self._run(self._read, b"") if self._read else b""

    def write(self, note: bytes) -> None:
        """As the protocol says."""
        self._run(self._write, note)

    def _run(self, command: Sequence[str], note: bytes) -> bytes:
        try:
            process = subprocess.Popen(  # noqa: S603 - the operator's own
                list(command),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=dict(self._env),
                start_new_session=True,
            )
        except OSError as error:
            raise Unavailable(f"cannot be started ({error.strerror})") from None
        with process:
            try:
                output, _ = process.communicate(note, timeout=self._seconds)
            except subprocess.TimeoutExpired:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                raise Unavailable(f"did not end within {self._seconds:g} seconds") from None
        if process.returncode:
            raise Unavailable(f"ended with code {process.returncode}; run it by hand to see why")
        return output[:LONGEST]
