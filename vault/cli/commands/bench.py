"""Measure what a call costs, beside an empty method and beside the bare work."""

import os
import platform
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import click

from vault.cli import options, output
from vault.cli.bench import case as cases
from vault.cli.bench import figures, openbao, peers, place, rounds, svg, table
from vault.cli.bench.case import CALLERS, Special
from vault.cli.bench.rounds import Plan

_SHORT: Final = Plan(seconds=0.8, rounds=3, customers=2_000)
_FULL: Final = Plan(seconds=4.0, rounds=7, customers=20_000, full=True)
_MOST_CALLER_PROCESSES: Final = 4


class _CaseName(click.ParamType[str]):
    """One of the cases; they are looked for when the command runs, and not when it is listed."""

    name = "case"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:  # noqa: ANN401
        """See click."""
        text = str(value)
        if text not in cases.names():
            self.fail(f"must be one of: {', '.join(cases.names())}", param, ctx)
        return text


@click.command()
@click.option("--only", metavar="CASE", type=_CaseName(), multiple=True, help="Only this case; may be given again.")
@click.option("--full", is_flag=True, help="Longer and on more customers: some minutes, less noise.")
@click.option("--peer", type=click.Choice(peers.NAMES), help="Also the same reads by this one, in the same run.")
@click.option("--plot", type=click.Path(path_type=Path, dir_okay=False), help="Draw growth into this file (SVG).")
@click.option("--markdown", is_flag=True, help="Budgets and what was found, as a table for a README.")
@click.option("--seconds", type=click.FloatRange(min=0.1), help="How long each side is measured in each round.")
@options.json_option
def command(
    only: Sequence[str], *, full: bool, peer: str | None, plot: Path | None, markdown: bool, seconds: float | None
) -> None:
    """Measure the vault on this machine: about three minutes, in a folder that is removed afterwards.

    A real server (mTLS, default policy, durable log) takes turns with an empty method of the same size and with a loop
    that reads and opens the same rows without any service. What counts is the ratio: it is made of neighbours in time.

    \b
    ratio_to_empty       calls in a second beside an empty gRPC method with the same TLS and sizes
    ratio_to_primitives  records in a second beside a bare loop that fetches and opens the same rows, and nothing else
    floor                an empty call plus the bare work that the design demands of each call: the customer's own
                         record with its facts, its key, and the log entry, durable in a group commit. `At best` is
                         the ratio that a call of that cost would have; no change of the vault can pass it.

    Example:
      customer-vault bench
      customer-vault bench --only contact_read_unary --seconds 5 --json
      customer-vault bench --peer openbao
      customer-vault bench --only growth --full --plot growth.svg
    """  # noqa: D301 - click's mark for lines that are not to be wrapped
    plan = _FULL if full else _SHORT
    if seconds is not None:
        plan = Plan(seconds, plan.rounds, plan.customers, plan.full)
    if peer:
        openbao.binary()
    signal.signal(signal.SIGTERM, _ended)
    names = only or ([] if peer else cases.names())
    result = _run(names, plan, peer)
    if plot and "growth" in result["cases"]:
        plot.write_text(svg.growth(result["cases"]["growth"]["points"]), encoding="utf-8")
    output.emit(result, lambda: _tell(result, markdown=markdown))


def _tell(result: dict[str, Any], *, markdown: bool) -> None:
    if markdown:
        for line in table.markdown(result).splitlines():
            output.line(line)
    else:
        table.show(result)


def _ended(_number: int, _frame: object) -> None:
    # As Ctrl-C: everything that was started is ended, and the folder removed.
    raise KeyboardInterrupt


def _run(names: Sequence[str], plan: Plan, peer: str | None) -> dict[str, Any]:
    # One core is the server's.
    processes = min(_MOST_CALLER_PROCESSES, max(1, _cores() - 1))
    found: dict[str, Any] = {}
    noises: list[float] = []
    busy_before = os.getloadavg()[0]
    with place.prepared(plan.customers, processes) as prepared:
        for name in names:
            output.line(f"measuring {name}", error=True)
            case = cases.load(name)
            if isinstance(case, Special):
                found[name] = case.measure(prepared, plan)
                continue
            measured = rounds.measure(prepared, name, case, plan)
            noises.append(figures.noise(measured))
            found[name] = figures.of_case(measured, case.items, case.least)
        if peer:
            output.line(f"measuring {peer}", error=True)
            found[peer] = peers.openbao(prepared, plan)
        machine = {
            "cores": _cores(),
            "python": platform.python_version(),
            "system": f"{platform.system()} {platform.release()} {platform.machine()}",
            "load_before": round(busy_before, 2),
            "sync_ms": prepared.sync_ms,
            "callers": CALLERS,
            "caller_processes": processes,
        }
    return {
        "machine": machine,
        "seconds": plan.seconds,
        "rounds": plan.rounds,
        "customers": plan.customers,
        "noise": max(noises, default=None),
        "cases": found,
    }


def _cores() -> int:
    """Those that this process may use, which in a container are fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
