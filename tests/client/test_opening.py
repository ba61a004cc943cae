"""Opening: under pinned audiences only, with one question for many unknown epochs, and a bounded memory."""

import asyncio
import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from tests.client.conftest import CARD
from tests.client.fake_vault import BILLING, FakeVault
from vault.client import BillingClient, Card, Contact, OpenedCard, StorefrontClient, epoch_keys
from vault.client.bounded import Bounded
from vault.client.errors import PinMismatch
from vault.client.opening import Sealed
from vault.client.pins import FieldPin
from vault.client.settings import Settings
from vault.crypto.hpke import PurposeKeyPair, new_seed
from vault.errors import ConfigError, DataLoss, Unavailable
from vault.v1.envelope_pb2 import Envelope

Connect = Callable[..., BillingClient]
PLAIN = Card(card_number="4111111111111111", expiry="12/2040", brand="visa", last_four="1111")


def fill(vault: FakeVault, count: int, *, epochs: int = 1) -> list[str]:
    """Cards sealed under some epochs of the vault's."""
    stored = [f"customers/42/cards/{i}" for i in range(count)]
    for at, name in enumerate(stored):
        if at % max(count // epochs, 1) == 0:
            vault.forget_epochs()
        vault.store_card(name, PLAIN)
    return stored


async def test_billing_opens_addresses_but_not_reach(vault: FakeVault, billing: BillingClient) -> None:
    """Contacts for address verification come sealed; phone and e-mail are not for billing."""
    vault.contacts["42"] = Contact(name="Ada", city="London", phone="+15062345678", email="ada@example.com")
    contact = await billing.get_contact("42")
    assert (contact.name, contact.city, contact.phone, contact.email) == ("Ada", "London", "", "")
    only = await billing.get_contact("42", fields=["city"])
    assert (only.name, only.city) == ("", "London")


async def test_an_address_in_plain_is_refused(vault: FakeVault, billing: BillingClient) -> None:
    """As a card would be."""
    vault.contacts["42"] = Contact(name="Ada")
    vault.after["GetContact"] = lambda _, answer: setattr(answer.contact, "city", "Paris")
    with pytest.raises(DataLoss, match="in plain"):
        await billing.get_contact("42")


async def test_unknown_epochs_are_asked_for_in_one_call(vault: FakeVault, billing: BillingClient) -> None:
    """And known ones never again."""
    stored = fill(vault, 20, epochs=5)
    cards = await billing.batch_get_cards(stored)
    assert all(isinstance(card, OpenedCard) for card in cards)
    assert [len(request.epoch_ids) for request in vault.requests["GetEpochKeys"]] == [5]
    await billing.batch_get_cards(stored)
    assert vault.calls["GetEpochKeys"] == 1


async def test_concurrent_readers_share_the_question(vault: FakeVault, billing: BillingClient) -> None:
    """One call for an epoch that many want."""
    stored = fill(vault, 10)
    vault.before["GetEpochKeys"] = lambda _: asyncio.sleep(0.1)
    await asyncio.gather(*(billing.get_card(name) for name in stored))
    assert vault.calls["GetEpochKeys"] == 1


async def test_a_reader_that_is_cancelled_does_not_cancel_the_others(vault: FakeVault, billing: BillingClient) -> None:
    """They wait for the same answer."""
    [name] = fill(vault, 1)
    vault.before["GetEpochKeys"] = lambda _: asyncio.sleep(0.2)
    impatient, patient = (asyncio.create_task(billing.get_card(name)) for _ in range(2))
    await asyncio.sleep(0.1)
    impatient.cancel()
    assert (await patient).last_four == "1111"


async def test_a_question_that_failed_is_asked_again(vault: FakeVault, billing: BillingClient) -> None:
    """An error is for those who waited, not for ever."""
    [name] = fill(vault, 1)

    def refuse(_request: object) -> None:
        raise Unavailable("not now")

    vault.before["GetEpochKeys"] = refuse
    with pytest.raises(Unavailable):
        await billing.get_card(name)
    del vault.before["GetEpochKeys"]
    assert (await billing.get_card(name)).last_four == "1111"


async def test_a_former_audience_opens_and_another_does_not(
    vault: FakeVault, settings: Settings, connect: Connect
) -> None:
    """The vault's word on an audience counts only if the pins list it for the field."""
    [name] = fill(vault, 1)
    pinned = dict(settings.pins.fields)
    for field in [f for f in pinned if f.startswith("payment.")]:
        pinned[field] = FieldPin("new_purpose", frozenset({BILLING}))
    former = connect(BillingClient, pins=dataclasses.replace(settings.pins, fields=pinned))
    assert (await former.get_card(name)).last_four == "1111"
    pinned["payment.expiry"] = FieldPin("new_purpose")
    stranger = connect(BillingClient, pins=dataclasses.replace(settings.pins, fields=pinned))
    with pytest.raises(PinMismatch, match=r"payment\.expiry"):
        await stranger.get_card(name, fields=["expiry"])
    assert (await stranger.get_card(name, fields=["last_four"])).last_four == "1111"


async def test_an_older_key_opens_what_the_new_one_does_not(
    vault: FakeVault, settings: Settings, connect: Connect
) -> None:
    """During a rotation: the key in use is asked first, then what is left with the older one."""
    old_card, new_card = fill(vault, 1)[0], "customers/42/cards/new"
    old, new = vault.pairs[BILLING], PurposeKeyPair(new_seed())
    vault.pairs[BILLING] = new
    vault.forget_epochs()
    vault.store_card(new_card, PLAIN)
    both = connect(BillingClient, purpose_keys={BILLING: (new, old)})
    cards = await both.batch_get_cards([old_card, new_card])
    assert all(isinstance(card, OpenedCard) for card in cards)
    asked = [(r.fingerprint, len(r.epoch_ids)) for r in vault.requests["GetEpochKeys"]]
    assert asked == [(new.fingerprint, 2), (old.fingerprint, 1)]


async def test_an_epoch_without_a_stanza_for_us_is_a_loss_of_its_records(
    vault: FakeVault, billing: BillingClient
) -> None:
    """And of no others."""
    stored = fill(vault, 2, epochs=2)
    vault.epochs[vault.cards[stored[0]].sealed[0].epoch_id][1].clear()
    lost, opened = await billing.batch_get_cards(stored)
    assert isinstance(lost, DataLoss)
    assert isinstance(opened, OpenedCard)


async def test_a_forged_stanza_does_not_open(vault: FakeVault, billing: BillingClient) -> None:
    """One byte."""
    [name] = fill(vault, 1)
    vault.after["GetEpochKeys"] = lambda _, answer: setattr(answer.epoch_keys[0], "stanza", bytes(1168))
    with pytest.raises(DataLoss):
        await billing.get_card(name)


@pytest.mark.parametrize(
    ("part", "value"), [("vault_id", bytes(16)), ("purpose", "mail_delivery"), ("fingerprint", bytes(32))]
)
async def test_an_epoch_key_of_something_else_is_refused(
    vault: FakeVault, billing: BillingClient, part: str, value: Any
) -> None:
    """What stands beside the stanza must be what was asked for."""
    [name] = fill(vault, 1)
    vault.after["GetEpochKeys"] = lambda _, answer: setattr(answer.epoch_keys[0], part, value)
    with pytest.raises(PinMismatch):
        await billing.get_card(name)


async def test_an_audience_of_another_spelling_does_not_open(vault: FakeVault, billing: BillingClient) -> None:
    """It is in the stanza's context."""
    [name] = fill(vault, 1)
    vault.after["GetEpochKeys"] = lambda _, answer: setattr(
        answer.epoch_keys[0], "audience", "account_service+payment_processing"
    )
    with pytest.raises(DataLoss):
        await billing.get_card(name)


def box_twice(envelopes: Any) -> None:
    """A field in one envelope twice."""
    envelopes[0].boxes.insert(0, envelopes[0].boxes[0])


def envelope_twice(envelopes: Any) -> None:
    """A field in two envelopes."""
    envelopes.append(envelopes[0])


def empty_envelope(envelopes: Any) -> None:
    """Without boxes."""
    envelopes.append(Envelope(epoch_id=bytes(32), salt=bytes(32)))


def last_step(envelopes: Any) -> None:
    """Beyond the last step."""
    envelopes[0].step = 1024


def short_salt(envelopes: Any) -> None:
    """31 bytes."""
    envelopes[0].salt = bytes(31)


@pytest.mark.parametrize("break_", [box_twice, envelope_twice, empty_envelope, last_step, short_salt])
async def test_malformed_envelopes_are_refused_whole(
    vault: FakeVault, billing: BillingClient, break_: Callable[[Any], None]
) -> None:
    """Also when only one good field is asked for."""
    [name] = fill(vault, 1)
    break_(vault.cards[name].sealed)
    for fields in (None, ["last_four"]):
        with pytest.raises(DataLoss):
            await billing.get_card(name, fields=fields)


async def test_a_large_batch_lets_others_run(vault: FakeVault, billing: BillingClient) -> None:
    """Opening is cut into slices."""
    stored = fill(vault, 500)
    await billing.get_card(stored[0])
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    records = [Sealed(name, vault.cards[name].sealed) for name in stored]
    task = asyncio.create_task(others())
    opened = await billing._opening.open(records, billing._wanted(Card, None))
    task.cancel()
    assert len(opened) == 500
    assert turns >= 4


async def test_the_memory_is_bounded(vault: FakeVault, connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch of more epochs than are remembered opens all the same."""
    monkeypatch.setattr(epoch_keys, "EPOCHS", 3)
    monkeypatch.setattr(epoch_keys, "STEPS", 3)
    billing = connect(BillingClient)
    stored = fill(vault, 8, epochs=8)
    assert all(isinstance(card, OpenedCard) for card in await billing.batch_get_cards(stored))
    assert len(billing._epoch_keys._epochs) == len(billing._epoch_keys._steps) == 3


async def test_billing_needs_its_key(connect: Connect) -> None:
    """The error says where it belongs."""
    with pytest.raises(ConfigError, match=r"client\.toml: purpose_keys\.payment_processing"):
        connect(BillingClient, purpose_keys={})


async def test_closing_forgets_the_keys(vault: FakeVault, billing: BillingClient, storefront: StorefrontClient) -> None:
    """As far as Python lets go of them."""
    await storefront.add_card("42", CARD, card_id="a")
    await billing.get_card("customers/42/cards/a")
    await billing.close()
    assert len(billing._epoch_keys._epochs) == len(billing._epoch_keys._steps) == 0


async def test_closing_ends_questions_that_are_out(vault: FakeVault, connect: Connect) -> None:
    """Whoever waits for one is told."""
    billing = connect(BillingClient)
    [name] = fill(vault, 1)
    asked = asyncio.Event()

    def never(_request: object) -> Any:
        asked.set()
        return asyncio.sleep(60)

    vault.before["GetEpochKeys"] = never
    reader = asyncio.create_task(billing.get_card(name))
    await asked.wait()
    await billing.close()
    with pytest.raises(asyncio.CancelledError):
        await reader


async def test_a_malformed_record_is_no_question(vault: FakeVault, billing: BillingClient) -> None:
    """The vault would refuse the whole batch for an epoch_id of 31 bytes; here it is one record's fault."""
    stored = fill(vault, 2)
    vault.cards[stored[0]].sealed[0].epoch_id = bytes(31)
    lost, opened = await billing.batch_get_cards(stored)
    assert isinstance(lost, DataLoss)
    assert isinstance(opened, OpenedCard)
    assert [len(epoch_id) for r in vault.requests["GetEpochKeys"] for epoch_id in r.epoch_ids] == [32]


async def test_many_epochs_are_opened_in_turns(vault: FakeVault, billing: BillingClient) -> None:
    """An HPKE open takes a tenth of a millisecond: others run in between."""
    stored = fill(vault, 60, epochs=60)
    assert all(isinstance(card, OpenedCard) for card in await billing.batch_get_cards(stored))


def test_a_bounded_cache_drops_what_was_not_used() -> None:
    """Not what is oldest."""
    cache: Bounded[str, int] = Bounded(2)
    cache.put("a", 1)
    cache.put("b", 2)
    assert cache.get("a") == 1
    cache.put("c", 3)
    assert (cache.get("a"), cache.get("b"), cache.get("c")) == (1, None, 3)
