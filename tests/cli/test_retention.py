"""`customer-vault retention run`."""

import json
from collections import Counter

import pytest
from click.testing import CliRunner

from tests.running import RunningVault
from vault.cli.commands.retention.run import _tell
from vault.cli.frame import root


def test_a_sweep_is_reported(running_vault: RunningVault) -> None:
    """In words, and in numbers for programs."""
    home = {"CUSTOMER_VAULT_HOME": str(running_vault.home)}
    said = CliRunner().invoke(root, ["retention", "run"], env=home)
    assert said.exit_code == 0, said.output
    assert said.output.startswith("destroyed: ")
    document = json.loads(CliRunner().invoke(root, ["retention", "run", "--json"], env=home).stdout)
    assert sorted(document) == ["held", "kept", "removed", "unreadable", "visit_counts"]


def test_who_may_not_sweep_is_told_so(running_vault: RunningVault) -> None:
    """It is for who runs the vault."""
    asked = ["retention", "run", "--as", "officer"]
    refused = CliRunner().invoke(root, asked, env={"CUSTOMER_VAULT_HOME": str(running_vault.home)})
    assert refused.exit_code != 0
    assert "the policy does not allow this" in refused.output


def test_what_was_left_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    """With what to do about it."""
    _tell(Counter(removed=1, held=2, kept=3, unreadable=4, visit_counts=5))
    said = capsys.readouterr().out
    assert "removed: 5 counts of visits" in said
    assert "held by an order of disclosure: 2" in said
    assert "for a while: 3" in said
    assert "do not open: 4 (customer-vault audit tail" in said
