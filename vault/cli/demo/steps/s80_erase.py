"""A customer is erased; the thief still has a copy of the data from before."""

import asyncio
import json
import subprocess
import sys
from typing import Any, Final

from vault.cli import billing, profile
from vault.cli.demo import outsider
from vault.cli.demo.screen import NotSo, Screen
from vault.cli.demo.stage import Loot, Stage
from vault.cli.demo.steps.s70_thief import owners
from vault.cli.demo.thief import Haul, broken_in
from vault.cli.deployment.layout import Layout
from vault.client import OfficerClient, ProvisioningClient
from vault.domain.names import CustomerId, owner_of_customer
from vault.errors import NotFound
from vault.v1.customer_service_pb2 import ErasureReceipt

_SECONDS: Final = 30


def run(stage: Stage, say: Screen) -> None:
    """Erase, and put the old data beside the key store of now."""
    one = stage.one.customer_id
    receipt = profile.run(stage.home, "officer", OfficerClient, lambda vault: vault.erase_customer(one))
    say.claim(
        f"customer {one} is erased: {receipt.keys_destroyed} keys destroyed, {receipt.records_removed} records removed",
        held=receipt.keys_destroyed >= receipt.records_removed == 4 and _gone(stage),  # noqa: PLR2004 - see below
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
    said, bent = _receipt(stage, receipt)
    readers = ", ".join(sorted({each["caller"].rpartition("/")[2] for each in said.get("recipients", [])}))
    say.claim(
        "its receipt holds, by a small program that has the log's public key only; one with a word changed does not",
        held=said.get("customer_id") == one and "partners" in readers and not bent,
    )
    say.detail(f"had read the customer before: {readers}")


def _receipt(stage: Stage, receipt: ErasureReceipt) -> tuple[dict[str, Any], dict[str, Any]]:
    """What an outsider believes of the receipt, and of one in which a number was changed."""
    file = profile.run(stage.home, "officer", OfficerClient, lambda vault: vault.prove_erasure(receipt)).text()
    return _believed(stage, file), _believed(stage, file.replace("keys_destroyed", "keys_preserved"))


def _believed(stage: Stage, receipt: str) -> dict[str, Any]:
    """The statement, if `outsider.py` takes it: without this package, and without any other."""
    [(origin, key)] = json.loads(Layout(stage.home).pins.read_text())["logs"].items()
    path = stage.folder / "receipt.json"
    path.write_text(receipt, encoding="utf-8")
    alone = [sys.executable, "-I", "-S", outsider.__file__, str(path), origin, key]
    done = subprocess.run(alone, capture_output=True, encoding="utf-8", check=False, timeout=_SECONDS)  # noqa: S603
    return dict(json.loads(done.stdout)) if done.returncode == 0 else {}


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
