"""The bench measures what it says: real answers, both sides, and ratios of neighbours. No figure is judged here."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import click
import pytest
from click.testing import CliRunner

from tests.running import RunningVault
from tests.running import command as in_a_process
from vault.cli.bench import case as cases
from vault.cli.bench import figures, people, rounds, svg, table
from vault.cli.bench.child import Child
from vault.cli.bench.figures import Goal, Round, Sample
from vault.cli.bench.place import Place, callers
from vault.cli.bench.stopwatch import Stopwatch
from vault.cli.commands import bench
from vault.cli.commands.bench import command
from vault.domain import card, contact
from vault.errors import Unavailable

CALLS = {"card_read_batch100", "card_read_unary", "contact_read_batch100", "contact_read_unary", "customer_create"}
SPECIAL = {
    *(
        "aged_data",
        "contact_read_time",
        "erase",
        "export",
        "growth",
        "idle_memory",
        "import",
        "mail_fetch",
        "mail_gateway",
        "mail_store",
        "rotate_purpose_key",
        "visits_import",
    ),
    *("rotate_purpose_key", "sdk_open_card"),
}
SIDE = {"rps", "p50_ms", "p95_ms", "p99_ms", "cpu_us_per_call", "server_cores", "callers_cores"}


def positive(spread: dict[str, float]) -> bool:
    """Whether it is median, lowest and highest, in order and above nothing."""
    return set(spread) == {"median", "min", "max"} and 0 < spread["min"] <= spread["median"] <= spread["max"]


def test_a_run_of_one_case_prints_figures_of_both_sides_and_their_ratios() -> None:
    """The whole way: init, serve, callers with certificates, the empty method, the bare loop, JSON."""
    done = in_a_process("bench", "--only", "contact_read_batch100", "--seconds", "0.3", "--json")
    run: dict[str, Any] = json.loads(done.stdout)
    assert set(run["cases"]) == {"contact_read_batch100"}
    found = run["cases"]["contact_read_batch100"]
    for side in ("vault", "empty"):
        assert set(found[side]) == SIDE
        assert positive(found[side]["rps"])
        assert positive(found[side]["p50_ms"])
    for ratio in (
        *("ratio_to_empty", "ratio_to_empty_cpu", "ratio_to_primitives", "ratio_to_floor", "items_per_s"),
        *("bare_items_per_s", "floor_rps", "floor_ratio_to_empty", "floor_ratio_to_primitives"),
    ):
        assert positive(found[ratio])
    assert run["machine"]["cores"] >= 1
    assert run["machine"]["callers"] == 32
    assert run["noise"] >= 0


def test_all_cases_are_found_and_each_method_knows_a_wrong_answer() -> None:
    """A case that took an empty answer for a good one would measure how fast nothing is."""
    assert set(cases.names()) == CALLS | SPECIAL
    for name in CALLS:
        with pytest.raises(ValueError, match="not the one that was asked for"):
            cases.calls(name).check(b"")
    for name in SPECIAL:
        with pytest.raises(TypeError, match="calls no method"):
            cases.calls(name)


def test_requests_of_two_caller_processes_never_create_the_same_customer() -> None:
    """Otherwise the second process would measure refusals."""
    case = cases.calls("customer_create")
    made = [request for process in (0, 1) for request, _ in zip(case.requests(10, process), range(50), strict=False)]
    assert len(set(made)) == 100


@pytest.mark.parametrize("number", [0, 1, 7919, 99_999])
def test_made_up_customers_pass_the_rules_of_the_vault(number: int) -> None:
    """Each of the five fields is given, and stays as it is."""
    made = people.contact(number)
    contact.normalize(made)
    assert made == people.contact(number)
    assert all(getattr(made, field) for field in people.CONTACT_FIELDS)
    paid = people.card(number)
    card.normalize(paid, card.Month(2026, 1))
    assert (paid.card_number, paid.holder_name) == (people.card(number).card_number, made.name)
    assert paid.brand == "visa"  # as the press writes it, which checks nothing


def sample(calls: int, cpu: float = 0.5) -> Sample:
    """One second in which each call took one millisecond more than the one before."""
    return Sample(calls, 1.0, [n * 1000 for n in range(1, calls + 1)], cpu, 0.1)


def test_percentiles_are_nearest_ranks() -> None:
    """Of a hundred calls of 1 to 100 ms, 95 took 95 ms or less; of one call every percentile is that call."""
    assert [sample(100).percentile_ms(p) for p in (50, 95, 99)] == [50, 95, 99]
    assert sample(1).percentile_ms(50) == 1


def test_a_ratio_is_made_inside_of_a_round() -> None:
    """When the machine slows both sides down, the ratio does not move."""
    measured = [Round(sample(50), sample(100), 10_000), Round(sample(5), sample(10), 1_000)]
    found = figures.of_case(measured, 100, {})
    assert found["ratio_to_empty"] == {"median": 0.5, "min": 0.5, "max": 0.5}
    assert found["ratio_to_primitives"] == {"median": 0.5, "min": 0.5, "max": 0.5}
    assert found["vault"]["rps"] == {"median": 27.5, "min": 5, "max": 50}
    assert figures.noise(measured) == pytest.approx(90 / 55, abs=0.001)


def test_a_case_without_a_bare_loop_has_no_ratio_to_it() -> None:
    """A figure that was not measured is left out, and not zero."""
    found = figures.of_case([Round(sample(50), sample(100))], 1, {})
    assert "ratio_to_primitives" not in found
    assert "items_per_s" not in found


def test_the_floor_is_an_empty_call_and_the_bare_work_after_it() -> None:
    """1,000 empty calls a second and 1,000 of the bare floor make 500; the vault's 250 are half of what can be."""
    found = figures.of_case([Round(sample(250), sample(1000), 5_000, 1_000)], 10, {"ratio_to_primitives": 0.6})
    assert found["floor_rps"]["median"] == 500
    assert found["ratio_to_floor"]["median"] == 0.5
    assert found["floor_ratio_to_empty"]["median"] == 0.5
    assert found["floor_ratio_to_primitives"]["median"] == 1.0
    assert found["goals"] == [{"what": "ratio_to_primitives", "found": 0.5, "least": 0.6, "floor": 1.0, "met": False}]


def burn(seconds: float) -> None:
    """Use the CPU."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


async def test_a_stage_is_not_charged_for_what_passes_inside_of_it() -> None:
    """Neither for a stage inside, nor for what others do while it waits; both are wide apart, so no clock decides."""
    watch = Stopwatch()
    inner = watch.wrap("inner", lambda: burn(0.05))

    async def work() -> None:
        burn(0.01)
        inner()
        await asyncio.sleep(0.02)

    await asyncio.gather(watch.wrap("outer", work)(), asyncio.to_thread(time.sleep, 0.01))
    burn(0.05)
    spent = watch.nanoseconds()
    assert spent["inner"] > 0.045e9
    assert 0.005e9 < spent["outer"] < 0.04e9
    assert spent["marked"] >= spent["inner"] + spent["outer"] - 1e6


def test_the_table_says_which_goal_is_met() -> None:
    """People see a line for each side, the ratio, and the goal."""
    found = figures.of_case([Round(sample(70), sample(100))], 1, {"ratio_to_empty": 0.6})
    machine = {"cores": 2, "callers": 32, "caller_processes": 1, "load_before": 0.1, "sync_ms": 0.2}
    run = {"cases": {"some_case": found}, "machine": machine, "customers": 10, "rounds": 1, "seconds": 1.0}

    @click.command()
    def shown() -> None:
        table.show({**run, "noise": 0.1})

    printed = CliRunner().invoke(shown).output
    assert "some_case" in printed
    assert "0.70 [0.70 to 0.70]" in printed
    assert "at least 0.6: met" in printed


def test_a_budget_is_met_on_its_own_side_of_the_limit() -> None:
    """A ratio has a least, a time has a most; the limit itself is met."""
    assert Goal("ratio", 0.6, least=0.6).met
    assert not Goal("ratio", 0.59, least=0.6).met
    assert Goal("ms", 50, most=50).met
    assert not Goal("ms", 50.1, most=50).met


def test_the_markdown_table_has_each_budget_with_what_was_found() -> None:
    """For a README: the figure with its spread, the budget, whether it holds, and the best that could be."""
    calls = figures.of_case([Round(sample(250), sample(1000), 5_000, 1_000)], 10, {"ratio_to_primitives": 0.6})
    erase = figures.special({"p99": ("ms", [20.0, 30.0])}, [Goal("p99", 30.0, most=50)])
    machine = {"cores": 2, "callers": 32, "caller_processes": 1, "load_before": 0.1, "sync_ms": 0.2}
    run = {"cases": {"batch": calls, "erase": erase}, "machine": machine, "customers": 10, "rounds": 1, "seconds": 1.0}
    text = table.markdown({**run, "noise": None})
    assert "| batch | ratio_to_primitives | 0.5 [0.5 to 0.5] | at least 0.6 | no | 1.00 |" in text
    assert "| erase | p99 | 30 [20 to 30] ms | at most 50 | yes |  |" in text
    assert text.count("\n| batch | 250 | 2,500 |") == 1


def test_a_plot_of_growth_is_one_svg_with_a_point_for_each_size() -> None:
    """Well-formed, with every size and every line named, and nothing outside of the picture."""
    one = {"p50_ms": 1.0, "p99_ms": 2.0, "bytes_per_customer": 2800, "memory_mib": 90}
    points = [{"customers": size, **one} for size in (10_000, 100_000, 1_000_000)]
    drawn = ET.fromstring(svg.growth(points))  # noqa: S314 - our own
    texts = {text.text for text in drawn.iter("{http://www.w3.org/2000/svg}text")}
    circles = list(drawn.iter("{http://www.w3.org/2000/svg}circle"))
    assert {"10 k", "100 k", "1 M", "p50", "p99", "resident", "both stores"} <= texts
    assert len(circles) == 3 * 4
    assert all(0 < float(each.attrib["cx"]) < 900 and 0 < float(each.attrib["cy"]) < 220 for each in circles)


def test_markdown_is_printed_line_by_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cell is cleaned of control characters, so a table must not be printed in one piece."""
    monkeypatch.setattr(bench, "_run", lambda *_: {})
    monkeypatch.setattr(table, "markdown", lambda _: "| a |\n|---|")
    assert CliRunner().invoke(command, ["--markdown"]).output == "| a |\n|---|\n"


def test_an_unknown_case_is_refused_with_the_names_of_all() -> None:
    """Before anything is started."""
    result = CliRunner().invoke(command, ["--only", "nope"])
    assert result.exit_code == 2
    assert "contact_read_unary" in result.output


def test_a_call_that_fails_ends_the_run(running_vault: RunningVault, tmp_path: Path) -> None:
    """Figures without the calls that failed would be figures of something else; here nobody stored the customers."""
    addresses = {"vault": running_vault.address, "empty": running_vault.address}
    arguments = callers(running_vault.home, addresses, 0, 1)
    with Child("vault.cli.bench.load", *arguments, log=tmp_path / "log") as load:
        place = Place(tmp_path, load, load, load, [load], addresses, 1, 0.0)
        with pytest.raises(Unavailable, match="a call failed: NOT_FOUND"):
            rounds.measure(place, "contact_read_unary", cases.calls("contact_read_unary"), rounds.Plan(0.1, 1, 1))
