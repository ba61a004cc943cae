"""From what was counted in each round to what is said of a case.

A figure is the median of the rounds, with the lowest and the highest beside it: on a machine that does other things the
mean is about those. A ratio is made inside of a round, of two measurements that follow each other, before the median
is taken.

The **floor** is the time of an empty call, as measured on its side of the round, and of the bare floor loop, one after
the other: what a call would take if nothing but gRPC and the work that the design demands were left. So the floor says
which ratios no change of ours can pass: `floor_ratio_to_empty`, `floor_ratio_to_primitives`.
"""

from collections.abc import Callable, Mapping, Sequence
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
        """So many percent of the calls took this long or less."""
        return nearest_rank(self.taken_us, percent) / 1000


@dataclass(frozen=True, slots=True)
class Round:
    """Neighbours in time."""

    vault: Sample
    empty: Sample
    bare_items: float = 0.0
    """Records in a second, of the strict loop; 0 if there is none."""
    bare_floor: float = 0.0
    """Calls in a second, of the floor loop; 0 if there is none."""

    @property
    def floor_rps(self) -> float:
        """Calls in a second if a call were nothing but an empty one and the bare work of the floor."""
        return 1 / (1 / self.empty.rps + 1 / self.bare_floor)


@dataclass(frozen=True, slots=True)
class Goal:
    """A budget, and what was found."""

    what: str
    found: float
    least: float | None = None
    most: float | None = None
    floor: float | None = None
    """What it could be at best, where that is measured."""

    @property
    def met(self) -> bool:
        """Whether the budget holds."""
        return (self.least is None or self.found >= self.least) and (self.most is None or self.found <= self.most)

    def document(self) -> dict[str, Any]:
        """As it stands in JSON."""
        limits = {"least": self.least, "most": self.most, "floor": self.floor}
        given = {name: value for name, value in limits.items() if value is not None}
        return {"what": self.what, "found": self.found, **given, "met": self.met}


def nearest_rank(ascending: Sequence[float], percent: int) -> float:
    """The value that so many percent do not pass."""
    rank = -(-len(ascending) * percent // 100)
    return ascending[max(rank, 1) - 1]


def spread(values: Sequence[float]) -> Spread:
    """Median, lowest and highest."""
    return {"median": _short(median(values)), "min": _short(min(values)), "max": _short(max(values))}


def of_case(rounds: Sequence[Round], items: int, least: Mapping[str, float]) -> dict[str, Any]:
    """All figures of a case."""
    figures: dict[str, Any] = {
        "vault": _side([each.vault for each in rounds]),
        "empty": _side([each.empty for each in rounds]),
        "ratio_to_empty": spread([each.vault.rps / each.empty.rps for each in rounds]),
        "ratio_to_empty_cpu": spread([each.empty.cpu_us / each.vault.cpu_us for each in rounds]),
    }
    if items > 1:
        figures["items_per_s"] = spread([each.vault.rps * items for each in rounds])
    if all(each.bare_floor for each in rounds):
        figures["floor_rps"] = spread([each.floor_rps for each in rounds])
        figures["ratio_to_floor"] = spread([each.vault.rps / each.floor_rps for each in rounds])
        figures["floor_ratio_to_empty"] = spread([each.floor_rps / each.empty.rps for each in rounds])
    if items > 1 and all(each.bare_items for each in rounds):
        figures["bare_items_per_s"] = spread([each.bare_items for each in rounds])
        figures["ratio_to_primitives"] = spread([each.vault.rps * items / each.bare_items for each in rounds])
        if "floor_rps" in figures:
            figures["floor_ratio_to_primitives"] = spread([r.floor_rps * items / r.bare_items for r in rounds])
    figures["goals"] = [_goal(figures, ratio, value) for ratio, value in least.items()]
    return figures


def special(
    figures: Mapping[str, tuple[str, Sequence[float]]],
    goals: Sequence[Goal] = (),
    **more: Sequence[Any] | Mapping[str, Any],
) -> dict[str, Any]:
    """The document of a case that measures by itself: (unit, one value for each round) by name."""
    found = {name: {"unit": unit, **spread(values)} for name, (unit, values) in figures.items()}
    return {"figures": found, "goals": [goal.document() for goal in goals], **more}


def noise(rounds: Sequence[Round]) -> float:
    """How far apart the rounds of the empty method are, as a part of their median: nothing of ours changed in it."""
    rps = [each.empty.rps for each in rounds]
    return round((max(rps) - min(rps)) / median(rps), 3)


def _goal(figures: Mapping[str, Any], ratio: str, least: float) -> dict[str, Any]:
    floor = figures.get(f"floor_{ratio}")
    return Goal(ratio, figures[ratio]["median"], least=least, floor=floor and floor["median"]).document()


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
