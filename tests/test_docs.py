"""What the documents for operators say is so: commands exist, files are accepted by their tools, instructions work."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

from tests.running import make_home, serving
from vault.cli.frame import root
from vault.v1.status_pb2 import Reason

DOCS = Path(__file__).parent.parent / "docs"
PAGES = sorted(DOCS.glob("*.md"))
UNITS = sorted((DOCS / "systemd").glob("*.service"))
ALERTS = DOCS / "alerts.yml"
_COMMAND = re.compile(r"customer-vault((?: [a-z][a-z-]*)+)")


def _anchors(page: Path) -> set[str]:
    return {
        re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-")
        for heading in re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    """To a file of this project, and to a heading of it if it names one."""
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if target.startswith("https:"):
            continue
        file, _, anchor = target.partition("#")
        found = (page.parent / file) if file else page
        assert found.exists(), target
        assert not anchor or anchor in _anchors(found), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_that_is_named_exists(page: Path) -> None:
    """With its groups; words after a command are its arguments."""
    for words in _COMMAND.findall(page.read_text()):
        command: click.Command | None = root
        for word in words.split():
            if not isinstance(command, click.Group):
                break
            command = command.get_command(click.Context(command), word)
            assert command is not None, f"customer-vault{words}"


def test_the_runbook_has_an_entry_for_each_reason() -> None:
    """Of an error, as callers see it."""
    reasons = {name.removeprefix("REASON_").lower() for name in Reason.keys()} - {"unspecified"}  # noqa: SIM118
    assert reasons <= _anchors(DOCS / "runbook.md")


def test_the_runbook_has_an_entry_for_each_alert() -> None:
    """And each alert names its own."""
    text = ALERTS.read_text()
    names = re.findall(r"alert: (\w+)", text)
    assert names
    for name in names:
        assert f"docs/runbook.md#{name.lower()}" in text
        assert name.lower() in _anchors(DOCS / "runbook.md")


def test_alerts_ask_for_figures_that_there_are() -> None:
    """Each is in the list of metrics.md, which the tests of the metrics hold against the code."""
    known = set(re.findall(r"`(vault_\w+)`", (DOCS / "metrics.md").read_text()))
    asked = set(re.findall(r"\bvault_\w+", ALERTS.read_text()))
    assert asked
    assert asked <= known


@pytest.mark.needs("promtool")
def test_prometheus_accepts_the_alerts() -> None:
    """By its own tool."""
    promtool = shutil.which("promtool", path=f"{Path(sys.prefix) / 'bin'}") or "promtool"
    done = subprocess.run([promtool, "check", "rules", str(ALERTS)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{ALERTS.read_text().count('alert:')} rules found" in done.stdout


@pytest.mark.needs("systemd-analyze")
@pytest.mark.parametrize("shipped", UNITS, ids=lambda unit: unit.name)
def test_systemd_accepts_the_unit(shipped: Path, tmp_path: Path) -> None:
    """Its names, values and its program; the program's path is this checkout's, since it must exist."""
    unit = tmp_path / shipped.name
    program = Path(sys.executable).parent / "customer-vault"
    unit.write_text(shipped.read_text().replace("/opt/customer-vault/.venv/bin/customer-vault", str(program)))
    done = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert shipped.name not in done.stderr, done.stderr


def test_certificates_that_openssl_issues_as_the_page_says_are_accepted(tmp_path: Path) -> None:
    """A vault and a caller under an authority of one's own, from the commands of the page."""
    page = (DOCS / "production.md").read_text()
    found = re.search(r"<!-- tested: own-ca -->\n```sh\n(.*?)```", page, re.DOTALL)
    assert found
    made = tmp_path / "pki"
    made.mkdir()
    subprocess.run(["bash", "-euc", found[1]], cwd=made, check=True, capture_output=True, timeout=60)
    home = make_home(tmp_path)
    for name, to in (("server.pem", "server/cert.pem"), ("server.key", "server/key.pem"), ("ca.pem", "ca/ca.pem")):
        shutil.copy(made / name, home / to)
    for name, to in (("billing.pem", "cert.pem"), ("billing.key", "key.pem"), ("ca.pem", "ca.pem")):
        shutil.copy(made / name, home / "callers/billing" / to)
    with serving(home) as vault:
        answer = vault.run("card", "list", "nobody-there", "--as", "billing", "--json", code=1)
        assert json.loads(answer.stderr)["error"]["reason"] == "CUSTOMER_NOT_AVAILABLE"
