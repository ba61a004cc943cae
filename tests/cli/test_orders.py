"""`customer-vault orders list` and `orders watch`."""

import json
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.running import RunningVault, new_id
from vault.cli import orders
from vault.cli.commands.orders.list import _tell
from vault.cli.frame import root
from vault.client import NewCustomer, OrderEvent, sync

FORM = {"name": "Ada Lovelace", "product": "fibre-100"}


def run(vault: RunningVault, *args: str, code: int = 0) -> Result:
    """`customer-vault orders ARGS`."""
    result = CliRunner().invoke(root, ["orders", *args], env={"CUSTOMER_VAULT_HOME": str(vault.home)})
    assert result.exit_code == code, result.output
    return result


def watched(vault: RunningVault, *args: str) -> list[Any]:
    """The events of `watch --once --json`."""
    return [json.loads(line) for line in run(vault, "watch", "--once", "--json", *args).stdout.splitlines()]


@pytest.fixture
def customer(running_vault: RunningVault) -> str:
    """Who has ordered."""
    who = new_id()
    with sync.StorefrontClient.open(running_vault.caller("storefront")) as storefront:
        saved = storefront.save_order_form(FORM)
        storefront.submit_order(saved.visitor_id, NewCustomer(who), order_id="one")
    return who


def test_orders_are_listed(running_vault: RunningVault, customer: str) -> None:
    """In words and for programs."""
    name = f"customers/{customer}/orders/one"
    (line,) = [line for line in run(running_vault, "list").output.splitlines() if name in line]
    assert "product: fibre-100" in line
    shown = json.loads(run(running_vault, "list", "--json").stdout)
    assert shown["unreadable"] == []
    (order,) = [order for order in shown["orders"] if order["record_name"] == name]
    assert (order["customer_id"], order["form"]) == (customer, FORM)


def test_orders_are_followed_from_a_token(running_vault: RunningVault, customer: str) -> None:
    """Each event is a line with the token to go on with; an erasure is one of them."""
    events = watched(running_vault)
    (order,) = [event for event in events if event.get("order", {}).get("customer_id") == customer]
    assert events[-1]["caught_up"]
    with sync.OfficerClient.open(running_vault.caller("officer")) as officer:
        officer.erase_customer(customer)
    after = watched(running_vault, "--after", order["resume_token"])
    assert customer in [event.get("erased_customer_id") for event in after]
    assert f"erased: customer {customer}" in run(running_vault, "watch", "--once").output


def test_a_token_of_somebody_else_is_refused(running_vault: RunningVault) -> None:
    """With the field, and without the text."""
    refused = run(running_vault, "watch", "--once", "--after", "eyJ9", code=1)
    assert "resume_token" in refused.output or "page_token" in refused.output
    assert "eyJ9" not in refused.output


def test_who_may_not_look_is_refused(running_vault: RunningVault) -> None:
    """Not even who took the orders."""
    for command in (["list"], ["watch", "--once"]):
        refused = run(running_vault, *command, "--as", "storefront", code=1)
        assert "the policy does not allow this" in refused.output


def test_what_does_not_open_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    """By its name."""
    _tell([], ["customers/1/orders/x"])
    said = capsys.readouterr()
    assert "no orders" in said.out
    assert "does not open: customers/1/orders/x" in said.err
    event = OrderEvent("t", unreadable="customers/1/orders/x")
    assert orders.event_document(event) == {"resume_token": "t", "unreadable": "customers/1/orders/x"}
    assert "does not open: customers/1/orders/x" in orders.event_line(event)
