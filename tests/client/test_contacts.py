"""Contacts for callers whose purposes are in the vault's custody; names of cards; deletions."""

from collections.abc import Callable

import pytest

from tests.client.conftest import CARD
from tests.client.fake_vault import FakeVault
from vault.client import CareClient, Contact, OpenedContact, ProvisioningClient, RecordInfo, StorefrontClient
from vault.domain.fields import protected_fields
from vault.errors import DataLoss, InvalidArgument, NotFound

ADA = Contact(name="Ada", city="London", phone="+15062345678", email="ada@example.com")


@pytest.fixture
def provisioning(connect: Callable[..., ProvisioningClient]) -> ProvisioningClient:
    """A provisioning client."""
    return connect(ProvisioningClient)


@pytest.fixture
def care(connect: Callable[..., CareClient]) -> CareClient:
    """A care client."""
    return connect(CareClient)


async def test_a_contact_is_read_for_the_purpose_of_the_role(
    vault: FakeVault, storefront: StorefrontClient, provisioning: ProvisioningClient, care: CareClient
) -> None:
    """Every read names its purpose; another one of the role's is named by the caller."""
    await storefront.put_contact("42", ADA)
    contact = await provisioning.get_contact("42")
    assert (contact.name, contact.city, contact.phone, contact.email) == ("Ada", "London", ADA.phone, ADA.email)
    await provisioning.get_contact("42", purpose="account_service")
    await care.get_contact("42")
    purposes = [request.purpose for request in vault.requests["GetContact"]]
    assert purposes == ["service_provisioning", "account_service", "account_service"]


async def test_a_repr_shows_no_value(vault: FakeVault, provisioning: ProvisioningClient) -> None:
    """Of no field."""
    contact = Contact()
    for name in protected_fields(Contact):
        setattr(contact, name, f"secret-{name}")
    vault.contacts["42"] = contact
    opened = await provisioning.get_contact("42")
    assert opened.country_code == "secret-country_code"
    assert "secret" not in repr(opened)


async def test_masks_and_etags_are_passed_on(vault: FakeVault, care: CareClient) -> None:
    """As the API takes them."""
    vault.contacts["42"] = ADA
    info = await care.put_contact("42", Contact(city="Paris"), fields=["city"], etag="aa")
    assert isinstance(info, RecordInfo)
    [request] = vault.requests["PutContact"]
    assert (list(request.update_mask.paths), request.etag, bool(request.request_id)) == (["city"], "aa", True)
    with pytest.raises(InvalidArgument, match="fields"):
        await care.put_contact("42", Contact(), fields=[])


async def test_a_batch_keeps_its_order_and_reports_each_miss(
    vault: FakeVault, provisioning: ProvisioningClient
) -> None:
    """Also when the vault leaves one out."""
    vault.contacts |= {"1": ADA, "3": ADA}
    contacts = await provisioning.batch_get_contacts(["1", "2", "3"], fields=["city"])
    assert [type(contact) for contact in contacts] == [OpenedContact, NotFound, OpenedContact]
    vault.after["BatchGetContacts"] = lambda _, answer: answer.results.pop()
    with pytest.raises(DataLoss):
        await provisioning.batch_get_contacts(["1", "3"])


async def test_contacts_are_found_by_one_key(vault: FakeVault, care: CareClient) -> None:
    """Exactly one of phone, e-mail and name."""
    vault.contacts |= {"1": ADA, "2": Contact(name="Bob"), "3": ADA}
    found = await care.find_contacts(email=ADA.email, fields=["name", "email"])
    assert [contact.record_name for contact in found] == ["customers/1/contact", "customers/3/contact"]
    for keys in ({}, {"phone": "1", "name": "2"}):
        with pytest.raises(InvalidArgument):
            await care.find_contacts(**keys)


async def test_an_answer_about_another_contact_is_refused(vault: FakeVault, care: CareClient) -> None:
    """Whatever values it has."""
    vault.contacts["42"] = ADA
    vault.after["GetContact"] = lambda _, answer: setattr(answer.contact, "record_name", "customers/43/contact")
    with pytest.raises(DataLoss):
        await care.get_contact("42")


async def test_cards_are_known_by_name_only(
    vault: FakeVault, storefront: StorefrontClient, provisioning: ProvisioningClient
) -> None:
    """Over all pages, with times."""
    for card in ("a", "b", "c"):
        await storefront.add_card("42", CARD, card_id=card)
    listed = await provisioning.list_cards("42")
    assert [info.record_name for info in listed] == [f"customers/42/cards/{c}" for c in "abc"]
    assert all(info.create_time for info in listed)


@pytest.mark.parametrize("name", ["customers/43/cards/a", "customers/42/contact", ""])
async def test_a_listed_name_must_be_a_card_of_the_customer(
    vault: FakeVault, storefront: StorefrontClient, provisioning: ProvisioningClient, name: str
) -> None:
    """The one thing that a reader of names can check."""
    await storefront.add_card("42", CARD, card_id="a")
    vault.after["ListCards"] = lambda _, answer: setattr(answer.cards[0], "record_name", name)
    with pytest.raises(DataLoss):
        await provisioning.list_cards("42")


async def test_care_deletes_unseen(vault: FakeVault, storefront: StorefrontClient, care: CareClient) -> None:
    """A card by its name, a contact by its customer; each with a request_id."""
    await storefront.add_card("42", CARD, card_id="a")
    vault.contacts["42"] = ADA
    await care.delete_card("customers/42/cards/a", etag="aa")
    await care.delete_contact("42")
    assert not vault.cards
    assert not vault.contacts
    assert vault.requests["DeleteCard"][0].request_id
    assert vault.requests["DeleteContact"][0].request_id


async def test_a_customer_is_looked_up_for_a_purpose(vault: FakeVault, provisioning: ProvisioningClient) -> None:
    """Names and times are not given away without one either."""
    assert (await provisioning.get_customer("42")).customer.customer_id == "42"
    assert vault.requests["GetCustomer"][0].purpose == "service_provisioning"
