"""Live keys over their lives: opened, versioned, stepped, cached, destroyed."""

import asyncio
import time

import pytest

from tests.keyring.conftest import BILLING, Deployment
from vault.crypto.epoch import EpochId, open_stanza, step_key
from vault.crypto.hpke import PurposeKeyPair, new_seed
from vault.crypto.sealer import ENVELOPES_PER_STEP
from vault.domain.audience import Purpose
from vault.errors import AlreadyExists, ConfigError, DataLoss, FailedPrecondition, OpenError
from vault.keyring.epochs import Epoch, Stanza
from vault.keyring.keyring import Keyring
from vault.keyring.purposes import Pinned
from vault.keyring.root import FileProvider
from vault.v1 import key_service_pb2 as v1

PAYMENT, PROVISIONING = Purpose("payment"), Purpose("provisioning")
AUDIENCE = "payment+provisioning"


async def opened(keyring: Keyring, purpose: Purpose, epoch_id: bytes, number: int) -> bytes:
    """A step key, the way a read gets it."""
    epoch = await keyring.epochs.get(epoch_id)
    assert epoch is not None
    secrets = await keyring.opening.secrets(purpose, [epoch])
    return keyring.opening.step(purpose, epoch, secrets.get(epoch_id), number).key


async def test_everything_opens_again(deployment: Deployment, keyring: Keyring) -> None:
    """The same keys after a restart: lookup key, purpose keys, log key."""
    again = await deployment.open()
    assert again.lookup_key.reveal() == keyring.lookup_key.reveal()
    assert [(k.purpose, k.version, k.recipient.fingerprint, k.state) for k in again.purposes.all()] == [
        (k.purpose, k.version, k.recipient.fingerprint, k.state) for k in keyring.purposes.all()
    ]
    first, second = await keyring.log_seed("log-0"), await again.log_seed("log-0")
    assert (first[0], first[1].reveal()) == (second[0], second[1].reveal())


async def test_another_root_key_opens_nothing(deployment: Deployment) -> None:
    """And says that it is the wrong one."""
    deployment.provider = FileProvider(deployment.folder / "other.key")
    await deployment.provider.create(1)
    with pytest.raises(ConfigError, match="root key"):
        await deployment.open()


async def test_the_vault_has_no_private_key_of_a_caller(keyring: Keyring) -> None:
    """Only the public half, whatever it is asked."""
    assert keyring.purposes.private(PAYMENT) == []
    assert len(keyring.purposes.private(PROVISIONING)) == 1


async def test_a_key_that_the_policy_does_not_name_is_refused(deployment: Deployment, keyring: Keyring) -> None:
    """Registering needs the operator's word first."""
    stranger = PurposeKeyPair(new_seed())
    with pytest.raises(FailedPrecondition, match="fingerprint"):
        await keyring.purposes.register(PAYMENT, stranger.public_key, Pinned(BILLING.fingerprint), deployment.now)


async def test_a_next_key_becomes_current_by_the_policy(deployment: Deployment, keyring: Keyring) -> None:
    """Pre-active until the policy names it current; then the old one is deactivated."""
    newer = PurposeKeyPair(new_seed())
    both = Pinned(BILLING.fingerprint, newer.fingerprint)
    key = await keyring.purposes.register(PAYMENT, newer.public_key, both, deployment.now)
    assert (key.version, key.state) == (2, v1.KEY_STATE_PRE_ACTIVE)
    assert keyring.purposes.recipients(AUDIENCE)[0].recipient.fingerprint == BILLING.fingerprint
    deployment.pinned[PAYMENT] = Pinned(newer.fingerprint)
    again = await deployment.open()
    assert again.purposes.recipients(AUDIENCE)[0].recipient.fingerprint == newer.fingerprint
    states = {k.version: k.state for k in again.purposes.all() if k.purpose == PAYMENT}
    assert states == {1: v1.KEY_STATE_DEACTIVATED, 2: v1.KEY_STATE_ACTIVE}


async def test_a_pinned_key_that_is_not_registered_stops_the_start(deployment: Deployment, keyring: Keyring) -> None:
    """Nothing is ever sealed to a key that the policy does not name."""
    assert keyring.purposes.active(PAYMENT)
    deployment.pinned[PAYMENT] = Pinned(PurposeKeyPair(new_seed()).fingerprint)
    with pytest.raises(ConfigError, match=r"keys\.payment\.current"):
        await deployment.open()


async def test_a_new_version_of_a_vault_key_opens_old_epochs(deployment: Deployment, keyring: Keyring) -> None:
    """Rotation seals to the new version; the old one goes on opening."""
    await keyring.sealing.prepare({"provisioning": 1}, deployment.now)
    old = keyring.sealing.take("provisioning")
    await keyring.purposes.create_vault_key(PROVISIONING, deployment.now)
    await keyring.sealing.prepare({"provisioning": 1}, deployment.now)
    new = keyring.sealing.take("provisioning")
    assert old.epoch_id != new.epoch_id
    again = await deployment.open()
    for step in (old, new):
        assert await opened(again, PROVISIONING, step.epoch_id, step.number) == step.key


async def test_an_epoch_is_published_before_its_first_use(deployment: Deployment, keyring: Keyring) -> None:
    """With a stanza for each member, which opens under its key."""
    await keyring.sealing.prepare({AUDIENCE: 1}, deployment.now)
    step = keyring.sealing.take(AUDIENCE)
    epoch = await keyring.epochs.get(step.epoch_id)
    assert epoch is not None
    assert (epoch.audience, epoch.owner, epoch.members) == (AUDIENCE, "vault", frozenset({"payment", "provisioning"}))
    stanza = await keyring.epochs.stanza(step.epoch_id, BILLING.fingerprint)
    assert stanza is not None
    secret = open_stanza(stanza, keyring.vault_id, AUDIENCE, step.epoch_id, "payment", BILLING)
    assert step_key(secret, step.number) == step.key


async def test_concurrent_writers_share_one_epoch(deployment: Deployment, keyring: Keyring) -> None:
    """Thirty-two at once publish one."""
    await asyncio.gather(*(keyring.sealing.prepare({AUDIENCE: 1}, deployment.now) for _ in range(32)))
    assert len(await keyring.epochs.page("", 100)) == 1


async def test_an_audience_without_a_key_is_refused(deployment: Deployment) -> None:
    """Before billing has registered, nothing can be sealed to it."""
    ring = await deployment.open()
    with pytest.raises(FailedPrecondition, match="payment has no active key"):
        await ring.sealing.prepare({AUDIENCE: 1}, deployment.now)


async def test_steps_advance_with_use(deployment: Deployment, keyring: Keyring) -> None:
    """After 4,096 envelopes the next is under the next step."""
    await keyring.sealing.prepare({AUDIENCE: ENVELOPES_PER_STEP}, deployment.now)
    numbers = {keyring.sealing.take(AUDIENCE).number for _ in range(ENVELOPES_PER_STEP + 1)}
    assert numbers == {0, 1}


async def test_a_step_ends_by_a_timer_of_90_seconds(
    deployment: Deployment, keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not at the next seal: the key of a busy minute does not lie in memory all night."""
    monkeypatch.setattr("vault.keyring.sealing.STEP_SECONDS", 0.02)
    await keyring.sealing.prepare({AUDIENCE: 1}, deployment.now)
    assert keyring.sealing.take(AUDIENCE).number == 0
    await asyncio.sleep(0.1)
    assert keyring.sealing._sealers[AUDIENCE][0]._sequence.step == 1


async def test_a_day_old_epoch_is_replaced(
    deployment: Deployment, keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a monotonic clock: setting the wall clock changes nothing."""
    await keyring.sealing.prepare({AUDIENCE: 1}, deployment.now)
    first = keyring.sealing.take(AUDIENCE).epoch_id
    later = time.monotonic() + 24 * 3600
    monkeypatch.setattr("vault.keyring.sealing.time.monotonic", lambda: later)
    await keyring.sealing.prepare({AUDIENCE: 1}, deployment.now)
    assert keyring.sealing.take(AUDIENCE).epoch_id != first


async def test_each_purpose_opens_through_its_own_stanza(deployment: Deployment, keyring: Keyring) -> None:
    """An epoch that was opened for one purpose is not open for another."""
    await keyring.sealing.prepare({AUDIENCE: 1}, deployment.now)
    step = keyring.sealing.take(AUDIENCE)
    assert await opened(keyring, PROVISIONING, step.epoch_id, 0) == step.key
    for purpose, number in ((PAYMENT, 0), (PROVISIONING, 1024)):
        with pytest.raises(OpenError):
            await opened(keyring, purpose, step.epoch_id, number)


async def test_caches_are_bounded_and_take_nothing_from_a_call(
    deployment: Deployment, keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is dropped meanwhile is still in the hands of who asked for it."""
    monkeypatch.setattr("vault.keyring.opening._CACHED_STEPS", 3)
    monkeypatch.setattr("vault.keyring.opening._CACHED_EPOCHS", 1)
    monkeypatch.setattr("vault.keyring.epochs._CACHED", 1)
    epochs = []
    for audience in (AUDIENCE, "provisioning"):
        await keyring.sealing.prepare({audience: 1}, deployment.now)
        epoch = await keyring.epochs.get(keyring.sealing.take(audience).epoch_id)
        assert epoch is not None
        epochs.append(epoch)
    for _ in range(2):
        secrets = await keyring.opening.secrets(PROVISIONING, epochs)
        assert set(secrets) == {epoch.epoch_id for epoch in epochs}
        for epoch in epochs:
            for number in range(5):
                keyring.opening.step(PROVISIONING, epoch, secrets[epoch.epoch_id], number)
    assert len(keyring.opening._steps) == 3
    assert len(keyring.opening._secrets) == 1
    assert len(keyring.epochs._cache) == 1


async def test_epochs_and_stanzas_are_insert_only(deployment: Deployment, keyring: Keyring) -> None:
    """Publishing twice is refused whole; a stanza that is there stays."""
    epoch = Epoch(EpochId(bytes(32)), "payment", "somebody", deployment.now)
    stanza = Stanza(PAYMENT, BILLING.fingerprint, b"first")
    await keyring.epochs.publish(epoch, [stanza])
    with pytest.raises(AlreadyExists):
        await keyring.epochs.publish(epoch, [Stanza(PAYMENT, BILLING.fingerprint, b"second")])
    other = Stanza(PAYMENT, PurposeKeyPair(new_seed()).fingerprint, b"other")
    replacing = Stanza(PAYMENT, BILLING.fingerprint, b"third")
    added = await keyring.epochs.add_stanzas([(epoch.epoch_id, other), (epoch.epoch_id, replacing)], deployment.now)
    assert added == 1
    assert await keyring.epochs.stanza(epoch.epoch_id, BILLING.fingerprint) == b"first"


async def test_request_fingerprints_depend_on_everything(keyring: Keyring, deployment: Deployment) -> None:
    """Caller, method, content and day."""
    at, day = deployment.now, 24 * 3600 * 1000
    base = ("caller", "method", b"request", at)
    others = [
        ("other", *base[1:]),
        ("caller", "other", *base[2:]),
        ("caller", "method", b"other", at),
        (*base[:3], at + day),
    ]
    made = [await keyring.requests.fingerprint(*parts) for parts in (base, *others)]
    assert len(set(made)) == 5
    assert await keyring.requests.fingerprint(*base) == made[0]


async def test_day_keys_are_destroyed_after_two_days(keyring: Keyring, deployment: Deployment) -> None:
    """What is left of an old request says nothing of its content; until then its key is there at any hour."""
    day = 24 * 3600 * 1000
    first = await keyring.requests.fingerprint("c", "m", b"r", deployment.now)
    await keyring.requests.fingerprint("c", "m", b"r", deployment.now + day)
    for later, left in ((day, 2), (2 * day, 2), (3 * day, 1), (4 * day, 0)):
        await keyring.requests.destroy_old(deployment.now + later)
        assert len(await keyring.rows.list("request-day-key")) == left
    assert await keyring.requests.fingerprint("c", "m", b"r", deployment.now) != first


async def test_a_next_key_may_come_first(deployment: Deployment) -> None:
    """A start with a registered next key and no current one yet is no contradiction."""
    ring = await deployment.open()
    pinned = Pinned(PurposeKeyPair(new_seed()).fingerprint, BILLING.fingerprint)
    await ring.purposes.register(PAYMENT, BILLING.public_key, pinned, deployment.now)
    deployment.pinned[PAYMENT] = pinned
    assert (await deployment.open()).purposes.active(PAYMENT) is None


async def test_a_system_row_that_does_not_open_is_loss(deployment: Deployment, keyring: Keyring) -> None:
    """A row in another's place is found."""
    row = await deployment.store.system_row("lookup-key", "")
    assert row is not None
    moved = type(row)("log-key", "log-9", 1, row.n, row.sealed)
    await deployment.store.add_system_rows([moved])
    with pytest.raises(DataLoss):
        await keyring.log_seed("log-9")
