"""A thief takes both database files and the root key, and tries everything."""

import asyncio
from collections.abc import Sequence

from vault.cli import profile
from vault.cli.demo.screen import Screen
from vault.cli.demo.stage import Loot, Stage
from vault.cli.demo.thief import Haul, broken_in
from vault.client.billing import PURPOSE
from vault.domain.fields import protected_fields
from vault.domain.names import CustomerId, Owner, owner_of_customer
from vault.v1.records_pb2 import Card, Contact


def run(stage: Stage, say: Screen) -> None:
    """Steal, and look at what opens."""
    stage.loot = stage.steal("stolen")
    contacts, cards, with_key = asyncio.run(_plunder(stage, stage.loot))
    first = stage.one
    found = next((values for values in contacts.opened if values.get("name") == first.name), {})
    say.claim(f"{len(contacts.opened)} of {contacts.records} contacts open, for instance:", held=_all(contacts))
    say.detail(", ".join(found.get(name, "") for name in ("name", "street", "city", "phone", "email")))
    say.claim(
        f"0 of {cards.records} cards open, in {cards.tries:,} tries with all {cards.keys} keys there are",
        held=not cards.opened and cards.records == len(stage.table.good) + 1 and cards.tries > cards.records,
    )
    say.claim(
        f"the tries were real: with billing's private key {len(with_key.opened)} of {with_key.records} open",
        held=_all(with_key),
    )


def owners(stage: Stage) -> Sequence[Owner]:
    """The customers; their ids stand in the data file in plain, so a thief has them."""
    return [owner_of_customer(CustomerId(row.customer_id)) for row in stage.table.good]


async def _plunder(stage: Stage, loot: Loot) -> tuple[Haul, Haul, Haul]:
    """Contacts and cards with what was stolen, and cards with billing's key as well."""
    contact, card = ({f.number: f for f in protected_fields(kind).values()} for kind in (Contact, Card))
    keys = profile.settings_of(stage.home, "billing").purpose_keys[PURPOSE]
    async with broken_in(loot) as thief:
        contacts = await thief.rows(owners(stage), "/contact")
        cards = await thief.rows(owners(stage), "/cards/")
        return (
            await thief.plunder(contacts, contact),
            await thief.plunder(cards, card),
            await thief.plunder(cards, card, *keys),
        )


def _all(haul: Haul) -> bool:
    return len(haul.opened) == haul.records > 0
