"""The witness: remembers how far it has seen each log, and refuses one that shrank or was rewritten.

Every answer carries the newest signed checkpoint of the process that gave it. For each pinned log the witness keeps the
largest; an answer must show at least what was known *when the call was sent*. Not when it arrives: answers of
concurrent calls overtake one another, and an older one is then no sign of anything. At one size there is one root.
Growth without a proof of consistency is taken on the log's word.

So a database restored from yesterday is noticed by the first call of any caller that has called since; and with a
state file also by one that was restarted in between. The file holds the signed notes themselves and is believed as
little as an answer.
"""

from collections.abc import Mapping
from types import MappingProxyType

from vault.client.bounded import Bounded
from vault.client.errors import BadCheckpoint, RolledBack
from vault.client.witness_state import State
from vault.crypto.note import Checkpoint, open_checkpoint
from vault.errors import ConfigError, OpenError

_VERIFIED = 64
"""Notes that are not verified again: a note repeats until its log grows, and a signature costs 100 µs."""

Floor = Mapping[str, Checkpoint]
"""The largest checkpoint of each origin, as known at one moment."""


class Witness:
    """What one caller has seen of the logs that it pins."""

    def __init__(self, logs: Mapping[str, bytes], state: State | None = None) -> None:
        """Begin with what the state file remembers.

        Raises:
            ConfigError: the file holds something that no pinned log signed.
        """
        self._logs = logs
        self._newest: Floor = MappingProxyType({})
        self._notes: dict[str, str] = {}
        self._verified: Bounded[bytes, Checkpoint] = Bounded(_VERIFIED)
        self._state: State | None = None
        if state:
            self._remember(state)
            self._state = state

    def _remember(self, state: State) -> None:
        for origin, note in state.load().items():
            if origin not in self._logs:
                continue  # a log that was retired since
            try:
                self.accept(note.encode(), self._newest)
            except BadCheckpoint:
                raise ConfigError(str(state.path), origin, "is not signed by the log's pinned key") from None

    def floor(self) -> Floor:
        """What is known now; to be taken before a call is sent and given to `accept` with its answer."""
        return self._newest

    def accept(self, note: bytes, floor: Floor) -> Checkpoint:
        """Check the checkpoint of an answer, and remember it if it is the largest.

        Raises:
            BadCheckpoint: no pinned log signed it, or there is none.
            RolledBack: the log shrank, or has another root at a size that was seen.
        """
        # (1) signed by the pinned key of a pinned log
        checkpoint = self._verified.get(note) or self._verify(note)
        origin = checkpoint.origin
        # (2) at least as large as when the call was sent
        known = floor.get(origin)
        if known and checkpoint.size < known.size:
            raise RolledBack(origin, known.size, checkpoint.size)
        # (3) the same root at the same size, also against what came in meanwhile
        newest = self._newest.get(origin)
        for seen in (known, newest):
            if seen and seen.size == checkpoint.size and seen.root != checkpoint.root:
                raise RolledBack(origin, seen.size, checkpoint.size)
        # (4) remember; the mapping is replaced, never changed, because calls under way hold the old one
        if newest is None or checkpoint.size > newest.size:
            self._newest = MappingProxyType({**self._newest, origin: checkpoint})
            self._notes[origin] = note.decode()
            if self._state:
                self._state.save(self._notes)
        return checkpoint

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

    def close(self) -> None:
        """Write down what is not yet written."""
        if self._state:
            self._state.close()
