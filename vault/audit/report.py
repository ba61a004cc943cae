"""What the verifier found: a report on the whole log, and the first bad index.

How exact can an index be? A signed root vouches for all entries below its size at once, so by itself it narrows a
change to the entries between two checkpoints, about a second of traffic. The store therefore keeps each entry's leaf
hash beside it. That column is not trusted; it is evidence: where an entry and its hash differ, and the hashes together
give the signed root, exactly that entry was changed. Who changes both can only be pinned to the interval. A missing
index names itself; where the newest entries are missing, so is the checkpoint that could tell whether one further up
was taken out and the rest renumbered. `Finding` says which of these it is.
"""

from dataclasses import dataclass
from enum import Enum


class Reason(Enum):
    """What is wrong."""

    EDITED = "an entry, or the leaf hash beside it, was changed"
    SEQUENCE = "the indices do not follow one another: an entry is missing or out of place"
    TRUNCATED = "fewer entries are there than were signed"
    UNREADABLE = "an entry is none that this version writes"
    FORKED = "the log signed two different histories"
    CHECKPOINT = "a checkpoint is not signed by this log's key, or not for its size"
    UNSIGNED = "checkpoints are missing: none covers the newest entries"


@dataclass(frozen=True, slots=True)
class Finding:
    """The first bad index: exactly `first` if it equals `last`, else one of `first` to `last`."""

    reason: Reason
    first: int
    last: int

    @classmethod
    def at(cls, reason: Reason, index: int) -> "Finding":
        """An exact one."""
        return cls(reason, index, index)

    @property
    def exact(self) -> bool:
        """Whether the index is known, not only the interval."""
        return self.first == self.last

    def __str__(self) -> str:
        """One line for people."""
        where = f"first bad index {self.first}" if self.exact else f"first bad index in {self.first} to {self.last}"
        return f"{self.reason.value}: {where}"


@dataclass(frozen=True, slots=True)
class Report:
    """What was checked, and the first thing that is wrong, if anything is."""

    origin: str
    entries: int
    checkpoints: int
    proven: int
    """Entries below this index are as signed; those from it on, if nothing is wrong, are not yet covered."""
    first_time: int
    """Milliseconds since 1970 of the earliest and the latest readable entry; 0 if there is none."""
    last_time: int
    finding: Finding | None

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return self.finding is None

    @property
    def uncovered(self) -> int:
        """Entries that no checkpoint vouches for yet."""
        return self.entries - self.proven
