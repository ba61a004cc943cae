"""A restore as its operator and its callers see it: real commands, a real server, SDKs before and after.

`test_restore` holds the rules of the stores; here it is what somebody on duty types, and what each caller is told.
"""

import asyncio
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.client.test_real_rotation import announce, hand_over
from tests.running import RunningVault, command, make_home, new_id, serving
from vault.client import (
    BillingClient,
    Card,
    Contact,
    NewCustomer,
    ProvisioningClient,
    StorefrontClient,
    Untrusted,
)
from vault.crypto.hpke import PurposeKeyPair, new_seed
from vault.errors import NotFound

CARD = Card(card_number="5555555555554444", expiry="11/2040")
BILLING = "payment_processing"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder as `init` makes it."""
    return make_home(tmp_path)


async def _create(vault: RunningVault) -> tuple[str, str]:
    """A customer with a contact and a card: its id, and the card's record name."""
    customer = new_id()
    async with StorefrontClient.open(vault.caller("storefront")) as storefront:
        created = await storefront.create_customer(NewCustomer(customer, Contact(name="Ada"), cards=[CARD]))
    return customer, next(name for name in created.record_names if "/cards/" in name)


async def _name(vault: RunningVault, customer: str) -> str:
    async with ProvisioningClient.open(vault.caller("provisioning")) as provisioning:
        return (await provisioning.get_contact(customer)).name


async def _last_four(vault: RunningVault, card: str) -> str:
    async with BillingClient.open(vault.caller("billing")) as billing:
        return (await billing.get_card(card)).last_four


def _backup(vault: RunningVault) -> dict[str, Path]:
    """Of both stores, in folders of their own."""
    files = {store: vault.home.parent / f"backup-{store}" / "b.db" for store in ("data", "keys")}
    for store, file in files.items():
        file.parent.mkdir()
        vault.run("backup", store, str(vault.home), "--to", str(file))
    return files


async def test_callers_with_the_new_pins_go_on_and_those_with_the_old_ones_refuse(home: Path) -> None:
    """Cards and contacts of before are there, the newest customer is named as lost, and nobody is fooled."""
    with serving(home) as vault:
        kept, card = await _create(vault)
        backup = await asyncio.to_thread(_backup, vault)
        lost, _ = await _create(vault)
        assert await _name(vault, lost) == "Ada"
    old = shutil.copytree(home / "callers/provisioning", home.parent / "old-provisioning")
    told = json.loads(command("restore", str(home), "--data", str(backup["data"]), "--yes", "--json").stdout)
    assert f"customers/{lost}/contact" in told["lost"]
    assert not any(kept in name for name in told["lost"])
    with serving(home) as vault:
        assert await _name(vault, kept) == "Ada"
        assert await _last_four(vault, card) == "4444"
        with pytest.raises(NotFound):
            await _name(vault, lost)
        async with ProvisioningClient.open(old) as provisioning:
            with pytest.raises(Untrusted):
                await provisioning.get_contact(kept)
        again, _ = await _create(vault)
        assert await _name(vault, again) == "Ada"
    command("audit", "verify", str(home), "--pins", str(home / "pins.json"))


def test_a_dry_run_and_a_no_change_nothing(home: Path) -> None:
    """Both tell the plan."""
    with serving(home) as vault:
        asyncio.run(_create(vault))
        backup = _backup(vault)
        lost, _ = asyncio.run(_create(vault))
    before = {path: path.read_bytes() for path in home.rglob("*") if path.is_file() and path.suffix != ".lock"}
    args = ("restore", str(home), "--data", str(backup["data"]))
    assert f"customers/{lost}" in command(*args, "--dry-run").stdout
    assert f"customers/{lost}" in command(*args, stdin="n\n", code=1).stdout
    assert {path: path.read_bytes() for path in before} == before


def _set_policy(home: Path, change: Callable[[str], str]) -> None:
    file = home / "policy.toml"
    file.write_text(change(file.read_text()))


@pytest.mark.parametrize("store", ["data", "keys"])
async def test_a_rotation_between_backup_and_restore(home: Path, store: str) -> None:
    """Data of before: the new key opens all. Keys of before: the old one does, and the new one comes again.

    The callers' pins name the next key already and the operator's do not yet: they get the new log's key all the same.
    """
    seed, folder = new_seed(), home / "callers/billing"
    old_seed = (folder / f"{BILLING}.key").read_text()
    old = json.loads((home / "pins.json").read_text())["purposes"][BILLING]["current"]
    with serving(home) as vault:
        _, card = await _create(vault)
        backup = await asyncio.to_thread(_backup, vault)
    new = PurposeKeyPair(seed).fingerprint.hex()
    announce(home, seed)
    with serving(home) as vault:
        async with BillingClient.open(folder) as billing:
            await billing.register_purpose_key(seed)
            await billing.reseal_epochs(seed)
    hand_over(folder, seed)
    command("restore", str(home), f"--{store}", str(backup[store]), "--yes")
    if store == "data":
        with serving(home) as vault:
            assert await _last_four(vault, card) == "4444"
        return
    # The stanzas for the new key went with the key store: the old key opens, until the new one is registered again.
    (folder / f"{BILLING}.key").write_text(old_seed)
    with serving(home) as vault:
        assert await _last_four(vault, card) == "4444"
        async with BillingClient.open(folder) as billing:
            await billing.register_purpose_key(seed)
            assert (await billing.reseal_epochs(seed)).added >= 1
        async with BillingClient(hand_over(folder, seed)) as renewed:
            assert (await renewed.get_card(card)).last_four == "4444"
    assert {old, new} == {k["fingerprint"] for k in _keys(home) if k["purpose"] == BILLING}


def _keys(home: Path) -> list[dict[str, str]]:
    with serving(home) as vault:
        return list(vault.json("keys", "list")["purpose_keys"])


async def test_a_policy_that_names_a_key_which_is_gone_with_the_key_store(home: Path) -> None:
    """The rotation was over, so the policy named the new key alone: the older one comes back into it."""
    seed, folder = new_seed(), home / "callers/billing"
    old_seed = (folder / f"{BILLING}.key").read_text()
    old = json.loads((home / "pins.json").read_text())["purposes"][BILLING]["current"]
    new = PurposeKeyPair(seed).fingerprint.hex()
    with serving(home) as vault:
        _, card = await _create(vault)
        backup = await asyncio.to_thread(_backup, vault)
    announce(home, seed)
    with serving(home) as vault:
        async with BillingClient.open(folder) as billing:
            await billing.register_purpose_key(seed)
            await billing.reseal_epochs(seed)
    _set_policy(home, lambda text: text.replace(f'next = "{new}"\n', "").replace(old, new))
    with serving(home):
        pass
    command("restore", str(home), "--keys", str(backup["keys"]), "--yes")
    refused = command("serve", str(home), code=2).stderr
    assert BILLING in refused
    _set_policy(home, lambda text: text.replace(new, old))
    (folder / f"{BILLING}.key").write_text(old_seed)
    with serving(home) as vault:
        assert await _last_four(vault, card) == "4444"


async def test_both_stores_put_back_are_refused_by_the_witness_until_the_cut_is_said(home: Path) -> None:
    """Then the log that follows is witnessed, and the next start finds its note."""
    note = home.parent / "volume" / "note"
    note.parent.mkdir()
    config = home / "vault.toml"
    config.write_text(f'{config.read_text()}\n[witness]\nfile = "{note}"\nevery_seconds = 0.5\n')
    with serving(home) as vault:
        kept, card = await _create(vault)
        backup = await asyncio.to_thread(_backup, vault)
        lost, _ = await _create(vault)
    both = ("--data", str(backup["data"]), "--keys", str(backup["keys"]))
    command("restore", str(home), *both, "--yes")
    assert "the witness has seen" in command("serve", str(home), code=1).stderr
    told = json.loads(command("restore", str(home), "--cut", "--yes", "--json").stdout)
    assert told["log_id"] == "log-1"
    with serving(home) as vault:
        assert await _name(vault, kept) == "Ada"
        assert await _last_four(vault, card) == "4444"
        with pytest.raises(NotFound):
            await _name(vault, lost)
    assert note.read_bytes().startswith(b"vault.example/log/log-1\n")
    with serving(home) as vault:
        assert await _name(vault, kept) == "Ada"
    command("audit", "verify", str(home), "--witness", str(note))
