"""Counts of how long things took, kept so cheaply that a hot path may note each one.

A list of counts and a bisection: half a microsecond, no lock, no allocation. The owner notes from one thread; another
thread that reads meanwhile may see a count without its sum, which the next look corrects. Figures for people to watch,
never for a decision.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence


class Histogram:
    """How many observations were at most each bound, and their sum."""

    __slots__ = ("_bounds", "_counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        """`bounds` ascend; what is above the last is counted, too."""
        self._bounds = tuple(bounds)
        self._counts = [0] * (len(self._bounds) + 1)
        self.total = 0.0
        """Sum of all observations."""

    def note(self, value: float) -> None:
        """Add one observation."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self.total += value

    @property
    def count(self) -> int:
        """How many were noted."""
        return sum(self._counts)

    def cumulative(self) -> Iterator[tuple[float, int]]:
        """(bound, how many were at most that), ascending; the last bound is infinity."""
        seen = 0
        for bound, count in zip((*self._bounds, float("inf")), self._counts, strict=True):
            seen += count
            yield bound, seen


SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
"""For calls and commits: from an append on a fast disk to a deadline."""
SIZES = (1, 2, 4, 8, 16, 32, 64, 128)
"""For what shares something."""
