"""Rotating a purpose's key: a registered key, new stanzas for old epochs, and no record touched."""

import dataclasses
from collections.abc import Callable

import pytest

from tests.client.fake_vault import BILLING, FakeVault
from tests.client.test_opening import fill
from vault.client import BillingClient, OpenedCard, Resealed, paging
from vault.client.errors import PinMismatch
from vault.client.pins import PurposePin
from vault.client.settings import Settings
from vault.crypto.hpke import PurposeKeyPair, new_seed
from vault.domain.secret import Secret
from vault.errors import DataLoss, ResourceExhausted

Connect = Callable[..., BillingClient]


@pytest.fixture
def seed() -> Secret:
    """The new private key."""
    return new_seed()


@pytest.fixture
def custodian(vault: FakeVault, settings: Settings, connect: Connect, seed: Secret) -> BillingClient:
    """Billing, whose pins list the new key as the next."""
    pin = PurposePin(vault.pairs[BILLING].fingerprint, PurposeKeyPair(seed).fingerprint)
    purposes = {**settings.pins.purposes, BILLING: pin}
    return connect(BillingClient, pins=dataclasses.replace(settings.pins, purposes=purposes))


async def test_only_the_public_key_leaves(vault: FakeVault, custodian: BillingClient, seed: Secret) -> None:
    """Under the purpose of the client."""
    key = await custodian.register_purpose_key(seed)
    [request] = vault.requests["RegisterPurposeKey"]
    assert (request.purpose, request.public_key) == (BILLING, PurposeKeyPair(seed).public_key)
    assert key.fingerprint == PurposeKeyPair(seed).fingerprint
    assert seed.reveal() not in request.SerializeToString()


async def test_a_key_that_is_not_pinned_is_not_offered(vault: FakeVault, billing: BillingClient, seed: Secret) -> None:
    """Nobody would seal to it; the order of a rotation was not kept."""
    with pytest.raises(PinMismatch):
        await billing.register_purpose_key(seed)
    with pytest.raises(PinMismatch):
        await billing.reseal_epochs(seed)
    assert not vault.calls


async def test_resealed_epochs_open_with_the_new_key_alone(
    vault: FakeVault, custodian: BillingClient, connect: Connect, seed: Secret, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over several pages, with progress; a second run finds nothing to do."""
    monkeypatch.setattr(paging, "PAGE", 2)
    stored = fill(vault, 5, epochs=5)
    before = {name: card.SerializeToString() for name, card in vault.cards.items()}
    seen: list[Resealed] = []
    assert await custodian.reseal_epochs(seed, seen.append) == Resealed(added=5, unopened=0)
    assert [progress.added for progress in seen] == [2, 4, 5]
    assert await custodian.reseal_epochs(seed) == Resealed()
    assert {name: card.SerializeToString() for name, card in vault.cards.items()} == before
    new = connect(BillingClient, purpose_keys={BILLING: (PurposeKeyPair(seed),)})
    assert all(isinstance(card, OpenedCard) for card in await new.batch_get_cards(stored))


async def test_resealing_goes_on_where_it_stopped(
    vault: FakeVault, custodian: BillingClient, seed: Secret, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was added stays."""
    monkeypatch.setattr(paging, "PAGE", 2)
    fill(vault, 5, epochs=5)

    def break_off(_request: object) -> None:
        if vault.calls["ResealEpochs"] == 2:
            raise ResourceExhausted("the disk is full")

    vault.before["ResealEpochs"] = break_off
    with pytest.raises(ResourceExhausted):
        await custodian.reseal_epochs(seed)
    assert await custodian.reseal_epochs(seed) == Resealed(added=3, unopened=0)


async def test_a_stanza_that_does_not_open_is_counted(vault: FakeVault, custodian: BillingClient, seed: Secret) -> None:
    """The others are sealed again; the old key must not be destroyed before somebody has looked."""
    fill(vault, 3, epochs=3)
    stanzas = next(iter(vault.epochs.values()))[1]
    stanzas[vault.pairs[BILLING].fingerprint] = bytes(1168)
    assert await custodian.reseal_epochs(seed) == Resealed(added=2, unopened=1)


async def test_the_key_in_use_has_nothing_to_be_resealed(
    vault: FakeVault, settings: Settings, connect: Connect, seed: Secret
) -> None:
    """With the new key already among the settings' keys, only the others are gone through."""
    fill(vault, 2, epochs=2)
    new, old = PurposeKeyPair(seed), vault.pairs[BILLING]
    purposes = {**settings.pins.purposes, BILLING: PurposePin(new.fingerprint)}
    custodian = connect(
        BillingClient,
        pins=dataclasses.replace(settings.pins, purposes=purposes),
        purpose_keys={BILLING: (new, old)},
    )
    assert await custodian.reseal_epochs(seed) == Resealed(added=2, unopened=0)
    assert {request.fingerprint for request in vault.requests["GetEpochKeys"]} == {old.fingerprint}


async def test_a_listing_that_goes_in_circles_ends(vault: FakeVault, custodian: BillingClient, seed: Secret) -> None:
    """A page token that repeats."""
    fill(vault, 1)
    vault.after["GetEpochKeys"] = lambda _, answer: setattr(answer, "next_page_token", "again")
    with pytest.raises(DataLoss, match="does not go on"):
        await custodian.reseal_epochs(seed)
