"""`customer-vault account show` and `account log`."""

import json
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.running import RunningVault, new_id
from vault.cli.frame import root
from vault.client import NewCustomer, sync


@pytest.fixture(scope="module")
def customer(running_vault: RunningVault) -> str:
    """With an account that changed once, and two lines of log."""
    who = new_id()
    with sync.StorefrontClient.open(running_vault.caller("storefront")) as storefront:
        storefront.create_customer(NewCustomer(who))
    with sync.CareClient.open(running_vault.caller("care")) as care:
        care.put_account(who, status="ordered", services=["fibre 100", "television"])
        care.put_account(who, status="active")
        care.append_log_entries(who, ["called", "asked for nothing"])
    return who


def run(vault: RunningVault, *args: str, code: int = 0) -> Result:
    """`customer-vault account ARGS`."""
    result = CliRunner().invoke(root, ["account", *args], env={"CUSTOMER_VAULT_HOME": str(vault.home)})
    assert result.exit_code == code, result.output
    return result


def document(vault: RunningVault, *args: str) -> Any:
    """The same with --json."""
    return json.loads(run(vault, *args, "--json").stdout)


def test_an_account_is_shown_with_what_it_was(running_vault: RunningVault, customer: str) -> None:
    """In words and for programs, as care and as provisioning."""
    said = run(running_vault, "show", customer).output
    assert "active" in said
    assert "ordered" in said
    shown = document(running_vault, "show", customer, "--as", "provisioning")
    assert (shown["status"], shown["services"]) == ("active", ["fibre 100", "television"])
    assert [state["status"] for state in shown["history"]] == ["ordered"]


def test_a_log_is_shown(running_vault: RunningVault, customer: str) -> None:
    """All of it, or of a time."""
    assert "called" in run(running_vault, "log", customer).output
    assert [line["text"] for line in document(running_vault, "log", customer)["lines"]] == [
        "called",
        "asked for nothing",
    ]
    assert document(running_vault, "log", customer, "--until", "2020-01-01") == {"lines": []}
    assert "no lines" in run(running_vault, "log", customer, "--since", "2999-01-01").output


def test_who_may_not_look_is_refused(running_vault: RunningVault, customer: str) -> None:
    """The policy decides."""
    for command in ("show", "log"):
        refused = run(running_vault, command, customer, "--as", "billing", code=1)
        assert "the policy does not allow this" in refused.output
