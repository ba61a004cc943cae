"""Another policy while calls are served: refused as a whole, or taken over between two calls."""

import asyncio
from pathlib import Path

import pytest

from tests.vaults import OpenVault, contact
from vault.audit.entry import describe
from vault.errors import ConfigError, PermissionDenied, ResourceExhausted
from vault.v1 import customer_service_pb2 as customers

READS = 'GetContact       = ["provisioning", "care", "billing", "notices", "partners", "legal"]'


def edit(opened: OpenVault, old: str, new: str) -> Path:
    """Change policy.toml as an operator would."""
    path = opened.home / "policy.toml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return path


async def customer(opened: OpenVault) -> str:
    """A customer with a contact."""
    request = customers.CreateCustomerRequest(customer_id="c1", contact=contact())
    await opened.call("storefront", "CustomerService.CreateCustomer", request)
    return "c1"


async def test_a_changed_policy_is_in_force_from_the_next_call_on(vault: OpenVault) -> None:
    """A role loses a method, and has it again."""
    known = await customer(vault)
    assert (await vault.get_contact("provisioning", known)).name
    edit(vault, READS, READS.replace('"provisioning", ', ""))
    await vault.vault.reload_policy()
    with pytest.raises(PermissionDenied):
        await vault.get_contact("provisioning", known)
    edit(vault, READS.replace('"provisioning", ', ""), READS)
    await vault.vault.reload_policy()
    assert (await vault.get_contact("provisioning", known)).name


async def test_a_change_is_in_the_log_with_both_digests(vault: OpenVault) -> None:
    """So is the policy of the start: the log says which was in force when."""
    before = vault.vault.policy.digest
    edit(vault, READS, READS.replace('"provisioning", ', ""))
    await vault.vault.reload_policy()
    said = [describe(entry) for entry in await vault.entries()]
    assert [one["policy"] for one in said if one["action"] == "Vault.Start"] == [before.hex()]
    (change,) = (one for one in said if one["action"] == "Vault.ChangePolicy")
    after = vault.vault.policy.digest
    assert (change["policy_before"], change["policy"]) == (before.hex(), after.hex())
    assert before != after


async def test_the_same_policy_is_no_change(vault: OpenVault) -> None:
    """A file that was touched leaves no entry."""
    before, policy = len(await vault.entries()), vault.vault.policy
    await vault.vault.reload_policy()
    assert len(await vault.entries()) == before
    assert vault.vault.policy is policy


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ('custody = "vault"', 'custody = "glass"', "custody"),
        ('[purposes.partner_offers]\ncustody = "vault"', '[purposes.partner_offers]\ncustody = "caller"', "partner"),
        ('\ncurrent  = "', '\ncurrent  = "00', "current"),
        ("[limits.default]", "[limits.roles.nobody]", "nobody"),
        ("[roles]", "[roles", ""),
    ],
)
async def test_a_refused_policy_leaves_the_one_before(vault: OpenVault, old: str, new: str, key: str) -> None:
    """For what a start refuses, and for a purpose whose key would change hands."""
    known, policy = await customer(vault), vault.vault.policy
    entries = len(await vault.entries())
    edit(vault, old, new)
    with pytest.raises(ConfigError) as refused:
        await vault.vault.reload_policy()
    assert key in refused.value.key
    assert refused.value.file == str(vault.home / "policy.toml")
    assert vault.vault.policy is policy
    assert len(await vault.entries()) == entries
    assert (await vault.get_contact("provisioning", known)).name


async def test_a_new_purpose_of_the_vaults_gets_its_key(vault: OpenVault) -> None:
    """And what is written from then on is read for it."""
    edit(
        vault,
        "[purposes.order_tracking]",
        '[purposes.surveys]\ncustody = "vault"\nroles = ["notices"]\nclause = "Yes."\n\n[purposes.order_tracking]',
    )
    name = '[fields."contact.name"]\naudience = [\n'
    edit(vault, name, f'{name}  "surveys",\n')
    await vault.vault.reload_policy()
    known = await customer(vault)
    assert (await vault.get_contact("notices", known, purpose="surveys")).name == "Ann Example"
    actions = [describe(entry)["action"] for entry in await vault.entries()]
    assert actions.index("Vault.ChangePolicy") < actions.index("Vault.CreateKey", actions.index("Vault.ChangePolicy"))


async def test_a_call_under_way_ends_under_the_policy_that_it_began_with(
    vault: OpenVault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It had been allowed; the next one is not."""
    known = await customer(vault)
    records = vault.parts.records
    begun, go_on, really = asyncio.Event(), asyncio.Event(), records.open

    async def held(*args: object) -> object:
        begun.set()
        await go_on.wait()
        return await really(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(records, "open", held)
    under_way = asyncio.create_task(vault.get_contact("provisioning", known))
    await begun.wait()
    edit(vault, READS, READS.replace('"provisioning", ', ""))
    await vault.vault.reload_policy()
    with pytest.raises(PermissionDenied):
        await vault.get_contact("provisioning", known)
    go_on.set()
    assert (await under_way).name == "Ann Example"


async def test_a_change_that_cannot_be_logged_does_not_happen(
    vault: OpenVault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk: the policy in force is always one that the log names."""
    policy, journal = vault.vault.policy, vault.parts.journal

    async def full(*_: object) -> int:
        raise ResourceExhausted("a disk of the store is full")

    edit(vault, READS, READS.replace('"provisioning", ', ""))
    with monkeypatch.context() as patched:
        patched.setattr(journal, "append", full)
        with pytest.raises(ResourceExhausted):
            await vault.vault.reload_policy()
    assert vault.vault.policy is policy
    await vault.vault.reload_policy()
    assert vault.vault.policy is not policy


async def test_refusals_by_a_limit_are_one_entry_with_their_count(vault: OpenVault) -> None:
    """An entry for each would let whoever floods fill the disk."""
    await vault.vault.log_refused("spiffe://vault.example/care", "ContactService.FindContacts", 250)
    said = describe((await vault.entries())[-1])
    assert (said["outcome"], said["reason"], said["counts"]) == ("DENIED", "RATE_LIMITED", {"refused": 250})
    assert (said["caller"], said["action"]) == ("spiffe://vault.example/care", "ContactService.FindContacts")
