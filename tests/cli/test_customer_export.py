"""A customer's data as a file, from a vault that runs."""

import json
import stat
from pathlib import Path

import pytest

from tests.cli.test_commands import NUMBER, create, here, here_json
from tests.running import RunningVault
from tests.schemas import conforms
from vault.cli.commands.customer import export
from vault.client import sync


def test_an_export_is_printed_as_json(running_vault: RunningVault) -> None:
    """As its schema says, with the contact in plain and the card closed."""
    customer = create(running_vault)
    here(running_vault, "contact", "show", customer)
    said = here(running_vault, "customer", "export", customer).stdout
    document = json.loads(said)
    conforms(document, "export-1")
    assert document["customer"]["customer_id"] == customer
    assert "Ada Lovelace" in said
    assert NUMBER not in said
    assert any(each["purpose"] == "service_provisioning" for each in document["history"])


def test_an_export_to_a_file_is_for_its_owner_alone(running_vault: RunningVault, tmp_path: Path) -> None:
    """It is somebody's whole file."""
    customer, out = create(running_vault), tmp_path / "42.json"
    assert here_json(running_vault, "customer", "export", customer, "--out", str(out))["file"] == str(out)
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    conforms(json.loads(out.read_text()), "export-1")


def test_an_export_to_a_file_says_what_was_disclosed(
    running_vault: RunningVault, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """To whom, by what; or that there was nobody."""
    customer, out = create(running_vault), tmp_path / "42.json"
    said = here(running_vault, "customer", "export", customer, "--out", str(out)).stdout
    assert "disclosed to nobody outside" in said
    told = {"recipient": "partners", "purpose": "partner_offers", "fields": ["contact.name"], "last": "today"}
    export._tell(out, [{**told, "ground": "consent", "order": ""}, {**told, "ground": "order", "order": "o1"}])
    lines = capsys.readouterr().out.replace("\n", " ")
    assert "disclosed to partners for partner_offers, by consent: contact.name, last on today" in lines
    assert "by order o1:" in lines


def test_an_export_that_fails_leaves_no_file(running_vault: RunningVault, tmp_path: Path) -> None:
    """Neither for whom nobody knows, nor for whoever may not."""
    out = tmp_path / "42.json"
    here(running_vault, "customer", "export", "nobody", "--out", str(out), code=1)
    here(running_vault, "customer", "export", create(running_vault), "--out", str(out), "--as", "care", code=1)
    assert list(tmp_path.iterdir()) == []


def test_the_sync_sdk_exports_piece_by_piece(running_vault: RunningVault) -> None:
    """The same document."""
    customer = create(running_vault, card=False)
    with sync.OfficerClient.open(running_vault.home / "callers/officer/client.toml") as officer:
        pieces = list(officer.export_customer(customer))
    assert len(pieces) > 2
    conforms(json.loads("".join(pieces)), "export-1")
