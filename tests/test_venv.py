"""scripts/venv: the environment is made once, made anew where it must be, and never lost.

The last is the one that hurts. README puts .venv/bin first in PATH, so `python3` is the environment's own:
a rebuild that starts from it deletes the Python that it runs on.
"""

import os
import signal
import time
from collections.abc import Callable

import pytest

from tests.checkouts import Checkout

Shell = Callable[[Checkout], dict[str, str]]


def test_the_environment_is_made_once(checkout: Checkout) -> None:
    """The lock, then this checkout, then the tests; the second run only tests."""
    assert checkout.run("test")[0] == 0
    assert checkout.asked()[:2] == ["install lock", "install project"]
    assert checkout.run("test")[0] == 0
    assert [line.split()[0] for line in checkout.asked()] == ["pytest"]


def test_a_changed_lock_makes_it_anew(checkout: Checkout) -> None:
    """What was installed from the old lock is gone first."""
    checkout.run("test")
    left_over = checkout.venv / "left-over"
    left_over.touch()
    _change_the_lock(checkout)
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


@pytest.mark.parametrize("script", ["test", "check"])
def test_a_failed_first_install_leaves_nothing_that_counts(checkout: Checkout, script: str) -> None:
    """The run stops there, and the next one starts from nothing."""
    (checkout.root / "broken").touch()
    assert checkout.run(script)[0] != 0
    assert checkout.asked() == ["install lock"]
    (checkout.root / "broken").unlink()
    assert checkout.run("test")[0] == 0
    assert checkout.asked()[:2] == ["install lock", "install project"]


def _change_the_lock(checkout: Checkout) -> None:
    (checkout.root / "requirements.txt").write_text("one==2 --hash=sha256:00\n")
    checkout.asked()


def test_a_failed_rebuild_gives_the_old_environment_back(checkout: Checkout) -> None:
    """What worked before works after, at its place; the next run tries again."""
    checkout.run("test")
    (checkout.venv / "old").touch()
    _change_the_lock(checkout)
    (checkout.root / "broken").touch()
    assert checkout.run("test")[0] != 0
    assert checkout.asked() == ["install lock"]
    assert (checkout.venv / "old").exists()
    assert checkout.works()
    (checkout.root / "broken").unlink()
    assert checkout.run("test")[0] == 0
    assert checkout.asked()[0] == "install lock"
    assert not (checkout.venv / "old").exists()
    assert not (checkout.root / ".venv.old").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_rebuild_gives_the_old_environment_back(checkout: Checkout, number: signal.Signals) -> None:
    """By a trap, or after a kill by the next run, even if that one cannot build either."""
    checkout.run("test")
    (checkout.venv / "old").touch()
    _change_the_lock(checkout)
    (checkout.root / "wait").touch()
    process = checkout.start("test")
    while not (checkout.root / "log").exists():
        assert process.poll() is None
        time.sleep(0.02)
    os.killpg(process.pid, number)
    process.communicate(timeout=60)
    assert process.returncode != 0
    (checkout.root / "wait").unlink()
    (checkout.root / "broken").touch()
    if number == signal.SIGKILL:
        assert checkout.run("test")[0] != 0
    assert (checkout.venv / "old").exists()
    assert checkout.works()


def _in_the_venv(checkout: Checkout) -> dict[str, str]:
    return {"PATH": f"{checkout.venv}/bin:{os.environ['PATH']}"}


def _activated(checkout: Checkout) -> dict[str, str]:
    return {"VIRTUAL_ENV": str(checkout.venv), **_in_the_venv(checkout)}


def _another_python(checkout: Checkout) -> dict[str, str]:
    """A python3 that is none, as good as one that another tool put in front."""
    other = checkout.root / "other"
    other.mkdir(exist_ok=True)
    (other / "python3").write_text("#!/bin/sh\nexit 3\n")
    (other / "python3").chmod(0o755)
    return {"PATH": f"{other}:{os.environ['PATH']}"}


SHELLS = pytest.mark.parametrize("shell", [_in_the_venv, _activated, _another_python])


@SHELLS
def test_an_environment_is_kept_whatever_python3_is_in_the_path(checkout: Checkout, shell: Shell) -> None:
    """README puts .venv/bin first: that python3 is the environment's own, and changes nothing."""
    checkout.run("test")
    checkout.asked()
    assert checkout.run("test", **shell(checkout))[0] == 0
    assert [line.split()[0] for line in checkout.asked()] == ["pytest"]


@SHELLS
def test_an_environment_is_rebuilt_from_the_python_below_it(checkout: Checkout, shell: Shell) -> None:
    """Not from its own, which is taken away."""
    checkout.run("test")
    _change_the_lock(checkout)
    assert checkout.run("test", **shell(checkout))[0] == 0
    assert checkout.asked()[:2] == ["install lock", "install project"]
    assert checkout.works()
    assert not str((checkout.venv / "bin" / "python").resolve()).startswith(str(checkout.root))


def test_two_at_once_install_once(checkout: Checkout) -> None:
    """The second waits for the first and uses what it made."""
    for process in [checkout.start("test"), checkout.start("test")]:
        process.communicate(timeout=60)
        assert process.returncode == 0
    asked = checkout.asked()
    assert asked.count("install lock") == 1
    assert asked.count("install project") == 1
