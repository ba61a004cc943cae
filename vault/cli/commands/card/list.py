"""List a customer's cards: brand and last four for billing, names for others."""

from collections.abc import Sequence
from pathlib import Path

import click

from vault.cli import billing, moments, options, output, profile
from vault.client import CareClient, OpenedCard, ProvisioningClient
from vault.client.customers import CardNames
from vault.errors import DataLoss, VaultError

_FIELDS = ("brand", "last_four")
_NAMES_ONLY: dict[str, type[CardNames]] = {"provisioning": ProvisioningClient, "care": CareClient}
"""Roles that may know that there are cards."""


@click.command(name="list")
@click.argument("customer_id", metavar="CUSTOMER_ID")
@options.client_options
def command(customer_id: str, home: Path, role: str | None) -> None:
    """List a customer's cards.

    Billing, as which this is called unless --as names another role, opens brand and last four here, with its own key;
    provisioning and care get names and times.

    Example:
      customer-vault card list 42
      customer-vault card list 42 --as provisioning
    """
    if role in _NAMES_ONLY:
        names = profile.run(home, role, _NAMES_ONLY[role], lambda vault: vault.list_cards(customer_id))
        _show([(info.record_name, "", "", moments.iso(info.create_time)) for info in names])
        return
    cards = billing.run(home, role, lambda vault: vault.list_cards(customer_id, fields=_FIELDS))
    _show([_row(card) for card in cards if isinstance(card, OpenedCard)])
    if broken := [card for card in cards if isinstance(card, VaultError)]:
        # After the others, which are good; the boundary says it as text or as JSON.
        raise DataLoss(f"{len(broken)} of {len(cards)} cards do not open: {broken[0]}")


def _row(card: OpenedCard) -> tuple[str, str, str, str]:
    return card.record_name, card.brand, card.last_four, moments.iso(card.create_time)


def _show(rows: Sequence[tuple[str, str, str, str]]) -> None:
    columns = ("record_name", "brand", "last_four", "create_time")
    output.emit(
        {"cards": [dict(zip(columns, row, strict=True)) for row in rows]},
        lambda: output.table(("card", "brand", "last four", "created"), rows, empty="no cards"),
    )
