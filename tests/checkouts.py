"""A copy of scripts/ to run: with the real Python, which makes real venvs, and without a network.

Only what would take a network or seconds is replaced, by modules in PYTHONPATH: pip and pytest write down
what they were asked, venv leaves pip out. That the packages themselves can be installed is what running
the tests shows.
"""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# Also stands for pytest. To be asked is to be written down; files make pip fail or hang.
PIP = """
import pathlib, sys, time
root = pathlib.Path({root!r})
with (root / "log").open("a") as log:
    print(pathlib.Path(__file__).stem, *sys.argv[1:], file=log)
if "install" in sys.argv:
    time.sleep(60 if (root / "wait").exists() else 0.2)
    sys.exit((root / "broken").exists())
"""

# The real one, which is found once this one's folder is out of the way; without the seconds it needs for pip.
VENV = """
import sys
sys.path.pop(1)
import venv
venv.create(sys.argv[1], symlinks=True)
"""


@dataclass(frozen=True, slots=True)
class Checkout:
    """A folder with scripts/, a lock of one package and the modules that stand in for slow ones."""

    root: Path
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def venv(self) -> Path:
        """Where its environment is."""
        return self.root / ".venv"

    def works(self) -> bool:
        """Whether the environment's Python runs and is that environment's."""
        python = self.venv / "bin" / "python"
        prefix = subprocess.run(
            [python, "-c", "import sys; print(sys.prefix)"], stdout=subprocess.PIPE, text=True, check=False
        )
        return prefix.stdout.strip() == str(self.venv)

    def start(self, script: str, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        """Start one of its scripts, in a shell with these variables."""
        dropped = {"PYTHON", "VIRTUAL_ENV", "COVERAGE_PROCESS_CONFIG"}
        kept = {name: value for name, value in os.environ.items() if name not in dropped}
        process = subprocess.Popen(
            [shutil.which("bash") or "bash", f"scripts/{script}", *arguments],
            cwd=self.root,
            env={**kept, "PYTHONPATH": str(self.root / "modules"), **variables},
            start_new_session=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.started.append(process)
        return process

    def end(self) -> None:
        """End what a failed test left running, and what that started."""
        for process in self.started:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()

    def run(self, script: str, *arguments: str, **variables: str) -> tuple[int, str]:
        """Run one of its scripts to its end; gives exit status and stderr."""
        process = self.start(script, *arguments, **variables)
        _, stderr = process.communicate(timeout=60)
        return process.returncode, stderr

    def asked(self) -> list[str]:
        """What pip and pytest were asked to do since the last call, shortened to what matters."""
        log = self.root / "log"
        lines = log.read_text().splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        known = {"--require-hashes": "install lock", "--editable": "install project"}
        return [next((short for option, short in known.items() if option in line), line) for line in lines]


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Checkout]:
    """A fresh checkout on a machine that has all it needs."""
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    (tmp_path / "requirements.txt").write_text("one==1 --hash=sha256:00\n")
    modules = tmp_path / "modules"
    modules.mkdir()
    for name in ("pip", "pytest"):
        (modules / f"{name}.py").write_text(PIP.format(root=str(tmp_path)))
    (modules / "venv.py").write_text(VENV)
    made = Checkout(tmp_path)
    yield made
    made.end()
