"""Takes turns: the vault, the empty method, the bare loop, and again.

What disturbs a machine (another program, a processor that gets warm) lasts longer than a turn, so it disturbs both
sides of a ratio. Only one of them works at a time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from vault.cli.bench.case import CALLERS, Case
from vault.cli.bench.child import Child
from vault.cli.bench.figures import Round, Sample
from vault.cli.bench.place import Place

_WARM_SECONDS: Final = 0.3


@dataclass(frozen=True, slots=True)
class Plan:
    """How long a run takes."""

    seconds: float
    """Of one side in one round."""
    rounds: int
    customers: int
    full: bool = False
    """Whether what takes minutes is measured, too."""


def measure(place: Place, name: str, case: Case, plan: Plan) -> list[Round]:
    """Measure one case."""
    # Connections, caches and epochs are there before anything counts.
    _round(place, name, case, min(_WARM_SECONDS, plan.seconds))
    return [_round(place, name, case, plan.seconds) for _ in range(plan.rounds)]


def _round(place: Place, name: str, case: Case, seconds: float) -> Round:
    vault = side(place.load, place.vault, name, "vault", seconds)
    empty = side(place.load, place.empty, name, "empty", seconds)
    if case.bare is None:
        return Round(vault, empty)
    done = place.bare.ask(do="run", case=name, seconds=seconds)
    return Round(vault, empty, done["items_per_s"], done["floor_per_s"])


def side(
    load: Sequence[Child],
    server: Child,
    name: str,
    target: str,
    seconds: float,
    *,
    callers: int = CALLERS,
    calls: int | None = None,
) -> Sample:
    """Let the callers call one server for so many seconds; or, with `calls`, so often each."""
    before = server.cpu_seconds()
    for number, process in enumerate(load):
        own = callers // len(load) + (number < callers % len(load))
        process.tell(do="run", case=name, target=target, callers=own, seconds=seconds, calls=calls)
    answers = [process.answer() for process in load]
    taken = sorted(each for answer in answers for each in answer["taken_us"])
    return Sample(
        calls=len(taken),
        seconds=max(answer["seconds"] for answer in answers),
        taken_us=taken,
        server_cpu=server.cpu_seconds() - before,
        load_cpu=max(answer["cpu_seconds"] for answer in answers),
    )
