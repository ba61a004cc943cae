"""After a theft: whose data has this caller read?"""

import time
from typing import Any

from tests.vaults import OpenVault
from vault.errors import PermissionDenied
from vault.v1 import audit_service_pb2 as v1
from vault.v1 import customer_service_pb2 as customers

METHOD = "AuditService.ReportAccess"
BILLING = "spiffe://vault.example/billing"


async def report(vault: OpenVault, role: str = "auditor", **asked: Any) -> list[v1.Accessed]:
    """What billing has read."""
    pieces = await vault.call(role, METHOD, v1.ReportAccessRequest(caller=asked.pop("caller", BILLING), **asked))
    return [each for piece in pieces for each in piece.accessed]


async def test_a_report_names_whom_a_caller_has_read(vault: OpenVault) -> None:
    """Each customer once, with count, purposes and fields; who was not read, or by others only, is not in it."""
    for customer in ("a", "b", "c"):
        await vault.create(customer)
    for customer in ("a", "b", "a"):
        await vault.get_contact("billing", customer)
    await vault.get_contact("care", "c")
    found = {each.customer_id: each for each in await report(vault, "officer", names=True)}
    assert set(found) == {"a", "b"}
    assert (found["a"].reads, found["b"].reads) == (2, 1)
    assert list(found["a"].purposes) == ["payment_processing"]
    assert "contact.name" in found["a"].fields
    assert "contact.phone" not in found["a"].fields
    assert found["a"].first_time_ms <= found["a"].last_time_ms


async def test_an_auditor_learns_pseudonyms_and_no_names(vault: OpenVault) -> None:
    """Whose they are is for who may export a customer; the refusal is in the log."""
    await vault.create()
    await vault.get_contact("billing")
    (found,) = await report(vault)
    assert (found.customer_id, len(found.subject)) == ("", 16)
    refused = await vault.refusal("auditor", METHOD, v1.ReportAccessRequest(caller=BILLING, names=True))
    assert isinstance(refused, PermissionDenied)


async def test_an_erased_customer_stays_a_pseudonym(vault: OpenVault) -> None:
    """That somebody was read is still known; who it was, to nobody."""
    await vault.create()
    await vault.get_contact("billing")
    await vault.call("officer", "CustomerService.EraseCustomer", customers.EraseCustomerRequest(customer_id="42"))
    (found,) = await report(vault, "officer", names=True)
    assert (found.customer_id, found.reads) == ("", 1)


async def test_a_report_is_about_a_time(vault: OpenVault) -> None:
    """From the one to before the other; neither denials nor writes are reads."""
    await vault.create()
    await vault.refusal("billing", "CustomerService.EraseCustomer", customers.EraseCustomerRequest(customer_id="42"))
    await vault.get_contact("billing")
    now = time.time_ns() // 1_000_000
    assert len(await report(vault, since_ms=now - 60_000, until_ms=now + 60_000)) == 1
    assert await report(vault, since_ms=now + 60_000) == []
    assert await report(vault, until_ms=now - 60_000) == []
    assert await report(vault, caller="spiffe://vault.example/storefront") == []
    assert await report(vault, caller="spiffe://vault.example/bill") == []
