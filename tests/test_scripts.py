"""The commands of scripts/ say what is missing in a line to paste, and pass on what they are given."""

import shutil
from pathlib import Path

import pytest

from tests.checkouts import Checkout

ROOT = Path(__file__).parent.parent
APT_LINE = "sudo apt-get install -y git python3 python3-venv"


@pytest.mark.parametrize("script", ["test", "demo", "check", "bench"])
@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(("ensurepip.py", "raise ModuleNotFoundError('ensurepip')"), id="python3-venv is not installed"),
        pytest.param(("sitecustomize.py", "import sys; sys.version_info = (3, 10, 9)"), id="Python is too old"),
    ],
)
def test_an_unfit_python_is_told_the_apt_line(checkout: Checkout, script: str, fault: tuple[str, str]) -> None:
    """Exit 2, the line alone on its line, and nothing made."""
    name, text = fault
    (checkout.root / "modules" / name).write_text(text)
    status, stderr = checkout.run(script)
    assert status == 2
    assert APT_LINE in stderr.splitlines()
    assert not checkout.venv.exists()


def test_no_python_at_all_is_told_the_apt_line(checkout: Checkout) -> None:
    """A machine without python3 gets the same answer."""
    bare = checkout.root / "bare"
    bare.mkdir()
    for name in ("dirname", "flock"):
        (bare / name).symlink_to(shutil.which(name) or "")
    status, stderr = checkout.run("test", PATH=str(bare))
    assert status == 2
    assert APT_LINE in stderr.splitlines()


def test_the_readme_shows_that_apt_line() -> None:
    """What the scripts print and what a reader is told first are the same line."""
    assert APT_LINE in (ROOT / "README.md").read_text()


@pytest.mark.parametrize(
    ("arguments", "gated"),
    [([], True), (["--long"], True), (["tests/crypto"], False), (["--long", "-k", "x"], False)],
    ids=str,
)
def test_the_coverage_gate_judges_whole_runs(checkout: Checkout, arguments: list[str], gated: bool) -> None:  # noqa: FBT001 - a table
    """A part of the tests is not held to what all of them cover; arguments arrive as given."""
    checkout.run("test", *arguments)
    ran = checkout.asked()[-1]
    assert ("--cov" in ran.split()) == gated
    assert ran.endswith(" ".join(arguments))
