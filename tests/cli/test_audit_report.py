"""Whose data has a caller read, asked by command."""

import re

from tests.cli.test_commands import create, here, here_json
from tests.running import RunningVault
from vault.client import sync

PROVISIONING = "spiffe://vault.example/provisioning"


def test_a_report_is_by_pseudonym_or_by_name(running_vault: RunningVault) -> None:
    """The auditor's has the same rows as the officer's, without whose they are."""
    customer = create(running_vault, card=False)
    here(running_vault, "contact", "show", customer)
    ask = ("audit", "report", "--caller", PROVISIONING, "--since", "2026-01-01")
    named = {each["customer_id"]: each for each in here_json(running_vault, *ask, "--names")["customers"]}
    assert named[customer]["reads"] == 1
    assert named[customer]["purposes"] == ["service_provisioning"]
    by_pseudonym = {each["subject"]: each for each in here_json(running_vault, *ask)["customers"]}
    assert by_pseudonym[named[customer]["subject"]]["customer_id"] is None
    said = here(running_vault, *ask, "--names").stdout
    assert re.search(rf"^{customer} +1 ", said, re.MULTILINE)
    assert said.splitlines()[-1].endswith(" customers")
    here(running_vault, *ask, "--names", "--as", "auditor", code=1)


def test_who_read_nobody_has_an_empty_report(running_vault: RunningVault) -> None:
    """And says so; a time that is none is a usage error."""
    ask = ("audit", "report", "--caller", "spiffe://vault.example/nobody", "--until", "2026-01-01T00:00:00Z")
    assert here(running_vault, *ask).stdout == "it has read nobody\n"
    here(running_vault, "audit", "report", "--caller", PROVISIONING, "--since", "yesterday", code=2)


def test_the_sync_sdk_reports(running_vault: RunningVault) -> None:
    """The same rows."""
    customer = create(running_vault, card=False)
    here(running_vault, "contact", "show", customer)
    with sync.OfficerClient.open(running_vault.home / "callers/officer/client.toml") as officer:
        assert customer in {each.customer_id for each in officer.report_access(PROVISIONING, names=True)}
