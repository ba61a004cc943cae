"""Figures of a test, printed at the end of a run.

A test of faults or abuse that only says "passed" hides whether it tried ten things or ten thousand. Each notes its
figures through the `figures` fixture; they travel with the test's report, and tests/conftest.py prints them.
"""

from collections.abc import Callable

import pytest

Figures = Callable[[str], None]


@pytest.fixture
def figures(record_property: Callable[[str, object], None]) -> Figures:
    """Note one line of figures for the end of the run."""
    return lambda line: record_property("figure", line)
