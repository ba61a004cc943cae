"""From what was counted in each round to what is said of a case.

A figure is the median of the rounds, with the lowest and the highest beside it: on a machine that does other things the
mean is about those. A ratio is made inside of a round, of two measurements that follow each other, before the median
is taken.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

Spread = dict[str, float]


@dataclass(frozen=True, slots=True)
class Sample:
    """One side in one round."""

    calls: int
    seconds: float
    taken_us: Sequence[int]
    """What each call took, ascending."""
    server_cpu: float
    """Seconds of the server process."""
    load_cpu: float
    """Seconds of the busiest process of callers."""

    @property
    def rps(self) -> float:
        """Calls in a second."""
        return self.calls / self.seconds

    @property
    def cpu_us(self) -> float:
        """Microseconds of the server for each call."""
        return self.server_cpu / self.calls * 1_000_000

    def percentile_ms(self, percent: int) -> float:
        """So many percent of the calls took this long or less (nearest rank)."""
        rank = -(-len(self.taken_us) * percent // 100)
        return self.taken_us[max(rank, 1) - 1] / 1000


@dataclass(frozen=True, slots=True)
class Round:
    """Neighbours in time."""

    vault: Sample
    empty: Sample
    bare_items: float
    """Records in a second; 0 if the case has no bare loop."""


def spread(values: Sequence[float]) -> Spread:
    """Median, lowest and highest."""
    return {"median": _short(median(values)), "min": _short(min(values)), "max": _short(max(values))}


def of_case(rounds: Sequence[Round], items: int) -> dict[str, Any]:
    """All figures of a case."""
    figures: dict[str, Any] = {
        "vault": _side([each.vault for each in rounds]),
        "empty": _side([each.empty for each in rounds]),
        "ratio_to_empty": spread([each.vault.rps / each.empty.rps for each in rounds]),
        "ratio_to_empty_cpu": spread([each.empty.cpu_us / each.vault.cpu_us for each in rounds]),
    }
    if items > 1:
        figures["items_per_s"] = spread([each.vault.rps * items for each in rounds])
    if all(each.bare_items for each in rounds):
        figures["bare_items_per_s"] = spread([each.bare_items for each in rounds])
        figures["ratio_to_primitives"] = spread([each.vault.rps * items / each.bare_items for each in rounds])
    return figures


def noise(rounds: Sequence[Round]) -> float:
    """How far apart the rounds of the empty method are, as a part of their median: nothing of ours changed in it."""
    rps = [each.empty.rps for each in rounds]
    return round((max(rps) - min(rps)) / median(rps), 3)


def _side(samples: Sequence[Sample]) -> dict[str, Spread]:
    wanted: dict[str, Callable[[Sample], float]] = {
        "rps": lambda s: s.rps,
        "p50_ms": lambda s: s.percentile_ms(50),
        "p95_ms": lambda s: s.percentile_ms(95),
        "p99_ms": lambda s: s.percentile_ms(99),
        "cpu_us_per_call": lambda s: s.cpu_us,
        # Beyond 1 where threads outside of the interpreter's lock work, too.
        "server_cores": lambda s: s.server_cpu / s.seconds,
        "callers_cores": lambda s: s.load_cpu / s.seconds,
    }
    return {name: spread([figure(sample) for sample in samples]) for name, figure in wanted.items()}


def _short(value: float) -> float:
    """Four digits: more would be made up."""
    return float(f"{value:.4g}")
