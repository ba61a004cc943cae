"""The witness: remembers how far it has seen each log, and refuses one that shrank or was rewritten.

Every answer carries the newest signed checkpoint of the process that gave it. For each pinned log the witness keeps the
largest; an answer must show at least what was known *when the call was sent*. Not when it arrives: answers of
concurrent calls overtake one another, and an older one is then no sign of anything. At one size there is one root.
Growth is taken at once and proven soon after, beside the calls: vault.client.consistency.

So a database restored from yesterday is noticed by the first call of any caller that has called since; and with a
state file also by one that was restarted in between. The file holds the signed notes themselves and is believed as
little as an answer.

The alarm does not end by itself: a log that was put back grows past the old size within minutes, and nothing would be
left to see. From then on every call is refused before it is sent, and the state file keeps both signed notes, the one
that was seen and the one that contradicts it. Only an operator ends that, by deleting the file and opening the client
again; without a file a new client begins with nothing, which is why a service should have one.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import MappingProxyType

from vault.client.bounded import Bounded
from vault.client.consistency import MISSES, Inconsistent, Line, Prove, Seen
from vault.client.errors import BadCheckpoint, RolledBack
from vault.client.witness_state import State
from vault.crypto.note import Checkpoint, open_checkpoint
from vault.errors import ConfigError, OpenError

_VERIFIED = 64
"""Notes that are not verified again: a note repeats until its log grows, and a signature costs 100 µs."""

_ALARM = "ALARM "
"""Stands before an origin in the state file, where the note is that contradicts the one kept for it; no origin has a
space in it (C2SP signed notes)."""
_PROVEN = "PROVEN "
"""The same, where the note is up to which growth is proven, if that is not the largest one."""


Floor = Mapping[str, Seen]
"""The largest checkpoint of each origin, as known at one moment."""


@dataclass(frozen=True, slots=True)
class _Alarm:
    """Two checkpoints of one log that cannot both be true."""

    seen: Seen
    shown: Seen


class Witness:
    """What one caller has seen of the logs that it pins."""

    def __init__(self, logs: Mapping[str, bytes], state: State | None = None) -> None:
        """Begin with what the state file remembers.

        Raises:
            ConfigError: the file holds something that no pinned log signed.
        """
        self._logs = logs
        self._newest: Floor = MappingProxyType({})
        self._lines: dict[str, Line] = {}
        self._prove: Prove | None = None
        self._alarm: _Alarm | None = None
        self._verified: Bounded[bytes, Checkpoint] = Bounded(_VERIFIED)
        self._state = state
        if state:
            self._remember(state, state.load())

    def watch(self, prove: Prove) -> None:
        """Have growth proven from now on; without, it is taken on the log's word."""
        self._prove = prove

    def _remember(self, state: State, notes: Mapping[str, str]) -> None:
        found: dict[str, Seen] = {}
        for key, note in notes.items():
            origin = key.rpartition(" ")[2]
            if origin not in self._logs:
                continue  # a log that was retired since
            try:
                checkpoint = self._verify(note.encode())
            except BadCheckpoint:
                checkpoint = None
            if checkpoint is None or checkpoint.origin != origin:
                raise ConfigError(str(state.path), key, "is not signed by the log's pinned key")
            found[key] = Seen(checkpoint, note)
        self._newest = MappingProxyType({key: seen for key, seen in found.items() if " " not in key})
        for key in found.keys() - self._newest.keys():
            if key.rpartition(" ")[2] not in found:
                raise ConfigError(str(state.path), key, "stands without the note that it belongs to")
            if key.startswith(_ALARM):
                self._alarm = _Alarm(found[key.removeprefix(_ALARM)], found[key])
        for origin, newest in self._newest.items():
            self._lines[origin] = line = Line(found.get(_PROVEN + origin, newest))
            if line.proven is not newest:
                line.add(newest)

    def floor(self) -> Floor:
        """What is known now; to be taken before a call is sent and given to `accept` with its answer.

        Raises:
            RolledBack: an alarm was raised, so that nothing may be sent.
            NotProven: the log has grown for a minute, and the vault has proven none of it.
        """
        if self._alarm:
            raise self._rolled_back(self._alarm)
        for line in self._lines.values():
            if line.misses >= MISSES:
                self._begin_round(line)
                raise line.refusal()
        return self._newest

    def accept(self, note: bytes, floor: Floor) -> Checkpoint:
        """Check the checkpoint of an answer, and remember it if it is the largest.

        Raises:
            BadCheckpoint: no pinned log signed it, or there is none.
            RolledBack: the log shrank, or has another root at a size that was seen; now, or since an earlier answer.
            NotProven: more checkpoints wait for a proof than the vault can have signed.
        """
        # (1) no alarm: what was on its way when it was raised is no more to be trusted than what comes later
        if self._alarm:
            raise self._rolled_back(self._alarm)
        # (2) signed by the pinned key of a pinned log
        checkpoint = self._verified.get(note) or self._verify(note)
        origin = checkpoint.origin
        # (3) at least as large as when the call was sent
        known, newest = floor.get(origin), self._newest.get(origin)
        if known and checkpoint.size < known.checkpoint.size:
            raise self._raised(known, Seen(checkpoint, note.decode()))
        # (4) the same root at the same size, also against what came in meanwhile
        line = self._lines.get(origin)
        at_size = line.at(checkpoint.size) if line else None
        for seen in (known, newest, at_size):
            if seen and seen.checkpoint.size == checkpoint.size and seen.checkpoint.root != checkpoint.root:
                raise self._raised(seen, Seen(checkpoint, note.decode()))
        # (5) whatever is new is to be proven, be it the largest or overtaken; the first of all is taken as it is
        if at_size is None:
            new = Seen(checkpoint, note.decode())
            if line is None:
                self._lines[origin] = Line(new)
            else:
                line.add(new)
            # (6) remember; the mapping is replaced, never changed, because calls under way hold the old one
            if newest is None or checkpoint.size > newest.checkpoint.size:
                self._newest = MappingProxyType({**self._newest, origin: new})
                self._save()
        if line and line.waiting:
            self._begin_round(line)
        return checkpoint

    def _begin_round(self, line: Line) -> None:
        """Ask for proofs beside the calls, if it is time to."""
        if self._prove is not None and line.due():
            line.round = asyncio.get_running_loop().create_task(self._round(line, self._prove))

    async def _round(self, line: Line, prove: Prove) -> None:
        try:
            await line.prove(prove)
        except Inconsistent as found:
            # The alarm is what comes of it: raised by the next call, and by those that are on their way.
            if not self._alarm:
                self._raised(found.seen, found.shown)
        else:
            self._save()
        finally:
            line.round = None

    def _save(self) -> None:
        if self._state and not self._alarm:
            self._state.save(self._notes())

    def _raised(self, seen: Seen, shown: Seen) -> RolledBack:
        """Raise the alarm: from now on in memory, and at once in the file."""
        self._alarm = _Alarm(seen, shown)
        origin = seen.checkpoint.origin
        if self._state:
            # That the file cannot be written must not hide why it should have been.
            with suppress(ConfigError):
                self._state.save_now(self._notes() | {origin: seen.note, _ALARM + origin: shown.note})
        return self._rolled_back(self._alarm)

    def _rolled_back(self, alarm: _Alarm) -> RolledBack:
        seen, shown = alarm.seen.checkpoint, alarm.shown.checkpoint
        return RolledBack(seen.origin, seen.size, shown.size, str(self._state.path) if self._state else "")

    def _notes(self) -> dict[str, str]:
        notes = {origin: seen.note for origin, seen in self._newest.items()}
        for origin, line in self._lines.items():
            if line.proven.note != notes.get(origin):
                notes[_PROVEN + origin] = line.proven.note
        return notes

    def _verify(self, note: bytes) -> Checkpoint:
        origin = note.partition(b"\n")[0].decode(errors="replace")
        key = self._logs.get(origin)
        if key is None:
            what = "comes from a log that pins.json does not list" if note else "is missing in the answer"
            raise BadCheckpoint(f"the checkpoint {what}")
        try:
            checkpoint = open_checkpoint(note, origin, key)
        except OpenError:
            raise BadCheckpoint("the checkpoint is not signed by its log's pinned key") from None
        self._verified.put(note, checkpoint)
        return checkpoint

    async def finish(self, seconds: float) -> None:
        """End the rounds under way.

        With a state file they get some time: a caller that lives for one call would else never see a proof.
        """
        if self._state:
            await self.settled(seconds)
        rounds = self._rounds()
        for each in rounds:
            each.cancel()
        await asyncio.gather(*rounds, return_exceptions=True)

    async def settled(self, seconds: float | None = None) -> None:
        """Wait for the rounds under way."""
        if rounds := self._rounds():
            await asyncio.wait(rounds, timeout=seconds)

    def _rounds(self) -> "list[asyncio.Task[None]]":
        return [line.round for line in self._lines.values() if line.round]

    def close(self) -> None:
        """Write down what is not yet written."""
        if self._state:
            self._state.close()
