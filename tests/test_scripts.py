"""The commands of scripts/ make what they need, once, and say what is missing in a line to paste.

A copy of scripts/ runs with a `python3` that is a few lines of shell: it answers `-c` with the real
Python, pretends to make a venv, and its pip writes down what it was asked to install. So the rules are
tested in milliseconds and without a network; that the real thing works is what running the tests shows.
"""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
APT_LINE = "sudo apt-get install -y git python3 python3-venv"

PYTHON3 = """#!/bin/sh
if [ "$1" = -c ]; then PYTHONPATH={faults} exec {python} "$@"; fi
mkdir -p "$3/bin"
printf '%s' '#!/bin/sh
echo "$@" >>"{log}"
case "$*" in *pip*) sleep 0.2; [ ! -e "{broken}" ] ;; esac
' >"$3/bin/python"
chmod +x "$3/bin/python"
"""


@dataclass(frozen=True, slots=True)
class Checkout:
    """A folder with scripts/, a lock of one package and a machine whose python3 is the one above."""

    root: Path

    def start(self, script: str, *arguments: str, path: str | None = None) -> subprocess.Popen[str]:
        """Start one of its scripts."""
        kept = {name: value for name, value in os.environ.items() if name not in {"PYTHON", "PYTHONPATH"}}
        return subprocess.Popen(
            [shutil.which("bash") or "bash", f"scripts/{script}", *arguments],
            cwd=self.root,
            env={**kept, "PATH": path or f"{self.root / 'machine'}:{kept['PATH']}"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, script: str, *arguments: str, path: str | None = None) -> tuple[int, str]:
        """Run one of its scripts to its end; gives exit status and stderr."""
        process = self.start(script, *arguments, path=path)
        _, stderr = process.communicate(timeout=60)
        return process.returncode, stderr

    def asked(self) -> list[str]:
        """What the venv's python was asked to do since the last call, shortened to what matters."""
        log = self.root / "log"
        lines = log.read_text().splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        known = {"--require-hashes": "install lock", "--editable": "install project"}
        return [next((short for option, short in known.items() if option in line), line) for line in lines]


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """A fresh checkout on a machine that has all it needs."""
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    (tmp_path / "requirements.txt").write_text("one==1 --hash=sha256:00\n")
    (tmp_path / "faults").mkdir()
    (tmp_path / "machine").mkdir()
    python3 = tmp_path / "machine" / "python3"
    places = {"faults": tmp_path / "faults", "log": tmp_path / "log", "broken": tmp_path / "broken"}
    python3.write_text(PYTHON3.format(python=sys.executable, **places))
    python3.chmod(0o755)
    return Checkout(tmp_path)


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
    (checkout.root / "faults" / name).write_text(text)
    status, stderr = checkout.run(script)
    assert status == 2
    assert APT_LINE in stderr.splitlines()
    assert not (checkout.root / ".venv").exists()


def test_no_python_at_all_is_told_the_apt_line(checkout: Checkout) -> None:
    """A machine without python3 gets the same answer."""
    bare = checkout.root / "bare"
    bare.mkdir()
    (bare / "dirname").symlink_to(shutil.which("dirname") or "")
    status, stderr = checkout.run("test", path=str(bare))
    assert status == 2
    assert APT_LINE in stderr.splitlines()


def test_the_readme_shows_that_apt_line() -> None:
    """What the scripts print and what a reader is told first are the same line."""
    assert APT_LINE in (ROOT / "README.md").read_text()


def test_the_environment_is_made_once(checkout: Checkout) -> None:
    """The lock, then this checkout, then the tests; the second run only tests."""
    assert checkout.run("test")[0] == 0
    assert checkout.asked()[:2] == ["install lock", "install project"]
    assert checkout.run("test")[0] == 0
    assert [line.split()[:2] for line in checkout.asked()] == [["-m", "pytest"]]


def test_a_changed_lock_makes_it_anew(checkout: Checkout) -> None:
    """What was installed from the old lock is gone first."""
    checkout.run("test")
    left_over = checkout.root / ".venv" / "left-over"
    left_over.touch()
    (checkout.root / "requirements.txt").write_text("one==2 --hash=sha256:00\n")
    checkout.asked()
    assert checkout.run("test")[0] == 0
    assert checkout.asked()[:2] == ["install lock", "install project"]
    assert not left_over.exists()


def test_a_changed_pyproject_installs_the_project_only(checkout: Checkout) -> None:
    """Entry points may have changed; the packages have not."""
    checkout.run("test")
    (checkout.root / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    checkout.asked()
    assert checkout.run("test")[0] == 0
    assert checkout.asked()[0] == "install project"


def test_a_failed_install_leaves_nothing_that_counts(checkout: Checkout) -> None:
    """The run stops with pip's status, and the next one starts from nothing."""
    (checkout.root / "broken").touch()
    assert checkout.run("test")[0] != 0
    assert checkout.asked() == ["install lock"]
    (checkout.root / "broken").unlink()
    assert checkout.run("test")[0] == 0
    assert checkout.asked()[:2] == ["install lock", "install project"]


def test_two_at_once_install_once(checkout: Checkout) -> None:
    """The second waits for the first and uses what it made."""
    for process in [checkout.start("test"), checkout.start("test")]:
        process.communicate(timeout=60)
        assert process.returncode == 0
    asked = checkout.asked()
    assert asked.count("install lock") == 1
    assert asked.count("install project") == 1


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
