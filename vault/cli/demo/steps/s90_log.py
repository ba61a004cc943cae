"""All of it is in the log, which is checked without the server."""

import shutil
from typing import Any, Final

from vault.audit.entry import describe
from vault.cli import profile
from vault.cli.demo.screen import NotSo, Screen
from vault.cli.demo.stage import Answer, Stage
from vault.cli.demo.stage import run as command
from vault.cli.deployment.layout import Layout
from vault.client import AuditorClient

_SHOWN: Final = 4
_ERASURE: Final = "CustomerService.EraseCustomer"
_MUST: Final = (
    ("storefront", "PaymentService.AddCard", "ALLOWED"),
    ("provisioning", "ContactService.GetContact", "ALLOWED"),
    ("billing", "PaymentService.GetCard", "ALLOWED"),
    ("provisioning", "PaymentService.GetCard", "DENIED"),
    ("officer", _ERASURE, "ALLOWED"),
)

Entry = dict[str, Any]


def run(stage: Stage, say: Screen) -> None:
    """Show the end of the log, stop the server, verify; then verify a copy in which one entry was changed."""
    entries = profile.run(stage.home, "auditor", AuditorClient, _read)
    there = {(_role(entry), entry["action"], entry["outcome"]) for entry in entries}
    say.claim(f"{len(entries)} entries, without names and values; the last ones:", held=there.issuperset(_MUST))
    for index, entry in list(enumerate(entries))[-_SHOWN:]:
        say.detail(_line(index, entry))
    if stage.server is None:
        raise NotSo("the server runs")
    say.claim("the server stops in order", held=stage.server.stop() == 0)
    _verify(stage, say, [entry["action"] for entry in entries].index(_ERASURE))


def _verify(stage: Stage, say: Screen, erasure: int) -> None:
    at = Layout(stage.home)
    answer = command("audit", "verify", stage.home)
    whole = _log(answer)
    say.claim(
        f"customer-vault audit verify: {whole['entries']} entries are as signed, in {whole['checkpoints']} checkpoints",
        held=answer.exit_code == 0 and answer.document["ok"] is True and whole["proven"] == whole["entries"] > 0,
    )
    changed = stage.folder / "changed.db"
    shutil.copy(at.data, changed)
    name, other = _ERASURE.encode(), _ERASURE.swapcase().encode()
    changed.write_bytes(changed.read_bytes().replace(name, other))
    answer = command("audit", "verify", changed, "--pins", at.pins)
    finding = _log(answer)["finding"] or {}
    say.claim(
        f"somebody rewrites what was said of the erasure in a copy: found, and the first entry named (entry {erasure})",
        held=answer.exit_code == 1 and finding.get("first") == finding.get("last") == erasure,
    )


async def _read(vault: AuditorClient) -> list[Entry]:
    return [describe(entry.entry) async for entry in vault.list_entries()]


def _log(answer: Answer) -> Entry:
    """What was found about the one log there is.

    Raises:
        NotSo: the command said something else.
    """
    logs = answer.document.get("logs", [])
    if len(logs) != 1:
        raise NotSo("there is one log")
    return dict(logs[0])


def _role(entry: Entry) -> str:
    return str(entry["caller"]).rpartition("/")[2]


def _line(index: int, entry: Entry) -> str:
    purpose = f" for {entry['purpose']}" if "purpose" in entry else ""
    return f"{index:>3} {entry['time'][11:19]} {entry['outcome'].lower():<7} {_role(entry)} {entry['action']}{purpose}"
