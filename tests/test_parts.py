"""A part that is missing is named, never passed over; in CI it fails the run."""

import pytest

pytest_plugins = ["pytester"]

CONFTEST = """
from tests.conftest import *
from tests.parts import PARTS, Part

PARTS["absent"] = Part(lambda: False, "apt-get install absent")
"""
INNER = """
import pytest
from tests import parts

@pytest.mark.needs("absent")
def test_by_marker(): pass

def test_by_call(): parts.need("absent")

@pytest.mark.needs("go")
def test_present(): pass

@pytest.mark.long
def test_for_minutes(): pass
"""


@pytest.fixture
def inner(pytester: pytest.Pytester, pytestconfig: pytest.Config) -> pytest.Pytester:
    """A run of its own under this project's conftest."""
    pytester.makepyfile(INNER)
    pytester.makeconftest(CONFTEST)
    pytester.makeini(f"[pytest]\npythonpath = {pytestconfig.rootpath}\nmarkers =\n  needs(part): x\n  long: x\n")
    return pytester


@pytest.mark.parametrize("workers", ["0", "1"])
def test_a_missing_part_is_named_with_its_command(
    inner: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, workers: str
) -> None:
    """The end of the run says what was not run and how to run it, from worker processes too."""
    monkeypatch.delenv("CI", raising=False)
    result = inner.runpytest_subprocess("-n", workers)
    result.assert_outcomes(passed=1, skipped=3)
    result.stdout.fnmatch_lines_random(
        [
            "not run: 2 tests that need absent; to install it: apt-get install absent",
            "not run: 1 long tests; to run them: scripts/test --long",
        ]
    )


def test_in_ci_a_missing_part_is_a_failure(inner: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """CI=true turns the skips into failures, but not those of long tests."""
    monkeypatch.setenv("CI", "true")
    inner.runpytest_subprocess("-n", "0").assert_outcomes(passed=1, failed=1, errors=1, skipped=1)


def test_long_runs_the_long_tests(inner: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """--long is all it takes."""
    monkeypatch.delenv("CI", raising=False)
    inner.runpytest_subprocess("-n", "0", "--long").assert_outcomes(passed=2, skipped=2)


def test_an_unknown_part_is_an_error(inner: pytest.Pytester) -> None:
    """A misspelt part would otherwise never run anywhere."""
    inner.makepyfile("import pytest\n@pytest.mark.needs('node-hpkee')\ndef test_typo(): pass\n")
    inner.runpytest_subprocess("-n", "0").assert_outcomes(errors=1)
