"""Officer, operator, auditor, and what every client can ask."""

from collections.abc import Callable

import pytest

from tests.client.fake_vault import BILLING, VAULT_ID, FakeVault
from vault.client import AuditorClient, OfficerClient, OperatorClient
from vault.client.base import VaultClient
from vault.errors import DataLoss


async def test_an_erasure_answers_with_its_receipt(vault: FakeVault, connect: Callable[..., OfficerClient]) -> None:
    """Of that customer and no other."""
    officer = connect(OfficerClient)
    assert (await officer.erase_customer("42")).keys_destroyed == 3
    vault.after["EraseCustomer"] = lambda _, answer: setattr(answer.receipt, "customer_id", "43")
    with pytest.raises(DataLoss):
        await officer.erase_customer("42")


async def test_keys_are_listed(vault: FakeVault, connect: Callable[..., OperatorClient]) -> None:
    """The API's own message: it holds no value."""
    assert (await connect(OperatorClient).list_keys()).vault_id == VAULT_ID


async def test_entries_come_one_after_the_other(vault: FakeVault, connect: Callable[..., AuditorClient]) -> None:
    """Over all pages, from an index on."""
    auditor = connect(AuditorClient)
    assert [entry.index async for entry in auditor.list_entries()] == list(range(7))
    assert [entry.index async for entry in auditor.list_entries("log-0", start_index=5)] == [5, 6]
    assert vault.requests["ListEntries"][-1].log_id == "log-0"


async def test_an_entry_that_is_left_out_is_noticed(vault: FakeVault, connect: Callable[..., AuditorClient]) -> None:
    """Between two pages or within one."""
    vault.after["ListEntries"] = lambda _, answer: answer.entries.pop(1)
    with pytest.raises(DataLoss):
        _ = [entry async for entry in connect(AuditorClient).list_entries()]


async def test_a_proof_comes_with_one_entry(vault: FakeVault, connect: Callable[..., AuditorClient]) -> None:
    """None, or two, is an answer that says nothing of the log."""
    auditor = connect(AuditorClient)
    for change in (lambda _, answer: answer.ClearField("entries"), lambda _, answer: answer.entries.add()):
        vault.after["ListEntries"] = change
        with pytest.raises(DataLoss, match="another number of entries"):
            await auditor.prove_entry(6)


async def test_everyone_may_ask_what_the_policy_says(vault: FakeVault, connect: Callable[..., VaultClient]) -> None:
    """And who may read what."""
    client = connect(VaultClient)
    assert (await client.get_policy()).purposes[0].purpose == BILLING
    assert (await client.explain_access("payment.card_number", BILLING)).allowed
    assert not (await client.explain_access("payment.card_number", "account_service", caller="care")).allowed
    assert vault.requests["ExplainAccess"][-1].caller == "care"
