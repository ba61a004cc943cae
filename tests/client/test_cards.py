"""The way of a card: sealed by the storefront, kept by the vault, opened by billing."""

import dataclasses
from datetime import UTC, datetime

import pytest

from tests.client.conftest import CARD
from tests.client.fake_vault import NOW_MS, FakeVault
from vault.client import BillingClient, Card, Contact, NewCustomer, OpenedCard, StorefrontClient
from vault.crypto.fields import plaintexts
from vault.domain.fields import protected_fields
from vault.errors import AlreadyExists, DataLoss, FailedPrecondition, InvalidArgument, NotFound, VaultError
from vault.v1.status_pb2 import REASON_EPOCH_NOT_USABLE, REASON_KEY_REFUSED


async def test_billing_opens_what_the_storefront_sealed(storefront: StorefrontClient, billing: BillingClient) -> None:
    """Every field arrives, with brand and last four derived, and the times."""
    info = await storefront.add_card("42", CARD, card_id="7f3a")
    card = await billing.get_card("customers/42/cards/7f3a")
    assert info.record_name == card.record_name == "customers/42/cards/7f3a"
    assert (card.card_number, card.expiry, card.holder_name) == ("4111111111111111", "12/2040", "Ada Lovelace")
    assert (card.brand, card.last_four) == ("visa", "1111")
    assert card.create_time == info.create_time == datetime.fromtimestamp(NOW_MS / 1000, UTC)


async def test_the_vault_never_sees_a_sealed_card(vault: FakeVault, storefront: StorefrontClient) -> None:
    """The request holds no value in plain, and its bytes do not hold the number."""
    await storefront.add_card("42", CARD)
    await storefront.create_customer(NewCustomer("43", cards=[CARD]))
    [add], [create] = vault.requests["AddCard"], vault.requests["CreateCustomer"]
    assert not plaintexts(add.card)
    assert not plaintexts(create.cards[0])
    for request in (add, create):
        assert b"4111" not in request.SerializeToString()
        assert b"Lovelace" not in request.SerializeToString()


async def test_a_card_in_plain_is_an_explicit_choice(vault: FakeVault, storefront: StorefrontClient) -> None:
    """With sealed=False the vault seals, and no epoch of the caller's is made."""
    await storefront.add_card("42", CARD, sealed=False)
    assert vault.requests["AddCard"][0].card.card_number == "4111111111111111"
    assert vault.calls["PublishEpoch"] == 0


async def test_the_callers_message_is_not_changed(storefront: StorefrontClient) -> None:
    """The SDK works on a copy."""
    before = CARD.SerializeToString()
    await storefront.add_card("42", CARD)
    assert CARD.SerializeToString() == before


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"card_number": "4111111111111112"}, "card.card_number"),
        ({"expiry": "01/2020"}, "card.expiry"),
        ({"brand": "amex"}, "card.brand"),
    ],
)
async def test_a_wrong_card_is_refused_before_it_is_sealed(
    vault: FakeVault, storefront: StorefrontClient, change: dict[str, str], field: str
) -> None:
    """Sealed values cannot be checked by the vault, so the SDK does; the value is not echoed."""
    card = Card()
    card.CopyFrom(CARD)
    for name, value in change.items():
        setattr(card, name, value)
    with pytest.raises(InvalidArgument) as refused:
        await storefront.add_card("42", card)
    assert refused.value.field == field
    assert not set(change.values()) & set(str(refused.value).split())
    assert vault.calls["AddCard"] == 0


async def test_a_batch_keeps_its_order_and_reports_each_miss(
    storefront: StorefrontClient, billing: BillingClient
) -> None:
    """One answer for each name; a card that is not there spoils no other."""
    for name in ("a", "c"):
        await storefront.add_card("42", CARD, card_id=name)
    cards = await billing.batch_get_cards([f"customers/42/cards/{i}" for i in "abc"])
    assert [type(card) for card in cards] == [OpenedCard, NotFound, OpenedCard]
    assert [c.record_name for c in cards if isinstance(c, OpenedCard)] == [f"customers/42/cards/{i}" for i in "ac"]


async def test_one_altered_card_spoils_no_other(
    vault: FakeVault, storefront: StorefrontClient, billing: BillingClient
) -> None:
    """A batch reports what does not open as DataLoss, in its place."""
    names = [f"customers/42/cards/{i}" for i in "abc"]
    for name in names:
        await storefront.add_card("42", CARD, card_id=name[-1])
    box = vault.cards[names[1]].sealed[0].boxes[0]
    box.ciphertext = box.ciphertext[:-1] + bytes([box.ciphertext[-1] ^ 1])
    cards = await billing.batch_get_cards(names)
    assert [type(card) for card in cards] == [OpenedCard, DataLoss, OpenedCard]
    with pytest.raises(DataLoss):
        await billing.get_card(names[1])


async def test_a_card_moved_to_another_name_does_not_open(
    vault: FakeVault, storefront: StorefrontClient, billing: BillingClient
) -> None:
    """The name is the one asked for, whatever the answer says."""
    await storefront.add_card("42", CARD, card_id="mine")
    await storefront.add_card("66", CARD, card_id="theirs")
    moved = vault.cards["customers/66/cards/theirs"]
    moved.sealed[0].CopyFrom(vault.cards["customers/42/cards/mine"].sealed[0])
    with pytest.raises(DataLoss):
        await billing.get_card("customers/66/cards/theirs")


async def test_an_answer_about_another_card_is_refused(
    vault: FakeVault, storefront: StorefrontClient, billing: BillingClient
) -> None:
    """A vault that swaps whole answers is noticed."""
    await storefront.add_card("42", CARD, card_id="mine")
    vault.after["GetCard"] = lambda _, answer: setattr(answer.card, "record_name", "customers/42/cards/other")
    with pytest.raises(DataLoss, match="another record"):
        await billing.get_card("customers/42/cards/mine")


@pytest.mark.parametrize("field", sorted(protected_fields(Card)))
async def test_a_card_that_comes_in_plain_is_refused(
    vault: FakeVault, storefront: StorefrontClient, billing: BillingClient, field: str
) -> None:
    """Only a vault that is not what it says could send a card field in plain."""
    await storefront.add_card("42", CARD, card_id="7f3a")
    vault.after["GetCard"] = lambda _, answer: setattr(answer.card, field, "4111111111111111")
    with pytest.raises(DataLoss, match="in plain"):
        await billing.get_card("customers/42/cards/7f3a")


async def test_a_mask_opens_only_what_it_names(
    vault: FakeVault, storefront: StorefrontClient, billing: BillingClient
) -> None:
    """Also if the vault sends more."""
    await storefront.add_card("42", CARD, card_id="7f3a")
    card = await billing.get_card("customers/42/cards/7f3a", fields=["brand", "last_four"])
    assert (card.brand, card.last_four, card.card_number, card.holder_name) == ("visa", "1111", "", "")
    assert list(vault.requests["GetCard"][0].read_mask.paths) == ["brand", "last_four"]


@pytest.mark.parametrize("fields", [[], ["cvv"], ["record_name"]])
async def test_a_mask_names_protected_fields(vault: FakeVault, billing: BillingClient, fields: list[str]) -> None:
    """An empty mask would mean all on the wire, so it is refused, and so is an unknown name."""
    with pytest.raises(InvalidArgument):
        await billing.get_card("customers/42/cards/7f3a", fields=fields)
    assert vault.calls["GetCard"] == 0


async def test_listed_cards_are_opened_over_all_pages(storefront: StorefrontClient, billing: BillingClient) -> None:
    """Three cards on two pages."""
    for name in ("a", "b", "c"):
        await storefront.add_card("42", CARD, card_id=name)
    cards = await billing.list_cards("42")
    assert [c.last_four for c in cards if isinstance(c, OpenedCard)] == ["1111"] * 3


async def test_a_listing_of_another_customers_cards_is_refused(
    vault: FakeVault, storefront: StorefrontClient, billing: BillingClient
) -> None:
    """A listed name is the vault's word, but not for whose it is."""
    await storefront.add_card("42", CARD, card_id="mine")
    vault.after["ListCards"] = lambda _, answer: answer.cards.append(vault.cards["customers/42/cards/mine"])
    with pytest.raises(DataLoss):
        await billing.list_cards("66")


async def test_what_is_no_card_is_reported(
    vault: FakeVault, storefront: StorefrontClient, billing: BillingClient
) -> None:
    """A storefront that seals another last four is found out by the reader."""
    await storefront.add_card("42", CARD, card_id="7f3a")
    lying = Card(card_number="4111111111111111", expiry="12/2040", last_four="2222")
    vault.cards["customers/42/cards/7f3a"].sealed[0].CopyFrom(vault.sealed("customers/42/cards/7f3a", lying)[0])
    with pytest.raises(DataLoss, match="last_four"):
        await billing.get_card("customers/42/cards/7f3a")


async def test_a_repr_shows_no_value(storefront: StorefrontClient, billing: BillingClient) -> None:
    """Reprs end up in logs; names and etags are enough there."""
    await storefront.add_card("42", CARD, card_id="7f3a")
    card = await billing.get_card("customers/42/cards/7f3a")
    shown = repr(card) + repr(NewCustomer("42", cards=[CARD]))
    values = [getattr(card, name) for name in protected_fields(Card)]
    assert len(values) == 5
    assert not [value for value in values if value in shown]
    assert "customers/42/cards/7f3a" in shown
    with pytest.raises(dataclasses.FrozenInstanceError):
        card.card_number = ""  # type: ignore[misc]


async def test_a_batch_of_customers_reports_each_refusal_by_its_own_path(
    vault: FakeVault, storefront: StorefrontClient
) -> None:
    """Refused here or there, the path is the item's, and good ones are stored."""
    wrong = Card(card_number="4111111111111112", expiry="12/2040")
    customers = [
        NewCustomer("1", cards=[CARD]),
        NewCustomer("2", cards=[CARD, wrong]),
        NewCustomer("3", contact=Contact(country_code="XC")),
        NewCustomer("4", contact=Contact(country_code="CA")),
    ]
    results = await storefront.batch_create_customers(customers)
    assert [getattr(r, "field", None) for r in results] == [None, "cards[1].card_number", "contact.country_code", None]
    assert str(results[2]) == "contact.country_code: must be a country"
    assert vault.customers == {"1", "4"}


async def test_a_refused_epoch_is_replaced_once(
    vault: FakeVault, storefront: StorefrontClient, billing: BillingClient
) -> None:
    """The card is sealed again under a new epoch and a fresh salt."""
    await storefront.add_card("42", CARD, card_id="a")
    vault.epochs.clear()
    await storefront.add_card("42", CARD, card_id="b")
    first, refused, again = vault.requests["AddCard"]
    assert first.card.sealed[0].epoch_id == refused.card.sealed[0].epoch_id != again.card.sealed[0].epoch_id
    assert refused.card.sealed[0].salt != again.card.sealed[0].salt
    assert refused.request_id != again.request_id
    assert (await billing.get_card("customers/42/cards/b")).last_four == "1111"


async def test_a_refused_epoch_of_a_batch_is_replaced_for_those_items_only(
    vault: FakeVault, storefront: StorefrontClient
) -> None:
    """What was created in the first attempt is not sent twice."""
    await storefront.add_card("42", CARD, card_id="a")
    vault.epochs.clear()
    results = await storefront.batch_create_customers([NewCustomer("1"), NewCustomer("2", cards=[CARD])])
    assert not [r for r in results if isinstance(r, VaultError)]
    assert [len(r.requests) for r in vault.requests["BatchCreateCustomers"]] == [2, 1]


async def test_an_epoch_that_is_refused_twice_is_an_error(vault: FakeVault, storefront: StorefrontClient) -> None:
    """A vault that refuses everything is not asked for ever."""
    vault.before["AddCard"] = lambda _: vault.epochs.clear()
    with pytest.raises(VaultError) as refused:
        await storefront.add_card("42", CARD)
    assert refused.value.reason == REASON_EPOCH_NOT_USABLE
    assert vault.calls["AddCard"] == 2


async def test_a_name_that_is_taken_is_an_error(storefront: StorefrontClient) -> None:
    """A caller that chose the id learns that its first attempt was done."""
    await storefront.add_card("42", CARD, card_id="a")
    with pytest.raises(AlreadyExists):
        await storefront.add_card("42", CARD, card_id="a")


@pytest.mark.parametrize("count", [0, 101])
async def test_a_batch_has_a_size(vault: FakeVault, storefront: StorefrontClient, count: int) -> None:
    """Refused here, with the rule."""
    with pytest.raises(InvalidArgument, match="1 to 100"):
        await storefront.batch_create_customers([NewCustomer()] * count)
    assert not vault.calls


async def test_a_batch_of_nothing_good_is_not_sent(vault: FakeVault, storefront: StorefrontClient) -> None:
    """Each item says why."""
    [refused] = await storefront.batch_create_customers([NewCustomer("4111111111111111")])
    assert isinstance(refused, InvalidArgument)
    assert not vault.calls


async def test_an_answer_of_another_length_is_refused(
    vault: FakeVault, storefront: StorefrontClient, billing: BillingClient
) -> None:
    """It could not be said which result belongs to whom."""
    vault.after["BatchCreateCustomers"] = lambda _, answer: answer.results.pop()
    with pytest.raises(DataLoss, match="one result for each"):
        await storefront.batch_create_customers([NewCustomer("1"), NewCustomer("2")])
    vault.after["BatchGetCards"] = lambda _, answer: answer.results.add()
    with pytest.raises(DataLoss, match="one result for each"):
        await billing.batch_get_cards(["customers/42/cards/a"])


async def test_an_empty_result_is_no_card(vault: FakeVault, billing: BillingClient) -> None:
    """Neither a card nor an error."""
    vault.after["BatchGetCards"] = lambda _, answer: answer.results[0].ClearField("error")
    [result] = await billing.batch_get_cards(["customers/42/cards/a"])
    assert isinstance(result, DataLoss)


async def test_other_preconditions_are_not_tried_again(vault: FakeVault, storefront: StorefrontClient) -> None:
    """Only a refused epoch is worth sealing again."""

    def refuse(_request: object) -> None:
        raise FailedPrecondition(REASON_KEY_REFUSED, "another step comes first")

    vault.before["AddCard"] = refuse
    with pytest.raises(FailedPrecondition, match="another step"):
        await storefront.add_card("42", CARD)
    assert vault.calls["AddCard"] == 1


async def test_a_card_without_times_has_none(
    vault: FakeVault, storefront: StorefrontClient, billing: BillingClient
) -> None:
    """And not 1970."""
    await storefront.add_card("42", CARD, card_id="a")
    vault.cards["customers/42/cards/a"].ClearField("create_time")
    assert (await billing.get_card("customers/42/cards/a")).create_time is None
