"""What holds for every test: parts that may be missing, long tests, hypothesis on a shared machine."""

import signal
from collections import Counter

import hypothesis
import pytest

from tests.checkouts import checkout  # noqa: F401 - a fixture for the tests of scripts/
from tests.figures import figures  # noqa: F401 - a fixture for all
from tests.parts import PARTS, need
from tests.places import pristine, quick_disk  # noqa: F401 - fixtures for all
from tests.running import running_vault  # noqa: F401 - a fixture for all

# Two workers share two cores with a server and its clients: time per example says nothing.
hypothesis.settings.register_profile("vault", deadline=None)
hypothesis.settings.load_profile("vault")

# A shell starts what it puts in the background with SIGINT ignored, and that is inherited: no test that
# interrupts a program would end. The programs that tests start get the usual way back.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --long."""
    parser.addoption("--long", action="store_true", help="also run the tests marked long")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip, before any fixture is made, what is long or lacks a part."""
    for marker in item.iter_markers("needs"):
        need(*marker.args)
    if item.get_closest_marker("long") and not item.config.getoption("--long"):
        pytest.skip("long")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the figures of tests that have some, name what was not run and the command that makes it run."""
    _figures(terminalreporter)
    skipped: Counter[str] = Counter()
    for report in terminalreporter.stats.get("skipped", []):
        if isinstance(report.longrepr, tuple):
            skipped[report.longrepr[2].removeprefix("Skipped: ")] += 1
    if long := skipped.pop("long", 0):
        terminalreporter.write_line(f"not run: {long} long tests; to run them: scripts/test --long", yellow=True)
    for name, part in PARTS.items():
        said = sum(count for reason, count in skipped.items() if reason.startswith(f"needs {name},"))
        if said:
            line = f"not run: {said} tests that need {name}; to install it: {part.install}"
            terminalreporter.write_line(line, yellow=True)


def _figures(terminalreporter: pytest.TerminalReporter) -> None:
    """Lines that tests noted as the property `figure`, whichever process ran them."""
    lines = [
        (report.nodeid.rpartition("/")[2], value)
        for outcome in ("passed", "failed")
        for report in terminalreporter.stats.get(outcome, ())
        if getattr(report, "when", "") == "call"
        for name, value in report.user_properties
        if name == "figure"
    ]
    if lines:
        terminalreporter.section("figures")
        for test, line in sorted(lines):
            terminalreporter.write_line(f"{test}: {line}")
