"""Sealing: only for pinned keys and audiences, under an epoch that is published first, with steps that pass by time."""

import asyncio
import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from tests.client.conftest import CARD
from tests.client.fake_vault import ADDRESS, AUDIENCES, BILLING, VAULT_ID, FakeVault
from vault.client import Contact, StorefrontClient, sealing
from vault.client.errors import PinMismatch
from vault.client.pins import FieldPin, PurposePin
from vault.client.settings import Settings
from vault.crypto import fields
from vault.crypto.envelope import Step, open_boxes
from vault.crypto.epoch import EpochId, open_stanza, step_key
from vault.crypto.hpke import PurposeKeyPair, new_seed
from vault.domain.audience import members
from vault.domain.fields import protected_fields
from vault.errors import Unavailable

Connect = Callable[..., StorefrontClient]


async def test_each_audience_has_its_epoch_and_every_member_opens_it(
    vault: FakeVault, storefront: StorefrontClient
) -> None:
    """A contact has two audiences; each member's stanza leads to the values of that audience and no others."""
    contact = Contact(name="Ada", phone="+15062345678", email="ada@example.com")
    name = "customers/42/contact"
    await storefront._sealing.seal(name, contact)
    assert not fields.plaintexts(contact)
    wanted = {f.number: f for f in protected_fields(Contact).values()}
    opened = {}
    for envelope in contact.sealed:
        audience, stanzas = vault.epochs[envelope.epoch_id]
        for purpose in members(audience):
            pair = vault.pairs[purpose]
            secret = open_stanza(stanzas[pair.fingerprint], VAULT_ID, audience, envelope.epoch_id, purpose, pair)
            key = step_key(secret, envelope.step)
            step = Step(audience, EpochId(envelope.epoch_id), envelope.step, key)
            for field, plaintext in open_boxes(VAULT_ID, step, name, envelope, wanted):
                assert AUDIENCES[field.policy_name] == audience
                opened[field.name] = plaintext
    assert opened == {"name": b"Ada", "phone": b"+15062345678", "email": b"ada@example.com"}
    assert len({envelope.epoch_id for envelope in contact.sealed}) == 2


async def test_an_epoch_serves_many_and_is_published_once(vault: FakeVault, storefront: StorefrontClient) -> None:
    """Also when the first callers come at the same time."""
    await asyncio.gather(*(storefront.add_card("42", CARD) for _ in range(10)))
    await storefront.add_card("42", CARD)
    assert (vault.calls["PublishEpoch"], vault.calls["GetRecipients"], vault.calls["AddCard"]) == (1, 1, 11)
    salts = {request.card.sealed[0].salt for request in vault.requests["AddCard"]}
    assert len(salts) == 11


async def test_nothing_is_sealed_before_its_epoch_is_published(vault: FakeVault, storefront: StorefrontClient) -> None:
    """A card under an epoch that the vault does not have could be opened by nobody."""

    def refuse(_request: object) -> None:
        assert vault.calls["AddCard"] == 0
        raise Unavailable("not now")

    vault.before["PublishEpoch"] = refuse
    with pytest.raises(Unavailable):
        await storefront.add_card("42", CARD)
    assert vault.calls["AddCard"] == 0


async def test_a_caller_that_is_cancelled_does_not_cancel_the_others(
    vault: FakeVault, storefront: StorefrontClient
) -> None:
    """They wait for the same epoch."""
    vault.before["PublishEpoch"] = lambda _: asyncio.sleep(0.1)
    impatient = asyncio.create_task(storefront.add_card("42", CARD))
    patient = asyncio.create_task(storefront.add_card("42", CARD))
    await asyncio.sleep(0.05)
    impatient.cancel()
    assert (await patient).record_name
    assert vault.calls["PublishEpoch"] == 1


@pytest.fixture
def steps(vault: FakeVault) -> Callable[[], list[int]]:
    """The steps of the cards that came in."""
    return lambda: [request.card.sealed[0].step for request in vault.requests["AddCard"]]


async def test_a_step_passes_by_a_timer_not_by_the_next_seal(
    storefront: StorefrontClient, steps: Callable[[], list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever breaks in later finds no key of an earlier step, even if nothing was sealed since."""
    monkeypatch.setattr(sealing, "STEP_SECONDS", 0.05)
    await storefront.add_card("42", CARD)
    sealer = storefront._sealing._live[BILLING].sealer
    assert sealer._sequence.step == 0
    await asyncio.sleep(0.2)
    assert sealer._sequence.step == 1
    await asyncio.sleep(0.2)
    assert sealer._sequence.step == 1
    await storefront.add_card("42", CARD)
    assert steps() == [0, 1]


async def test_an_epoch_ends_with_its_time_even_when_idle(
    storefront: StorefrontClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its keys are overwritten by a timer."""
    monkeypatch.setattr(sealing, "EPOCH_SECONDS", 0.05)
    await storefront.add_card("42", CARD)
    sealer = storefront._sealing._live[BILLING].sealer
    await asyncio.sleep(0.2)
    assert not any(sealer._sequence.key)
    assert sealer._sequence.exhausted


async def test_an_old_epoch_is_replaced(
    vault: FakeVault, storefront: StorefrontClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After 24 hours, or with its last step: whatever `alive` says."""
    await storefront.add_card("42", CARD)
    old = storefront._sealing._live[BILLING].sealer
    old.started -= 24 * 3600
    await storefront.add_card("42", CARD)
    one, other = vault.requests["AddCard"]
    assert one.card.sealed[0].epoch_id != other.card.sealed[0].epoch_id
    assert not any(old._sequence.key)


async def test_closing_overwrites_the_epochs(storefront: StorefrontClient) -> None:
    """And stops their timers."""
    await storefront.add_card("42", CARD)
    live = storefront._sealing._live[BILLING]
    await storefront.close()
    assert not any(live.sealer._sequence.key)
    assert all(timer.cancelled() for timer in live.timers)


async def test_the_same_recipients_keep_the_epoch(vault: FakeVault, storefront: StorefrontClient) -> None:
    """They are asked for again every few minutes, and not more often."""
    await storefront.add_card("42", CARD)
    storefront._sealing._live[BILLING].checked -= sealing.RECIPIENTS_SECONDS
    for _ in range(2):
        await storefront.add_card("42", CARD)
    assert (vault.calls["GetRecipients"], vault.calls["PublishEpoch"]) == (2, 1)


async def test_a_new_key_of_a_member_begins_an_epoch(vault: FakeVault, settings: Settings, connect: Connect) -> None:
    """The next key, which the pins list beside the one in use."""
    following = PurposeKeyPair(new_seed())
    current = vault.pairs[BILLING].fingerprint
    purposes = {**settings.pins.purposes, BILLING: PurposePin(current, following.fingerprint)}
    storefront = connect(StorefrontClient, pins=dataclasses.replace(settings.pins, purposes=purposes))
    await storefront.add_card("42", CARD)
    vault.pairs[BILLING] = following
    storefront._sealing._live[BILLING].checked -= 1000
    await storefront.add_card("42", CARD)
    stanzas = [request.stanzas[0].fingerprint for request in vault.requests["PublishEpoch"]]
    assert stanzas == [current, following.fingerprint]


def widen(_request: object, answer: Any) -> None:
    """The vault adds a reader."""
    answer.audiences[0].audience = "account_service+payment_processing"


def leave_out(_request: object, answer: Any) -> None:
    """The vault does not say who reads a field."""
    del answer.audiences[0]


def other_vault(_request: object, answer: Any) -> None:
    """Another deployment answers."""
    answer.vault_id = bytes(16)


def other_key(_request: object, answer: Any) -> None:
    """The vault slips in a key of its own, under the right fingerprint."""
    answer.recipients[0].public_key = PurposeKeyPair(new_seed()).public_key


def second_key(_request: object, answer: Any) -> None:
    """The vault offers two keys of one purpose."""
    answer.recipients.add(purpose=BILLING, public_key=PurposeKeyPair(new_seed()).public_key)


def no_key(_request: object, answer: Any) -> None:
    """The vault offers none."""
    del answer.recipients[:]


def malformed_key(_request: object, answer: Any) -> None:
    """The vault offers something that is no key."""
    answer.recipients[0].public_key = b"x"


@pytest.mark.parametrize("lie", [widen, leave_out, other_vault, other_key, second_key, no_key, malformed_key])
async def test_nothing_is_sealed_to_what_is_not_pinned(
    vault: FakeVault, storefront: StorefrontClient, lie: Callable[[object, Any], None]
) -> None:
    """A rooted vault cannot slip in a key or widen an audience."""
    vault.after["GetRecipients"] = lie
    with pytest.raises(PinMismatch):
        await storefront.add_card("42", CARD)
    assert vault.calls["PublishEpoch"] == vault.calls["AddCard"] == 0


async def test_every_member_must_be_pinned(vault: FakeVault, settings: Settings, connect: Connect) -> None:
    """Also those in the vault's custody."""
    purposes = {name: pin for name, pin in settings.pins.purposes.items() if name != "account_service"}
    storefront = connect(StorefrontClient, pins=dataclasses.replace(settings.pins, purposes=purposes))
    with pytest.raises(PinMismatch, match="account_service"):
        await storefront._sealing.seal("customers/42/contact", Contact(name="Ada"))
    await storefront.add_card("42", CARD)


async def test_a_field_without_a_pin_is_not_sealed(vault: FakeVault, settings: Settings, connect: Connect) -> None:
    """There is no default audience."""
    pinned = {name: pin for name, pin in settings.pins.fields.items() if name != "payment.expiry"}
    storefront = connect(StorefrontClient, pins=dataclasses.replace(settings.pins, fields=pinned))
    with pytest.raises(PinMismatch, match=r"payment\.expiry"):
        await storefront.add_card("42", CARD)
    assert not vault.calls


async def test_only_the_current_audience_is_sealed_for(vault: FakeVault, settings: Settings, connect: Connect) -> None:
    """A former one is for opening."""
    pinned = {**settings.pins.fields, "contact.name": FieldPin(ADDRESS, frozenset({"account_service"}))}
    storefront = connect(StorefrontClient, pins=dataclasses.replace(settings.pins, fields=pinned))
    await storefront._sealing.seal("customers/42/contact", Contact(name="Ada"))
    assert [request.audience for request in vault.requests["PublishEpoch"]] == [ADDRESS]
