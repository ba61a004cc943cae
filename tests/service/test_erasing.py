"""An erasure gives a receipt that the log vouches for: what was destroyed, and who had read what before."""

import json

import pytest

from tests.schemas import conforms
from tests.vaults import OpenVault, opened
from vault.audit.entry import describe, parse
from vault.service.receipts import digest
from vault.v1 import customer_service_pb2 as v1


async def erase(vault: OpenVault, customer: str = "42") -> v1.ErasureReceipt:
    """Erase, and give the receipt."""
    request = v1.EraseCustomerRequest(customer_id=customer)
    answer: v1.EraseCustomerResponse = await vault.call("officer", "CustomerService.EraseCustomer", request)
    return answer.receipt


async def test_the_receipt_says_who_had_read_what(vault: OpenVault) -> None:
    """By caller and purpose, with the fields, whatever the number of reads; a denial is no read, nor is a write."""
    created = await vault.create()
    await vault.create("other")
    for _ in range(3):
        await vault.get_contact()
    await vault.get_contact("billing")
    await vault.get_contact(customer_id="other", role="care")
    await vault.get_card(created.record_names[1])
    await vault.refusal("partners", "CustomerService.EraseCustomer", v1.EraseCustomerRequest(customer_id="42"))
    said = json.loads((await erase(vault)).statement)
    readers = {(each["caller"].rpartition("/")[2], each["purpose"]): each for each in said["recipients"]}
    assert set(readers) == {("provisioning", "service_provisioning"), ("billing", "payment_processing")}
    assert readers["provisioning", "service_provisioning"]["reads"] == 3
    assert "contact.phone" in readers["provisioning", "service_provisioning"]["fields"]
    assert "payment.card_number" in readers["billing", "payment_processing"]["fields"]
    assert said["records"] == ["", created.record_names[1].split("/", 2)[2], "contact"]
    assert (said["keys_destroyed"], said["records_removed"]) == (3, 3)
    conforms(said, "erasure-receipt-1")


async def test_the_entry_holds_the_statements_digest_and_nothing_of_it(vault: OpenVault) -> None:
    """The log vouches for the statement and goes on naming nobody; no guess can be tried against the digest."""
    await vault.create("Customer-4711")
    receipt = await erase(vault, "Customer-4711")
    stored = (await vault.entries())[receipt.log_index]
    assert stored == receipt.entry
    assert parse(stored).receipt == digest(receipt.statement)
    assert describe(stored)["receipt"] == digest(receipt.statement).hex()
    assert b"4711" not in stored
    nonce = json.loads(receipt.statement)["nonce"]
    assert nonce not in (await erase(vault, "Customer-4711")).statement


async def test_a_repeat_says_that_nothing_was_left(vault: OpenVault) -> None:
    """And names no recipients, since nobody can tell any more whose the pseudonym was."""
    await vault.create()
    await vault.get_contact()
    await erase(vault)
    said = json.loads((await erase(vault)).statement)
    assert (said["subject"], said["recipients"], said["records"], said["keys_destroyed"]) == ("", [], [], 0)
    conforms(said, "erasure-receipt-1")


async def test_reads_in_logs_of_before_a_restart_count(vault: OpenVault) -> None:
    """The log is one, however often the vault was started."""
    await vault.create()
    await vault.get_contact()
    home = vault.home
    await vault.vault.close()
    async with opened(home) as again:
        assert [each["reads"] for each in json.loads((await erase(again)).statement)["recipients"]] == [1]


@pytest.mark.parametrize("count", [1, 7])
async def test_a_window_of_any_size_finds_the_same(
    vault: OpenVault, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    """Windows neither overlap nor leave a gap."""
    monkeypatch.setattr("vault.service.trail.WINDOW", count)
    await vault.create()
    for _ in range(9):
        await vault.get_contact()
    assert [each["reads"] for each in json.loads((await erase(vault)).statement)["recipients"]] == [9]
