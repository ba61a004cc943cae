"""On a vault of its own: a purpose's key is rotated, and a backup that is put back is noticed."""

import asyncio
import json
import shutil
from pathlib import Path

import pytest

from tests.running import make_home, new_id, serving
from vault.client import BillingClient, Card, NewCustomer, ProvisioningClient, RolledBack, StorefrontClient, settings
from vault.client.settings import Settings
from vault.crypto.hpke import PurposeKeyPair, new_seed
from vault.domain.secret import Secret
from vault.errors import FailedPrecondition, NotFound, VaultError

CARD = Card(card_number="5555555555554444", expiry="11/2040")
BILLING = "payment_processing"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder as `init` makes it."""
    return make_home(tmp_path)


def announce(home: Path, seed: Secret) -> None:
    """What the operator does first: the next fingerprint goes into the policy and to every caller's pins."""
    fingerprint = PurposeKeyPair(seed).fingerprint.hex()
    policy = home / "policy.toml"
    table = f"\n[keys.{BILLING}]\n"
    policy.write_text(policy.read_text().replace(table, f'{table}next = "{fingerprint}"\n'))
    for file in home.glob("callers/*/pins.json"):
        pins = json.loads(file.read_text())
        pins["purposes"][BILLING]["next"] = fingerprint
        file.write_text(json.dumps(pins))


def hand_over(folder: Path, seed: Secret) -> Settings:
    """What the custodian does last: the settings of billing with the new key alone."""
    key = folder / f"{BILLING}.key"
    key.write_text(seed.reveal().hex())
    return settings.load(folder)


async def test_after_a_rotation_the_new_key_opens_what_the_old_one_did(home: Path) -> None:
    """Only stanzas are added; a key that the policy does not name is refused."""
    seed, stranger = new_seed(), new_seed()
    announce(home, seed)
    folder = home / "callers" / "billing"
    with serving(home) as vault:
        async with (
            StorefrontClient.open(vault.caller("storefront")) as storefront,
            BillingClient.open(folder) as billing,
        ):
            created = await storefront.create_customer(NewCustomer(new_id(), cards=[CARD]))
            assert (await billing.register_purpose_key(seed)).version == 2
            with pytest.raises(VaultError):
                await billing.register_purpose_key(stranger)
            assert (await billing.reseal_epochs(seed)).added >= 1
            assert (await billing.reseal_epochs(seed)).added == 0
        async with BillingClient(hand_over(folder, seed)) as renewed:
            assert (await renewed.get_card(created.record_names[0])).last_four == "4444"


async def test_a_key_that_only_the_pins_name_is_refused_by_the_vault(home: Path) -> None:
    """The policy and the pins are two locks."""
    seed = new_seed()
    policy = (home / "policy.toml").read_text()
    announce(home, seed)
    (home / "policy.toml").write_text(policy)
    with serving(home):
        async with BillingClient.open(home / "callers" / "billing") as billing:
            with pytest.raises(FailedPrecondition):
                await billing.register_purpose_key(seed)


async def test_a_backup_that_is_put_back_is_noticed_by_a_restarted_caller(home: Path, tmp_path: Path) -> None:
    """By the first call, from what the state file remembers."""
    folder = home / "callers" / "provisioning"
    toml = folder / "client.toml"
    toml.write_text('state = "witness.json"\n' + toml.read_text())

    async def call() -> int:
        async with ProvisioningClient.open(folder) as caller:
            for _ in range(10):
                with pytest.raises(NotFound):
                    await caller.get_contact("nobody")
            await asyncio.sleep(1.5)  # the vault signs a checkpoint at least every second
            return (await caller.get_checkpoint()).size

    with serving(home):
        before = await call()
    backup = tmp_path / "backup"
    for store in ("data", "keys"):
        shutil.copytree(home / store, backup / store)
    with serving(home):
        assert await call() > before
    for store in ("data", "keys"):
        shutil.rmtree(home / store)
        shutil.copytree(backup / store, home / store)
    with serving(home), pytest.raises(RolledBack):
        await call()
