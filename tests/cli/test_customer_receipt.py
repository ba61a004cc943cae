"""The receipt of an erasure, written by a command on a vault that runs and checked by one that needs none."""

import json
from pathlib import Path

from tests.cli.test_commands import create, here, here_json
from tests.running import RunningVault
from vault.crypto.receipt import parse


def erased(vault: RunningVault, folder: Path) -> tuple[str, Path]:
    """A customer who was read and is erased; its id, and the receipt."""
    customer, file = create(vault), folder / "receipt.json"
    here(vault, "contact", "show", customer)
    said = here(vault, "customer", "erase", customer, "--yes", "--receipt", str(file)).stdout
    assert f"receipt     {file}" in said
    return customer, file


def test_a_receipt_is_written_and_checked(running_vault: RunningVault, tmp_path: Path) -> None:
    """With the pins alone: what was destroyed, and who had read what before."""
    customer, file = erased(running_vault, tmp_path)
    pins = str(running_vault.home / "pins.json")
    checked = here_json(running_vault, "customer", "check-receipt", str(file), "--pins", pins)
    assert checked["ok"]
    assert checked["statement"]["customer_id"] == customer
    (reader,) = checked["statement"]["recipients"]
    assert (reader["caller"], reader["purpose"]) == ("spiffe://vault.example/provisioning", "service_provisioning")
    assert checked["index"] < checked["tree_size"]
    said = here(running_vault, "customer", "check-receipt", str(file), "--pins", pins).stdout
    assert said.startswith("ok: vault.example/log/")
    assert "spiffe://vault.example/provisioning  service_provisioning  contact.city" in said


def test_a_receipt_that_was_improved_is_refused(running_vault: RunningVault, tmp_path: Path) -> None:
    """By a character of the statement, by another log's key, or because it is none at all."""
    _, file = erased(running_vault, tmp_path)
    pins = running_vault.home / "pins.json"
    receipt = parse(file.read_text())
    document = json.loads(file.read_text())
    document["statement"] = receipt.statement.replace('"reads": 1', '"reads": 0')
    assert document["statement"] != receipt.statement
    better, other = tmp_path / "better.json", tmp_path / "pins.json"
    better.write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n")
    here(running_vault, "customer", "check-receipt", str(better), "--pins", str(pins), code=1)
    known = json.loads(pins.read_text())
    other.write_text(json.dumps({**known, "logs": dict.fromkeys(known["logs"], "00" * 32)}))
    here(running_vault, "customer", "check-receipt", str(file), "--pins", str(other), code=1)
    here(running_vault, "customer", "check-receipt", str(tmp_path / "none"), "--pins", str(pins), code=2)
