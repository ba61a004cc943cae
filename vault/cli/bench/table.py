"""A run's figures for people: a line for each side of a case, and below what to make of them."""

from collections.abc import Mapping
from typing import Any

from vault.cli import output

_COLUMNS = ("case", "", "calls/s", "items/s", "p50 ms", "p95 ms", "p99 ms", "CPU µs/call", "ratio", "at best", "goal")


def show(run: Mapping[str, Any]) -> None:
    """Print them."""
    rows, others = [], []
    for name, case in run["cases"].items():
        if "vault" in case:
            rows += _sides(name, case)
        else:
            others += _figures(name, case)
    if rows or not others:
        output.table(_COLUMNS, rows, empty="no case was run")
        output.line(
            "Ratio: the vault's rate divided by that of this line. At best: the same if a call were nothing but an "
            "empty call and the bare work that the design demands of it (the line `floor`)."
        )
    if others:
        output.line("")
        output.table(("case", "figure", "median", "lowest", "highest", "goal"), others, empty="")
    for name, case in run["cases"].items():
        for table in case.get("tables", ()):
            output.line("")
            output.line(f"{name}: {table['title']}")
            output.table(table["columns"], table["rows"], empty="")
        for note in case.get("notes", ()):
            output.line(f"{name}: {note}")
    output.line("")
    for sentence in conditions(run):
        output.line(sentence)


def markdown(run: Mapping[str, Any]) -> str:
    """Budgets and what was found, and the tables of cases, for a README."""
    lines = ["| case | figure | found | budget | holds | at best |", "|---|---|---:|---:|---|---:|"]
    for name, case in run["cases"].items():
        for goal in case["goals"]:
            spread = case[goal["what"]] if "vault" in case else case["figures"][goal["what"]]
            found = f"{goal['found']:g} [{spread['min']:g} to {spread['max']:g}] {spread.get('unit', '')}".strip()
            best = f"{goal['floor']:.2f}" if "floor" in goal else ""
            lines.append(
                f"| {name} | {goal['what']} | {found} | {limit(goal)} | {'yes' if goal['met'] else 'no'} | {best} |"
            )
    lines += ["", *_markdown_calls(run)]
    for case in run["cases"].values():
        for table in case.get("tables", ()):
            head = " | ".join(column or " " for column in table["columns"])
            lines += ["", f"| {head} |", "|---" + "|---:" * (len(table["columns"]) - 1) + "|"]
            lines += ["| " + " | ".join(row) + " |" for row in table["rows"]]
    return "\n".join([*lines, "", " ".join(conditions(run))])


def _markdown_calls(run: Mapping[str, Any]) -> list[str]:
    """Calls, one line for each."""
    found = {name: case for name, case in run["cases"].items() if "vault" in case}
    if not found:
        return []
    lines = [
        "| call | calls/s | records/s | p50 ms | p95 ms | p99 ms | CPU µs/call | to empty | to primitives | to floor |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name, case in found.items():
        side = case["vault"]
        cells = [
            f"{side['rps']['median']:,.0f}",
            f"{case['items_per_s']['median']:,.0f}" if "items_per_s" in case else "",
        ]
        cells += [f"{side[key]['median']:.1f}" for key in ("p50_ms", "p95_ms", "p99_ms")]
        cells.append(f"{side['cpu_us_per_call']['median']:,.0f}")
        ratios = ("ratio_to_empty", "ratio_to_primitives", "ratio_to_floor")
        cells += [f"{case[each]['median']:.2f}" if each in case else "" for each in ratios]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return lines


def conditions(run: Mapping[str, Any]) -> list[str]:
    """On what, and how, it was measured."""
    machine = run["machine"]
    callers = f"{machine['callers']} callers in {machine['caller_processes']} processes"
    said = [
        f"{machine['cores']} cores, {callers}, {run['customers']} customers.",
        f"Medians [lowest to highest] of {run['rounds']} rounds of {run['seconds']} s for each side.",
        f"Load before the run: {machine['load_before']}. 4 KiB are on the disk after {machine['sync_ms']} ms.",
    ]
    if machine["load_before"] > machine["cores"] / 4:
        said.append("Other programs were running, so this is not what the machine can do: run it again when idle.")
    if run["noise"] is not None:
        said.append(
            f"Noise: rounds of the same empty method differ by up to {run['noise']:.0%}. Ratios are made inside of a "
            "round; do not compare calls/s of two machines, nor of two days."
        )
    return said


def _sides(name: str, case: Mapping[str, Any]) -> list[list[str]]:
    """The vault, and below it what it is compared with."""
    items = case.get("items_per_s")
    rows = [
        [name, "vault", *_side(case["vault"], number(items) if items else ""), "", "", ""],
        [
            "",
            "empty method",
            *_side(case["empty"], ""),
            ratio(case["ratio_to_empty"]),
            _best(case, "ratio_to_empty"),
            _goal(case, "ratio_to_empty"),
        ],
    ]
    if "floor_rps" in case:
        rows.append(["", "floor", number(case["floor_rps"]), *[""] * 5, ratio(case["ratio_to_floor"]), "", ""])
    if "bare_items_per_s" in case:
        found = ratio(case["ratio_to_primitives"])
        goal = _goal(case, "ratio_to_primitives")
        bare = number(case["bare_items_per_s"])
        rows.append(["", "bare loop", "", bare, *[""] * 4, found, _best(case, "ratio_to_primitives"), goal])
    return rows


def _figures(name: str, case: Mapping[str, Any]) -> list[list[str]]:
    rows: list[list[str]] = []
    for figure, value in case["figures"].items():
        shown = [f"{value[key]:,.4g} {value['unit']}".strip() for key in ("median", "min", "max")]
        rows.append([name if not rows else "", figure, *shown, _goal(case, figure)])
    return rows


def _side(side: Mapping[str, Any], items: str) -> list[str]:
    times = [f"{side[key]['median']:.1f}" for key in ("p50_ms", "p95_ms", "p99_ms")]
    return [number(side["rps"]), items, *times, f"{side['cpu_us_per_call']['median']:,.0f}"]


def number(spread: Mapping[str, float]) -> str:
    """A spread of whole numbers."""
    return f"{spread['median']:,.0f} [{spread['min']:,.0f} to {spread['max']:,.0f}]"


def ratio(spread: Mapping[str, float]) -> str:
    """A spread of ratios."""
    return f"{spread['median']:.2f} [{spread['min']:.2f} to {spread['max']:.2f}]"


def limit(goal: Mapping[str, Any]) -> str:
    """The budget of a goal."""
    return f"at least {goal['least']:g}" if "least" in goal else f"at most {goal['most']:g}"


def _best(case: Mapping[str, Any], name: str) -> str:
    floor = case.get(f"floor_{name}")
    return f"{floor['median']:.2f}" if floor else ""


def _goal(case: Mapping[str, Any], name: str) -> str:
    found = (goal for goal in case["goals"] if goal["what"] == name)
    return next((f"{limit(goal)}: {'met' if goal['met'] else 'missed'}" for goal in found), "")
