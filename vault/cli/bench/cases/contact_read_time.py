"""Where the CPU time of a contact read goes: a table that sums up to what a call costs the server.

A second server, with marks around its stages, serves the same calls. The marks disturb (clocks are read, caches fill),
so what they give is taken as shares, of what the same call costs in the server without marks. What TLS costs is the
difference between the empty method with and without it; it is taken out of what gRPC and the event loop take.
"""

from contextlib import ExitStack
from dataclasses import replace
from statistics import median
from typing import Any

from vault.cli.bench import figures, place, rounds
from vault.cli.bench.case import CALLERS, Special
from vault.cli.bench.marked import OUTSIDE, REST, STAGES, WRITER
from vault.cli.bench.place import Place
from vault.cli.bench.rounds import Plan

_CASE = "contact_read_unary"
_TLS = "TLS"
_MOST_CUSTOMERS = 2_000

Spent = dict[str, float]


def _measure(at: Place, plan: Plan) -> dict[str, Any]:
    customers = min(at.customers, _MOST_CUSTOMERS)
    home = place.new_home(at.folder / "marked")
    with ExitStack() as stack:
        server = stack.enter_context(at.start("marked", "vault.cli.bench.marked", str(home)))
        addresses = {**at.addresses, "vault": server.answer()["ready"]}
        load = []
        for number in range(len(at.load)):
            arguments = place.callers(home, addresses, number, customers)
            load.append(stack.enter_context(at.start(f"marked-load-{number}", "vault.cli.bench.load", *arguments)))
        load[0].ask(do="fill")
        marked = replace(at, vault=server, load=load)
        _round(marked, at, min(0.3, plan.seconds))
        found = [_round(marked, at, plan.seconds) for _ in range(plan.rounds)]
        missing = server.ask(do="read")["missing"]
    return _document(found, missing)


def _round(marked: Place, real: Place, seconds: float) -> Spent:
    """Microseconds for each call, by stage."""
    before = marked.vault.ask(do="read")
    calls = rounds.side(marked.load, marked.vault, _CASE, "vault", seconds).calls
    after = marked.vault.ask(do="read")
    spent = {name: (us - before["stages"].get(name, 0)) / calls for name, us in after["stages"].items()}
    spent["empty"] = rounds.side(real.load, real.empty, _CASE, "empty", seconds).cpu_us
    spent["plain"] = rounds.side(real.load, real.empty, _CASE, "plain", seconds).cpu_us
    spent["unmarked"] = rounds.side(real.load, real.vault, _CASE, "vault", seconds).cpu_us
    return spent


def _document(found: list[Spent], missing: list[str]) -> dict[str, Any]:
    """A table of shares, and what they are shares of."""
    stages = {stage: median(each.get(stage, 0.0) for each in found) for stage in (OUTSIDE, *STAGES, WRITER)}
    # A small difference of two noisy figures: noise only adds, so the lowest of each is nearest to the truth.
    stages[_TLS] = max(0.0, min(each["empty"] for each in found) - min(each["plain"] for each in found))
    stages[OUTSIDE] -= stages[_TLS]
    unmarked = median(each["unmarked"] for each in found)
    scale = unmarked / sum(stages.values())
    order = [OUTSIDE, _TLS, *(stage for stage in STAGES if stage != REST), WRITER, REST]
    rows = [[stage, f"{stages[stage] * scale:.0f}", f"{stages[stage] * scale / unmarked:.0%}"] for stage in order]
    table = {
        "title": f"CPU of the server, µs for each call, {CALLERS} callers",
        "columns": ["stage", "µs", "share"],
        "rows": [*rows, ["sum", f"{unmarked:.0f}", "100%"]],
    }
    return figures.special(
        {
            "CPU of a call": ("µs", [each["unmarked"] for each in found]),
            "CPU of an empty call": ("µs", [each["empty"] for each in found]),
        },
        tables=[table],
        notes=[f"not found, so their time is in the rest: {', '.join(missing)}"] if missing else [],
        stages={stage: round(stages[stage] * scale, 1) for stage in order},
    )


CASE = Special(_measure)
