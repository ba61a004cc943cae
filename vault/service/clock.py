"""The clock, as far as jobs may trust it that destroy what is old.

A wall clock that jumps to next year makes everything old at once: every replaced key past its restore window, every
remembered request past its day. Nothing that is read or written depends on the wall clock; what destroys must not
either, so each such job asks `trusted` for the time, and gets none while there is doubt:

1. While the process runs, the wall clock and the monotonic clock must advance equally, within 5 minutes, since the
   process began. After a jump that was taken back, a day of agreement must pass: what was written in between carries
   the time of the jump, and would be a day too old at once.
2. The store keeps a note of the last moment at which the clock was right. A start must not be before that moment, nor
   more than 7 days after it; and a start that finds jobs held back holds them back, too.
3. An operator can say that the clock is right (`customer-vault clock confirm`), which ends any doubt and is logged. It
   is said through a small file beside the data store, that is good for an hour: whoever can write there could as well
   delete the stores, so nothing is gained by asking for more.

The time of the newest checkpoint alone would not do: a process that signs on after a jump has a checkpoint from after
it one second later. So the note is not moved on while there is doubt.
"""

import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Final

from vault.errors import ConfigError
from vault.storage.port import ClockNote, Upkeep

TOLERANCE_MS: Final = 5 * 60 * 1000
MAX_AWAY_MS: Final = 7 * 24 * 3600 * 1000
AGREEMENT_S: Final = 24 * 3600.0
"""As long as a request_id must have one effect."""
NOTE_EVERY_MS: Final = 3600 * 1000
CONFIRMED_FOR_MS: Final = 3600 * 1000
_LONGEST: Final = 20
"""Digits of a time, and some more."""


class Doubt(StrEnum):
    """Why jobs are held back."""

    NONE = ""
    JUMPED = "the wall clock jumped while the server ran"
    BEHIND = "the server was started with a clock that was behind"
    AWAY = "the server was started more than 7 days after it was last seen with the right time"
    EARLIER = "the clock was in doubt when the server stopped"


def confirmation_beside(data: Path) -> Path:
    """Where an operator's word is laid for the server; `data` is the data store."""
    return data.with_name("clock.confirmed")


def confirm(data: Path) -> int:
    """Say that the wall clock is right now; the time that was said, in milliseconds since 1970.

    Raises:
        ConfigError: the file cannot be made; says why.
    """
    path, now = confirmation_beside(data), wall_clock()
    said = path.with_name(f"{path.name}.new")
    try:
        said.unlink(missing_ok=True)
        with os.fdopen(os.open(said, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600), "w") as file:
            file.write(str(now))
        said.replace(path)
    except OSError as error:
        raise ConfigError(str(path), "", f"cannot be made ({error.strerror}): run this as the vault's user") from None
    return now


def wall_clock() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


class Clock:
    """The clock of one process; `start` when the store is open, then `trusted` before everything that destroys."""

    def __init__(
        self,
        store: Upkeep,
        confirmation: Path,
        *,
        wall: Callable[[], int] = wall_clock,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        """Nothing is read yet.

        Args:
            store: keeps the note.
            confirmation: as `confirmation_beside`.
            wall: milliseconds since 1970.
            steady: seconds, from any beginning.
        """
        self.doubt = Doubt.NONE
        self.announce: Callable[[str, int], Awaitable[None]] | None = None
        """Told of each change (the action for the log, and when)."""
        self._store = store
        self._confirmation = confirmation
        self._wall, self._steady = wall, steady
        self._began = wall() - int(steady() * 1000)
        """The wall clock's time at the monotonic clock's beginning."""
        self._agree_since: float | None = None
        self._announced = Doubt.NONE
        self._note: ClockNote | None = None

    async def start(self) -> None:
        """Compare with what the store knows (2)."""
        now = self._wall()
        self._began = now - int(self._steady() * 1000)
        self._note = await self._store.clock_note()
        if self._note is not None:
            self.doubt = _at_start(self._note, now)

    async def trusted(self) -> int | None:
        """The time in milliseconds since 1970, for a job that destroys what is old; None: hold it back."""
        now = self._wall()
        confirmed = self._confirmed(now)
        if confirmed:
            self.doubt, self._began = Doubt.NONE, now - int(self._steady() * 1000)
        else:
            self._look(now)
        await self._keep_note(now, renew=confirmed)
        if self.announce and (confirmed or self._announced is not self.doubt):
            action = "ConfirmClock" if confirmed else "HoldDeletions" if self.doubt else "ResumeDeletions"
            await self.announce(action, now)
            self._announced = self.doubt
        return None if self.doubt else now

    def _look(self, now: int) -> None:
        """Rule (1)."""
        steady = self._steady()
        agree = abs(now - self._began - int(steady * 1000)) <= TOLERANCE_MS
        if self.doubt is Doubt.NONE:
            if not agree:
                self.doubt, self._agree_since = Doubt.JUMPED, None
        elif self.doubt is Doubt.JUMPED:
            if not agree:
                self._agree_since = None
            elif self._agree_since is None:
                self._agree_since = steady
            elif steady - self._agree_since >= AGREEMENT_S:
                self.doubt = Doubt.NONE

    def _confirmed(self, now: int) -> bool:
        """Rule (3); what was said is taken away, whether it is good or not."""
        if not self.doubt:
            return False
        try:
            said = self._confirmation.read_bytes()[:_LONGEST]
            self._confirmation.unlink()
        except OSError:
            return False
        return said.isdigit() and -TOLERANCE_MS <= now - int(said) <= CONFIRMED_FOR_MS

    async def _keep_note(self, now: int, *, renew: bool) -> None:
        """While there is doubt, the moment that is noted stays; else it is moved on once an hour."""
        old = self._note or ClockNote(now, "")
        if self.doubt:
            note = replace(old, doubt=self.doubt.value)
        else:
            fresh = not (renew or old.doubt or abs(now - old.right_at) >= NOTE_EVERY_MS)
            note = old if fresh else ClockNote(now, "")
        if note != self._note:
            await self._store.note_clock(note)
            self._note = note


def _at_start(note: ClockNote, now: int) -> Doubt:
    if note.doubt:
        return Doubt.EARLIER
    if now < note.right_at - TOLERANCE_MS:  # less is what setting a clock does, and nothing is destroyed early by it
        return Doubt.BEHIND
    return Doubt.AWAY if now > note.right_at + MAX_AWAY_MS else Doubt.NONE
