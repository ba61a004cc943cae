"""A run's figures for people: a line for each case, and below what to make of them."""

from collections.abc import Mapping
from typing import Any

from vault.cli import output

_COLUMNS = ("case", "", "calls/s", "items/s", "p50 ms", "p95 ms", "p99 ms", "CPU µs/call", "ratio", "of CPU", "goal")


def show(run: Mapping[str, Any]) -> None:
    """Print them."""
    rows = []
    for name, case in run["cases"].items():
        rows += _rows(name, case)
    output.table(_COLUMNS, rows, empty="no case was run")
    machine = run["machine"]
    output.line(
        f"{machine['cores']} cores, {machine['callers']} callers in {machine['caller_processes']} processes, "
        f"{run['customers']} customers, median [lowest to highest] of {run['rounds']} rounds of {run['seconds']} s."
    )
    output.line(
        f"Load before the run: {machine['load_before']}. A write of 4 KiB that is on the disk: {machine['sync_ms']} ms."
    )
    output.line(
        f"Noise: rounds of the same empty method differ by up to {run['noise']:.0%}. Ratios are made inside of a "
        "round; do not compare calls/s of two machines, nor of two days."
    )


def _rows(name: str, case: Mapping[str, Any]) -> list[list[str]]:
    """The vault, and below it what it is compared with."""
    items = case.get("items_per_s")
    rows = [
        [name, "vault", *_side(case["vault"], _number(items) if items else ""), "", "", ""],
        [
            "",
            "empty method",
            *_side(case["empty"], ""),
            _ratio(case["ratio_to_empty"]),
            f"{case['ratio_to_empty_cpu']['median']:.2f}",
            _goal(case, "ratio_to_empty"),
        ],
    ]
    if "bare_items_per_s" in case:
        bare = _number(case["bare_items_per_s"])
        ratio = _ratio(case["ratio_to_primitives"])
        rows.append(["", "bare loop", "", bare, *[""] * 4, ratio, "", _goal(case, "ratio_to_primitives")])
    return rows


def _side(side: Mapping[str, Any], items: str) -> list[str]:
    times = [f"{side[key]['median']:.1f}" for key in ("p50_ms", "p95_ms", "p99_ms")]
    return [_number(side["rps"]), items, *times, f"{side['cpu_us_per_call']['median']:,.0f}"]


def _number(spread: Mapping[str, float]) -> str:
    return f"{spread['median']:,.0f} [{spread['min']:,.0f} to {spread['max']:,.0f}]"


def _ratio(spread: Mapping[str, float]) -> str:
    return f"{spread['median']:.2f} [{spread['min']:.2f} to {spread['max']:.2f}]"


def _goal(case: Mapping[str, Any], ratio: str) -> str:
    least = case["least"].get(ratio)
    return "" if least is None else f"{least} {'met' if case[ratio]['median'] >= least else 'missed'}"
