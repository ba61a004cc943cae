"""Rows put back together with their keys (T17, T18): they open, and the log's digests say that they are not the newest.

No cipher can tell an old version from the newest if key and row are both put back. The log can: the entries are signed,
and hold the digest of what was written last.
"""

import pytest

from tests.abuse import disk
from tests.abuse.billing import Billing
from tests.abuse.digests import against_log
from tests.abuse.facts import consent
from tests.abuse.tables import KEYS, RECORDS, SLOTS, Tables
from tests.abuse.tampered import Reading, Truth, settle
from tests.vaults import OpenVault, contact, opened
from vault.audit.entry import parse
from vault.errors import DataLoss, PermissionDenied, VaultError
from vault.v1 import contact_service_pb2 as contacts
from vault.v1 import customer_service_pb2 as customers
from vault.v1 import payment_service_pb2 as payments

CONTACT = "customers/c0/contact"


async def test_ordinary_work_is_no_finding(vault: OpenVault) -> None:
    """Created, changed, deleted, erased, refused, in batches: the rows agree with the log."""
    await settle(vault)
    batch = [customers.CreateCustomerRequest(customer_id=who, contact=contact()) for who in ("c0", "b1", "b2")]
    request = customers.BatchCreateCustomersRequest(requests=batch)
    await vault.call("storefront", "CustomerService.BatchCreateCustomers", request)
    await vault.call("care", "ContactService.DeleteContact", contacts.DeleteContactRequest(customer_id="c1"))
    put = contacts.PutContactRequest(customer_id="c1", contact=contact())
    await vault.call("care", "ContactService.PutContact", put)
    stale = contacts.PutContactRequest(customer_id="c1", contact=contact(), etag="00")
    await vault.refusal("care", "ContactService.PutContact", stale)
    card = payments.DeleteCardRequest(record_name="customers/c2/cards/one")
    await vault.call("care", "PaymentService.DeleteCard", card)
    await vault.call("officer", "CustomerService.EraseCustomer", customers.EraseCustomerRequest(customer_id="c3"))
    assert against_log(vault.home) == []


async def test_a_version_put_back_with_its_key_is_read_and_then_found_by_its_digest(vault: OpenVault) -> None:
    """The thief of an old copy of both files puts one contact back; reading cannot see it, the log does."""
    truth, earlier = await settle(vault)
    assert against_log(vault.home) == []
    _put_back(vault, earlier, with_key=True)
    found = await Reading(vault, truth, Billing(vault.home)).everything()
    assert found.values[CONTACT] == {"name": "Earlier Name", "city": "Moncton"}
    assert against_log(vault.home) == [
        "1 rows are not the newest that was written",
        "1 records are not there as they were written",
    ]


async def test_a_version_put_back_without_its_key_is_not_read_and_found_all_the_same(vault: OpenVault) -> None:
    """Nor does it help to call its retired key live again: that one is wrapped under another label."""
    truth, earlier = await settle(vault)
    _put_back(vault, earlier, with_key=False)
    await _is_lost(vault, truth)
    with_live_flag = Tables.read(vault.home)
    before = with_live_flag.copy()
    for key in with_live_flag.rows[KEYS]:
        key["retired_at"] = 0
    with_live_flag.write(vault.home, before)
    await _is_lost(vault, truth)
    assert len(against_log(vault.home)) == 2


async def test_a_withdrawn_consent_cannot_be_put_back(vault: OpenVault) -> None:
    """The customer record is under lock like any other: an old one without its live key decides nothing."""
    await vault.create("c9")
    await consent(vault, "c9", "partner_offers")
    agreed = Tables.read(vault.home)
    asked = contacts.GetContactRequest(customer_id="c9", purpose="partner_offers")
    assert (await vault.call("partners", "ContactService.GetContact", asked)).contact.name
    await consent(vault, "c9", "partner_offers", given=False)
    assert isinstance(await vault.refusal("partners", "ContactService.GetContact", asked), PermissionDenied)
    now = Tables.read(vault.home)
    after = now.copy()
    row = after.record("customers/c9")
    old = agreed.record("customers/c9")
    assert row is not None
    assert old is not None
    row.update(old)
    after.rows[KEYS] = [key for key in after.rows[KEYS] if key["key_id"] != old["key_id"]]
    after.write(vault.home, now)
    assert isinstance(await vault.refusal("partners", "ContactService.GetContact", asked), DataLoss)


async def test_a_withdrawn_consent_put_back_with_its_key_is_reported_by_the_log(vault: OpenVault) -> None:
    """Who writes both stores and has the key store of before can make it count again; he cannot make the log agree.

    The withdrawal still stands there, and the row is none that it says was written last.
    """
    await vault.create("c9")
    await consent(vault, "c9", "partner_offers")
    agreed = Tables.read(vault.home)
    await consent(vault, "c9", "partner_offers", given=False)
    assert against_log(vault.home) == []
    _put_back(vault, agreed, with_key=True, name="customers/c9")
    asked = contacts.GetContactRequest(customer_id="c9", purpose="partner_offers")
    assert (await vault.call("partners", "ContactService.GetContact", asked)).contact.name
    assert against_log(vault.home) == [
        "1 rows are not the newest that was written",
        "1 records are not there as they were written",
    ]
    said = [parse(entry).action for entry in await vault.entries()]
    assert said.count("CustomerService.SetConsent") == 2


async def test_a_withdrawal_that_is_dropped_from_the_log_too_is_refused_at_the_start(vault: OpenVault) -> None:
    """So that no digest disagrees: the log is then shorter than it was when it was closed."""
    await vault.create("c9")
    await consent(vault, "c9", "partner_offers")
    agreed = Tables.read(vault.home)
    await consent(vault, "c9", "partner_offers", given=False)
    _put_back(vault, agreed, with_key=True, name="customers/c9")
    await vault.vault.close()
    with disk.writer(vault.home / disk.DATA) as data:
        data.execute("DELETE FROM log_entries WHERE idx = (SELECT max(idx) FROM log_entries)")
    with pytest.raises(VaultError):
        async with opened(vault.home):
            pass


@pytest.mark.parametrize("name", ["customers/c0", CONTACT, "customers/c0/cards/one"])
async def test_a_dropped_row_is_found_by_its_digest(vault: OpenVault, name: str) -> None:
    """Whatever kind of record it was, and with or without its key."""
    await settle(vault)
    before = Tables.read(vault.home)
    after = before.copy()
    after.rows[RECORDS] = [row for row in after.rows[RECORDS] if row["record_name"] != name]
    after.write(vault.home, before)
    assert against_log(vault.home) == ["1 records are not there as they were written"]


def _put_back(vault: OpenVault, earlier: Tables, *, with_key: bool, name: str = CONTACT) -> None:
    now = Tables.read(vault.home)
    after = now.copy()
    row, old = after.record(name), earlier.record(name)
    assert row is not None
    assert old is not None
    row.update(old)
    if with_key:
        key = earlier.key(old)
        assert key is not None
        after.rows[KEYS] = [k for k in after.rows[KEYS] if k["key_id"] != old["key_id"]] + [{**key, "slot": 1 << 30}]
        after.rows[SLOTS].append({"slot": 1 << 30, "wrapped": earlier.wrapped(key)})
    after.write(vault.home, now)


async def _is_lost(vault: OpenVault, truth: Truth) -> None:
    found = await Reading(vault, truth, Billing(vault.home)).everything()
    assert isinstance(found.values.pop(CONTACT), DataLoss)
    assert all(found.values[name] == truth.values[name] for name in found.values)
    assert not found.unlogged
