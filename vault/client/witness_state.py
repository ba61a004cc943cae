"""The witness's memory on disk: one small JSON file, {origin: signed note}.

It is replaced in one step, so a reader sees the old or the new file, never half of one; and at most every few seconds,
because a busy log grows a thousand times a second and only the newest checkpoint matters. A kill loses those seconds.
Each process needs a file of its own: two that share one overwrite what the other has seen.
"""

import asyncio
import json
import os
from collections.abc import Mapping
from pathlib import Path

from vault.client import files
from vault.errors import ConfigError

SAVE_SECONDS = 3.0


class State:
    """The file, and what waits to be written to it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._pending: dict[str, str] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def load(self) -> dict[str, str]:
        """The notes that were saved, by origin; none if the file is not there yet.

        Raises:
            ConfigError: the file cannot be read or is not what `save` writes.
        """
        if not self.path.exists():
            return {}
        try:
            notes = json.loads(files.read(self.path))
        except ValueError:
            notes = None
        if not isinstance(notes, dict) or not all(isinstance(note, str) for note in notes.values()):
            raise ConfigError(
                str(self.path), "", "must be the JSON that the SDK wrote; see why it changed, then delete"
            )
        return notes

    def save(self, notes: Mapping[str, str]) -> None:
        """Write the notes, now or within a few seconds together with later ones."""
        self._pending = dict(notes)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(SAVE_SECONDS, self._flush)

    def save_now(self, notes: Mapping[str, str]) -> None:
        """Write the notes before anything else happens.

        Raises:
            ConfigError: the file cannot be written.
        """
        self._pending = dict(notes)
        self.close()

    def close(self) -> None:
        """Write what waits."""
        if self._timer is not None:
            self._timer.cancel()
        self._flush()

    def _flush(self) -> None:
        self._timer = None
        if self._pending is None:
            return
        new = self.path.with_name(f".{self.path.name}.{os.getpid()}.new")
        try:
            with new.open("w") as out:
                json.dump(self._pending, out)
                out.flush()
                os.fsync(out.fileno())
            new.replace(self.path)
        except OSError as error:
            raise ConfigError(str(self.path), "", os.strerror(error.errno or 0)) from None
        self._pending = None
