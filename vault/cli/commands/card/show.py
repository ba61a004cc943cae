"""Show a card to billing: brand and last four, or with --reveal all of it."""

from pathlib import Path

import click

from vault.cli import billing, moments, options, output
from vault.client import OpenedCard

_MASKED = ("brand", "last_four")


@click.command()
@click.argument("record_name", metavar="customers/ID/cards/ID")
@click.option("--reveal", is_flag=True, help="Read and print number, expiry and holder as well.")
@options.client_options
def command(*, record_name: str, reveal: bool, home: Path, role: str | None) -> None:
    """Show brand and last four of a card. The card is opened here, with billing's own key; the vault cannot.

    Fields that are not printed are not read either. Called as billing, unless --as names another role; no other may,
    by the shipped policy.

    Example:
      customer-vault card show customers/42/cards/7f3a
      customer-vault card show customers/42/cards/7f3a --as provisioning
    """
    fields = None if reveal else _MASKED
    card = billing.run(home, role, lambda vault: vault.get_card(record_name, fields=fields))
    output.emit(_values(card), lambda: output.pairs(_values(card)))


def _values(card: OpenedCard) -> dict[str, str]:
    found = {
        "record_name": card.record_name,
        "brand": card.brand,
        "last_four": card.last_four,
        "card_number": card.card_number,
        "expiry": card.expiry,
        "holder_name": card.holder_name,
        "create_time": moments.iso(card.create_time),
    }
    return {name: value for name, value in found.items() if value}
