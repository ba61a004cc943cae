"""What the writer did and how the stores stand, in figures: noted by its thread, read by whoever watches."""

from dataclasses import dataclass, field
from typing import Protocol

from vault.domain.histogram import SECONDS, SIZES, Histogram


@dataclass(slots=True)
class WriterStats:
    """Of one open store, since it was opened."""

    commit_seconds: Histogram = field(default_factory=lambda: Histogram(SECONDS))
    """From the beginning of a group to its last fsync."""
    commit_calls: Histogram = field(default_factory=lambda: Histogram(SIZES))
    """How many calls shared a commit."""
    failures: int = 0
    """Groups that were not committed, for a reason that is not one of their calls'."""
    failing_since: float | None = None
    """Monotonic time of the first of those failures after the newest success; None while commits succeed."""

    def committed(self, calls: int, seconds: float) -> None:
        """A group is durable."""
        self.commit_seconds.note(seconds)
        self.commit_calls.note(calls)
        self.failing_since = None

    def failed(self, now: float) -> None:
        """A group could not be made durable: a full disk, a lock, a lost file."""
        self.failures += 1
        if self.failing_since is None:
            self.failing_since = now


@dataclass(frozen=True, slots=True)
class StoreFigures:
    """How the stores stand, for whoever watches."""

    queue: int
    """Jobs that wait for the writer or are in its hands."""
    owed: int
    """Keys that the next commit of the key store retires or destroys."""
    retired: tuple[int, int] | None
    """Retired keys that wait for the purge, counted up to `COUNTED`, and when the oldest was retired, in milliseconds
    since 1970, 0 if there is none. None if counting took too long."""


COUNTED = 100_000
"""A count beyond this says no more than that it is large, and would take long."""


class Figures(Protocol):
    """What whoever runs the vault watches."""

    @property
    def writer_stats(self) -> WriterStats:
        """What commits did so far; costs nothing."""

    async def figures(self) -> StoreFigures:
        """How the stores stand; takes a while, but not the event loop's."""
