"""The drill of docs/recovery.md (T24): backups during writes, a lost disk, a restore, and who is there and who is not.

A customer counts as acknowledged before the backup if the answer came before the backup was begun. What is written
later may be lost, and must be named; who was erased, before or after the backup, must never be back.
"""

import asyncio
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.abuse.billing import Billing
from tests.cli.test_restore import Place
from tests.vaults import CARD_NUMBER, OpenVault, contact, opened
from vault.cli import log_archive
from vault.errors import VaultError
from vault.v1.customer_service_pb2 import EraseCustomerRequest

_MODES = ("data", "keys", "both")


@dataclass(slots=True)
class Shop:
    """What was acknowledged, and when."""

    vault: OpenVault
    cards: dict[str, str] = field(default_factory=dict)
    """Record names of cards, by customer."""
    erased: set[str] = field(default_factory=set)

    async def load(self, first: int, count: int) -> None:
        """Create customers, eight at a time."""

        async def caller(numbers: range) -> None:
            for number in numbers:
                created = await self.vault.create(f"c{number}")
                self.cards[f"c{number}"] = next(name for name in created.record_names if "/cards/" in name)

        await asyncio.gather(*[caller(range(first + i, first + count, 8)) for i in range(8)])

    async def erase(self, *customers: str) -> None:
        """Erase for good."""
        for customer in customers:
            await self.vault.call(
                "officer", "CustomerService.EraseCustomer", EraseCustomerRequest(customer_id=customer)
            )
            self.erased.add(customer)


async def _readable(vault: OpenVault, billing: Billing, shop: Shop, customer: str) -> bool:
    """Whether contact and card can be read, as provisioning and as billing with its own key."""
    try:
        name = (await vault.get_contact(customer_id=customer)).name
        card = await billing.open(vault, shop.cards[customer], await vault.get_card(shop.cards[customer]))
    except VaultError:
        return False
    return name == contact().name and card["card_number"] == CARD_NUMBER


async def _drill(place: Place, mode: str, customers: int) -> tuple[int, int, int, int]:
    """(acknowledged before the backup, lost of these, erased, recovered of these)."""
    async with opened(place.home) as vault:
        shop = Shop(vault)
        await shop.load(0, customers)
        await shop.erase("c1", "c2")
        before = set(shop.cards) - shop.erased
        writing = asyncio.create_task(shop.load(customers, customers))
        data = await asyncio.to_thread(place.backup, "data")
        keys = await asyncio.to_thread(place.backup, "keys")
        await writing
        await shop.erase("c3", "c4", f"c{customers}")
    longer = place.folder / "log.archive"
    log_archive.write(place.home / "data/vault.db", longer, {"log-0": "vault.example/log/log-0"}, None)
    for store in ("data", "keys") if mode == "both" else (mode,):
        shutil.rmtree(place.home / store)
        (place.home / store).mkdir(mode=0o700)
    told = place.restore(
        None if mode == "keys" else data,
        None if mode == "data" else keys,
        longer if mode == "both" else None,
        cut=mode == "both",
    )
    alive = before - shop.erased
    async with opened(place.home) as vault:
        billing = Billing(place.home)
        lost = [who for who in sorted(alive) if not await _readable(vault, billing, shop, who)]
        back = [who for who in sorted(shop.erased) if await _readable(vault, billing, shop, who)]
        later = set(shop.cards) - before - shop.erased
        gone = {who for who in sorted(later) if not await _readable(vault, billing, shop, who)}
    if mode != "both":  # there one store knows what the other lacks
        named = {name.split("/")[1] for name in told.lost}
        assert gone <= named, "what is lost is named"
    return len(alive), len(lost), len(shop.erased), len(back)


async def _run(pristine: Path, folder: Path, mode: str, customers: int, note: Callable[[str], None]) -> None:
    place = Place(shutil.copytree(pristine, folder / "home"), folder)
    acked, lost, erased, back = await _drill(place, mode, customers)
    note(f"{mode}: {acked} customers acknowledged before the backup, lost {lost}; {erased} erased, recovered {back}")
    assert (lost, back) == (0, 0)


@pytest.mark.parametrize("mode", _MODES)
async def test_a_drill_loses_nobody_and_brings_nobody_back(
    pristine: Path, tmp_path: Path, mode: str, figures: Callable[[str], None]
) -> None:
    """A sample."""
    await _run(pristine, tmp_path, mode, 40, figures)


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("mode", _MODES)
async def test_a_long_drill_loses_nobody_and_brings_nobody_back(
    pristine: Path, tmp_path: Path, mode: str, figures: Callable[[str], None]
) -> None:
    """Thousands of customers, so that backups and restore work in many pages."""
    await _run(pristine, tmp_path, mode, 2000, figures)
