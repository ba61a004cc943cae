"""A customer is erased; the thief still has a copy of the data from before."""

import asyncio

from vault.cli import billing, profile
from vault.cli.demo.screen import NotSo, Screen
from vault.cli.demo.stage import Loot, Stage
from vault.cli.demo.steps.s70_thief import owners
from vault.cli.demo.thief import Haul, broken_in
from vault.client import OfficerClient, ProvisioningClient
from vault.domain.names import CustomerId, owner_of_customer
from vault.errors import NotFound


def run(stage: Stage, say: Screen) -> None:
    """Erase, and put the old data beside the key store of now."""
    one = stage.one.customer_id
    receipt = profile.run(stage.home, "officer", OfficerClient, lambda vault: vault.erase_customer(one))
    say.claim(
        f"customer {one} is erased: {receipt.keys_destroyed} keys destroyed, {receipt.records_removed} records removed",
        held=receipt.keys_destroyed == receipt.records_removed == 4 and _gone(stage),  # noqa: PLR2004 - see below
    )
    if stage.loot is None:
        raise NotSo("the thief was here before")
    now, before = asyncio.run(_put_together(stage, stage.loot, stage.steal("after")))
    say.claim(
        f"old data and the key store of now: 0 of {now.records} records open, with any of its {now.keys} keys",
        held=not now.opened and now.records == receipt.records_removed and now.keys > now.records,
    )
    say.claim(
        f"with the key store's copy from then, {len(before.opened)} do open: until it is deleted, so keep it for days",
        held=len(before.opened) == before.records == now.records,
    )


def _gone(stage: Stage) -> bool:
    """Whether the vault answers for none of the customer's records: itself, contact and two cards were there."""
    gone = 0
    try:
        profile.run(
            stage.home, "provisioning", ProvisioningClient, lambda vault: vault.get_contact(stage.one.customer_id)
        )
    except NotFound:
        gone += 1
    try:
        billing.run(stage.home, billing.ROLE, lambda vault: vault.get_card(stage.card))
    except NotFound:
        gone += 1
    return gone == 2  # noqa: PLR2004 - both


async def _put_together(stage: Stage, old: Loot, new: Loot) -> tuple[Haul, Haul]:
    """The customer's old rows under every key of the new key store, and under their own of the old one."""
    erased = owner_of_customer(CustomerId(stage.one.customer_id))
    async with broken_in(old) as thief:
        rows = await thief.rows([erased], "")
        before = thief.force(rows, await thief.keys(rows))
    async with broken_in(new) as thief:
        left = await thief.keys([*rows, *await thief.rows(owners(stage), "")])
        return thief.force(rows, left), before
