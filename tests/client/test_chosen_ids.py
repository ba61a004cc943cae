"""A call that is made again with its request_id, by a caller that crashed in between, has one effect."""

import uuid
from collections.abc import Callable

import pytest

from tests.client.conftest import CARD
from tests.client.fake_vault import FakeVault
from tests.running import RunningVault, new_id
from vault.client import CareClient, Contact, NewCustomer, OfficerClient, ProvisioningClient, StorefrontClient
from vault.client.chosen_ids import ChosenIds, checked
from vault.domain import names
from vault.errors import AlreadyExists, InvalidArgument, NotFound, VaultError
from vault.v1.status_pb2 import REASON_REQUEST_ID_REUSED

CONTACT = Contact(name="Ada", email="ada@example.com")


def fresh() -> str:
    """A request_id."""
    return str(uuid.uuid4())


def test_a_request_id_is_a_uuid() -> None:
    """In its usual form, as the vault takes it."""
    assert checked("") == ""
    one = fresh()
    assert checked(one) == one
    for bad in ("42", one.replace("-", ""), f"{{{one}}}", f"urn:uuid:{one}", f"{one} ", one[:-1] + "g"):
        with pytest.raises(InvalidArgument, match="request_id"):
            checked(bad)


def test_ids_follow_from_the_request_id() -> None:
    """One for each record of the call, and good as an id."""
    one = fresh()
    ids = {what: ChosenIds(one).new(what) for what in ("customer", "card 0", "card 1")}
    assert len({*ids.values()}) == 3
    assert {what: ChosenIds(one).new(what) for what in ids} == ids
    assert ChosenIds(fresh()).new("card 0") != ids["card 0"]
    for each in ids.values():
        names.customer_id(each)
        names.record_id(each, "card_id")
    assert ChosenIds("").new("card 0") != ChosenIds("").new("card 0")


def test_an_id_that_looks_like_a_card_number_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same one each time; the vault refuses such ids, and this request_id would be lost."""
    one = fresh()
    first = ChosenIds(one).new("customer")
    monkeypatch.setattr("vault.client.chosen_ids.is_pan_like", lambda text: text == first)
    assert ChosenIds(one).new("customer") == ChosenIds(one).new("customer") != first


async def test_the_bytes_of_a_repetition_are_the_same(
    vault: FakeVault, connect: Callable[..., StorefrontClient]
) -> None:
    """From a client that was started in between, and with the fields of a set in any order."""
    one = fresh()
    for _ in range(2):
        storefront = connect(StorefrontClient)
        with_cards = NewCustomer(contact=CONTACT, cards=[CARD, CARD])
        await _or_exists(storefront.create_customer(with_cards, sealed=False, request_id=one))
        await _or_exists(storefront.batch_create_customers([with_cards] * 2, sealed=False, request_id=one))
        await _or_exists(storefront.add_card("42", CARD, sealed=False, request_id=one))
        await storefront.put_contact("42", CONTACT, fields={"name", "email", "phone", "city"}, request_id=one)
    for method in ("CreateCustomer", "BatchCreateCustomers", "AddCard", "PutContact"):
        first, second = (request.SerializeToString() for request in vault.requests[method])
        assert first == second
        assert vault.requests[method][0].request_id == one


async def _or_exists(call: object) -> None:
    try:
        await call  # type: ignore[misc]
    except AlreadyExists:
        return


async def test_what_is_sealed_goes_under_another_request_id(vault: FakeVault, storefront: StorefrontClient) -> None:
    """Under its own the vault would refuse the repetition, which is other bytes; the names are the same."""
    one = fresh()
    for _ in range(2):
        await _or_exists(storefront.create_customer(NewCustomer(cards=[CARD]), request_id=one))
        await _or_exists(storefront.add_card("42", CARD, request_id=one))
        await storefront.batch_create_customers([NewCustomer(cards=[CARD])], request_id=one)
    for method in ("CreateCustomer", "AddCard", "BatchCreateCustomers"):
        ids = [request.request_id for request in vault.requests[method]]
        assert len({*ids, one}) == 3
    assert len({request.cards[0].record_name for request in vault.requests["CreateCustomer"]}) == 1
    assert len(vault.cards) == 3


async def test_repetitions_against_a_real_vault(running_vault: RunningVault) -> None:
    """What is in plain is answered as the first time; of what is sealed, AlreadyExists says that it was done."""
    caller, ids = running_vault.caller, [fresh() for _ in range(6)]
    for again in (False, True):
        async with StorefrontClient.open(caller("storefront")) as storefront:
            plain = await storefront.create_customer(
                NewCustomer(contact=CONTACT, cards=[CARD]), sealed=False, request_id=ids[0]
            )
            batch = await storefront.batch_create_customers([NewCustomer(contact=CONTACT)] * 2, request_id=ids[1])
            card = await storefront.add_card(plain.customer.customer_id, CARD, sealed=False, request_id=ids[2])
            answers = (plain, batch, card)
            for sealed in (
                storefront.create_customer(NewCustomer(cards=[CARD]), request_id=ids[3]),
                storefront.add_card(plain.customer.customer_id, CARD, request_id=ids[4]),
            ):
                if again:
                    with pytest.raises(AlreadyExists):
                        await sealed
                else:
                    await sealed
            [result] = await storefront.batch_create_customers([NewCustomer(cards=[CARD])], request_id=ids[5])
            assert isinstance(result, AlreadyExists) == again
        if not again:
            first = answers
    assert answers == first
    assert not any(isinstance(result, VaultError) for result in batch)
    async with ProvisioningClient.open(caller("provisioning")) as provisioning:
        assert len(await provisioning.list_cards(plain.customer.customer_id)) == 3


async def test_changes_and_deletions_against_a_real_vault(running_vault: RunningVault) -> None:
    """A repetition succeeds, also when the record is gone; another call under the same id is refused."""
    caller, customer, one, two, three = running_vault.caller, new_id(), fresh(), fresh(), fresh()
    async with (
        StorefrontClient.open(caller("storefront")) as storefront,
        CareClient.open(caller("care")) as care,
        OfficerClient.open(caller("officer")) as officer,
    ):
        await storefront.create_customer(NewCustomer(customer, CONTACT, [CARD]))
        first = await care.put_contact(customer, Contact(city="Paris"), fields=["city"], request_id=one)
        await care.put_contact(customer, Contact(city="Rome"), fields=["city"])
        assert await care.put_contact(customer, Contact(city="Paris"), fields=["city"], request_id=one) == first
        assert (await care.get_contact(customer)).city == "Rome"
        with pytest.raises(InvalidArgument) as reused:
            await care.put_contact(customer, Contact(city="Oslo"), fields=["city"], request_id=one)
        assert reused.value.reason == REASON_REQUEST_ID_REUSED
        [card] = await care.list_cards(customer)
        for _ in range(2):
            await care.delete_card(card.record_name, request_id=two)
            await care.delete_contact(customer, request_id=three)
        with pytest.raises(NotFound):
            await care.delete_card(card.record_name)
        receipts = [await officer.erase_customer(customer, request_id=one) for _ in range(2)]
        assert [receipt.keys_destroyed > 0 for receipt in receipts] == [True, False]
