"""The clients against a vault as `init` and `serve` make it: mutual TLS, the shipped policy, the real log."""

import pytest

from tests.running import RunningVault, new_id
from vault.client import (
    AuditorClient,
    BillingClient,
    Card,
    CareClient,
    Contact,
    NewCustomer,
    OfficerClient,
    OpenedCard,
    OpenedContact,
    OperatorClient,
    ProvisioningClient,
    StorefrontClient,
    sync,
)
from vault.errors import AlreadyExists, Conflict, InvalidArgument, NotFound, PermissionDenied, VaultError
from vault.v1.status_pb2 import REASON_ERASED, REASON_FIELD_NOT_ALLOWED

CARD = Card(card_number="5555 5555 5555 4444", expiry="11/2040", holder_name="Ada Lovelace")
CONTACT = Contact(name="Ada", city="London", country_code="gb", phone="+44 20 7946 0958", email="ada@example.com")


async def test_the_way_of_a_customer(running_vault: RunningVault) -> None:
    """Created, read for two purposes, refused for a third, erased."""
    customer, caller = new_id(), running_vault.caller
    async with (
        StorefrontClient.open(caller("storefront")) as storefront,
        BillingClient.open(caller("billing")) as billing,
        ProvisioningClient.open(caller("provisioning")) as provisioning,
        CareClient.open(caller("care")) as care,
        OfficerClient.open(caller("officer")) as officer,
    ):
        created = await storefront.create_customer(NewCustomer(customer, CONTACT, [CARD]))
        assert created.record_names[0] == f"customers/{customer}/contact"
        first = created.record_names[1]
        second = (await storefront.add_card(customer, CARD, card_id="second")).record_name
        in_plain = (await storefront.add_card(customer, CARD, sealed=False)).record_name
        with pytest.raises(AlreadyExists):
            await storefront.add_card(customer, CARD, card_id="second")

        cards = await billing.batch_get_cards([first, second, in_plain, f"customers/{customer}/cards/none"])
        assert [c.card_number for c in cards if isinstance(c, OpenedCard)] == ["5555555555554444"] * 3
        assert isinstance(cards[3], NotFound | PermissionDenied)
        only = await billing.get_card(first, fields=["brand", "last_four"])
        assert (only.brand, only.last_four, only.card_number) == ("mastercard", "4444", "")
        assert len(await billing.list_cards(customer)) == 3
        address = await billing.get_contact(customer)
        assert (address.name, address.country_code, address.phone, address.email) == ("Ada", "GB", "", "")

        contact = await provisioning.get_contact(customer)
        assert (contact.phone, contact.email) == ("+442079460958", "ada@example.com")
        assert {info.record_name for info in await provisioning.list_cards(customer)} == {first, second, in_plain}
        assert (await provisioning.get_customer(customer)).customer.customer_id == customer

        [found] = [c for c in await care.find_contacts(email="ada@example.com") if customer in c.record_name]
        changed = await care.put_contact(customer, Contact(city="Paris"), fields=["city"], etag=found.etag)
        with pytest.raises(Conflict):
            await care.put_contact(customer, Contact(city="Rome"), fields=["city"], etag=found.etag)
        [got] = await care.batch_get_contacts([customer])
        assert isinstance(got, OpenedContact)
        assert (got.city, got.name, got.etag) == ("Paris", "Ada", changed.etag)
        await care.delete_card(second)
        with pytest.raises(NotFound):
            await billing.get_card(second)

        assert (await officer.erase_customer(customer)).keys_destroyed > 0
        with pytest.raises(NotFound):
            await billing.get_card(first)
        with pytest.raises(AlreadyExists) as erased:
            await storefront.create_customer(NewCustomer(customer))
        assert erased.value.reason == REASON_ERASED


async def test_a_refusal_says_why(running_vault: RunningVault) -> None:
    """With the field and the clause, from the policy alone; the same from ExplainAccess."""
    async with ProvisioningClient.open(running_vault.caller("provisioning")) as provisioning:
        with pytest.raises(PermissionDenied) as refused:
            await provisioning.get_contact(new_id(), fields=["name"], purpose="payment_processing")
        assert refused.value.purpose == "payment_processing"
        explained = await provisioning.explain_access("payment.card_number", "service_provisioning")
        assert (explained.allowed, explained.reason) == (False, REASON_FIELD_NOT_ALLOWED)
        assert "payment" in explained.explanation


async def test_a_batch_of_customers_reports_each_refusal(running_vault: RunningVault) -> None:
    """By the path within the item, whichever side refused it."""
    ids = [new_id() for _ in range(4)]
    async with StorefrontClient.open(running_vault.caller("storefront")) as storefront:
        results = await storefront.batch_create_customers(
            [
                NewCustomer(ids[0], CONTACT, [CARD]),
                NewCustomer(ids[1], Contact(country_code="XC")),
                NewCustomer(ids[2], CONTACT, [Card(card_number="1", expiry="11/2040")]),
                NewCustomer(ids[3]),
            ]
        )
    assert [isinstance(r, VaultError) for r in results] == [False, True, True, False]
    assert isinstance(results[1], InvalidArgument)
    assert isinstance(results[2], InvalidArgument)
    assert (results[1].field, results[2].field) == ("contact.country_code", "cards[0].card_number")


async def test_staff_read_keys_entries_and_checkpoints(running_vault: RunningVault) -> None:
    """The log grows with each call, and every client checks it."""
    async with (
        OperatorClient.open(running_vault.caller("operator")) as operator,
        AuditorClient.open(running_vault.caller("auditor")) as auditor,
    ):
        keys = await operator.list_keys()
        assert "payment_processing" in {key.purpose for key in keys.purpose_keys}
        entries = [entry async for entry in auditor.list_entries()]
        assert [entry.index for entry in entries] == list(range(len(entries)))
        assert entries
        assert (await auditor.get_checkpoint()).size >= 0
        assert {rule.purpose for rule in (await auditor.get_policy()).purposes} >= {"payment_processing"}


def test_the_facade_against_a_real_vault(running_vault: RunningVault) -> None:
    """As a Django view would."""
    customer = new_id()
    with (
        sync.StorefrontClient.open(running_vault.caller("storefront")) as storefront,
        sync.BillingClient.open(running_vault.caller("billing")) as billing,
    ):
        created = storefront.create_customer(NewCustomer(customer, cards=[CARD]))
        assert billing.get_card(created.record_names[0]).last_four == "4444"
