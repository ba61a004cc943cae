"""The vault's own witness: the newest checkpoint, kept where a restore of this machine does not reach.

Both stores can be put back to the same older day, and then nothing in them tells. Callers' SDKs notice, one by one;
the witness notices at the start, before anything is served or signed. It is off the path of every call: a task hands
the newest note over every few seconds, and that it cannot is counted and written to the server's log, never a reason
to refuse a call.

A start goes on only if the witness's note was signed by this log and the stored log still has it in its tree. It also
goes on

- if the note is of a log that a restore closed: the restore was said, and is in the log that followed (its mark in the
  key store can be set by nobody who lacks the vault key);
- if there is no note and never was one. That there was one is marked in the key store; from then on a missing note is
  what a thief who puts back the stores would leave behind, or a volume that is not mounted, and the start is refused;
- if an operator has said that the note is lost (`customer-vault audit accept`). That is good once, and in the log.
"""

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import structlog

from vault.audit.log import AuditLog, origin_of
from vault.crypto.note import Checkpoint, LogKey, open_checkpoint
from vault.crypto.vault_key import RowName
from vault.domain.pan import is_pan_like
from vault.domain.secret import Secret
from vault.errors import ConfigError, InvalidArgument, OpenError, Unavailable
from vault.keyring.system_rows import SYSTEM, SystemRows
from vault.service.places import Place
from vault.store.v1.system_pb2 import ClosedLog, WitnessMark

LONGEST_REASON: Final = 200
_ROW: Final = "witnesses/"
_LOST: Final = (
    "bring it back (a volume that is not mounted?); if it is lost for good, say so: customer-vault audit accept DIR "
    '--reason "..."'
)

_log = structlog.get_logger()


@dataclass(slots=True)
class WitnessFigures:
    """How the witness stands, for whoever watches."""

    size: int = 0
    """Entries of the checkpoint that was handed over last."""
    handed_at: float = 0.0
    """When, in seconds since 1970; 0 if none was since the start."""
    handed: int = 0
    """Checkpoints handed over since the start."""
    failures: int = 0
    """Attempts that failed since the start."""
    failing: str = ""
    """Why the last attempt failed; empty if it did not."""


class Witness:
    """One log's witness: `expected` before the log starts, `start` after, `close` after the log's last signature."""

    def __init__(self, place: Place, rows: SystemRows, trust_domain: str, log_id: str, every_s: float) -> None:
        self.figures = WitnessFigures()
        self.accepted_loss = ""
        """What an operator said of a lost note, if this start goes on because of it."""
        self._place = place
        self._rows = rows
        self._domain = trust_domain
        self._log_id = log_id
        self._every_s = every_s
        self._marked = False
        self._handed = b""
        self._task: asyncio.Task[None] | None = None
        self._stop = asyncio.Event()

    async def expected(self, public_key: bytes) -> Checkpoint | None:
        """What the log must have in its tree; nothing on a first start, or after a restore.

        Raises:
            ConfigError: the witness cannot be asked, has lost its note, or holds another's.
        """
        if not self._place.gives_back:
            return None  # it takes notes for others to look at: none is missing here
        mark = await self._mark()
        self._marked = mark is not None and not mark.lost_reason
        try:
            if note := await asyncio.to_thread(self._place.read):
                return await self._opened(note, public_key)
        except (OpenError, Unavailable) as error:
            if mark is not None and mark.lost_reason:
                self.accepted_loss = mark.lost_reason
                return None
            what = str(error) if isinstance(error, Unavailable) else "has no checkpoint that this vault signed"
            raise ConfigError("vault.toml", self._place.name, f"{what}; {_LOST}") from None
        if self._marked:
            raise ConfigError("vault.toml", self._place.name, f"has no checkpoint, and had one before; {_LOST}")
        self.accepted_loss = mark.lost_reason if mark else ""
        return None

    async def _opened(self, note: bytes, public_key: bytes) -> Checkpoint | None:
        origin = origin_of(self._domain, self._log_id)
        named = note.partition(b"\n")[0].decode(errors="replace")
        if named == origin:
            return open_checkpoint(note, origin, public_key)
        log_id = named.rpartition("/")[2]
        seed = await self._rows.get("log-key", log_id)
        if seed is None or named != origin_of(self._domain, log_id):
            raise OpenError("it is of another vault")
        open_checkpoint(note, named, LogKey(Secret(seed[1])).public_key)
        closed = await self._rows.get(SYSTEM, f"closed-logs/{log_id}")
        if closed is None:
            raise Unavailable(f"has a checkpoint of {log_id}, which no restore has closed: set log_id back to it")
        _log.info("witness follows a restore", closed_log=log_id, size=ClosedLog.FromString(closed[1]).size)
        return None

    def start(self, log: AuditLog) -> None:
        """Hand over from now on."""
        self._task = asyncio.create_task(self._run(log), name="witness")

    async def close(self, log: AuditLog) -> None:
        """Hand the last one over, if the place takes it."""
        self._stop.set()
        if self._task is not None:
            await self._task
            self._task = None
            await self._hand_over(log)

    async def _run(self, log: AuditLog) -> None:
        while not self._stop.is_set():
            await self._hand_over(log)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), self._every_s)

    async def _hand_over(self, log: AuditLog) -> None:
        note, size = log.newest, log.signed
        if note == self._handed:
            return
        figures = self.figures
        try:
            await asyncio.to_thread(self._place.write, note)
            if self._place.gives_back and not self._marked:
                await self._set_mark("")
                self._marked = True
        except Exception as error:  # noqa: BLE001 - whatever it is, the next round tries again, and it is seen
            figures.failures += 1
            why = str(error) if isinstance(error, Unavailable) else type(error).__name__
            if figures.failing != why:
                _log.warning("witness cannot be reached", why=why, unseen_entries=size - figures.size)
            figures.failing = why
        else:
            if figures.failing:
                _log.info("witness is reached again", size=size)
            self._handed = note
            figures.size, figures.handed_at, figures.failing = size, time.time(), ""
            figures.handed += 1

    async def accept_loss(self, reason: str) -> None:
        """Let the next start go on without a note.

        Raises:
            InvalidArgument: the reason is empty, too long, not printable, or looks like a card number.
        """
        if not reason.strip() or len(reason) > LONGEST_REASON or not reason.isprintable():
            raise InvalidArgument("reason", f"must be 1 to {LONGEST_REASON} printable characters")
        if is_pan_like(reason):
            raise InvalidArgument("reason", "must not look like a card number")
        await self._set_mark(reason)

    async def _mark(self) -> WitnessMark | None:
        found = await self._rows.get(SYSTEM, _ROW + self._log_id)
        return WitnessMark.FromString(found[1]) if found else None

    async def _set_mark(self, lost_reason: str) -> None:
        found = await self._rows.get(SYSTEM, _ROW + self._log_id)
        mark = WitnessMark(time=time.time_ns() // 1_000_000, lost_reason=lost_reason)
        name = RowName(SYSTEM, _ROW + self._log_id, found[0] + 1 if found else 1)
        await self._rows.add([(name, mark.SerializeToString(deterministic=True))])
