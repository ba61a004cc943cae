"""Read a customer's contact under an approved order."""

from pathlib import Path

import click

from vault.cli import options, output, profile
from vault.cli.commands.contact.show import values
from vault.client import LegalClient


@click.command()
@click.argument("order_id", metavar="ORDER")
@click.argument("customer_id", metavar="ID")
@click.option("--field", "fields", multiple=True, help="A field, such as phone; all that it covers if left out.")
@options.client_options
def command(*, order_id: str, customer_id: str, fields: tuple[str, ...], home: Path, role: str | None) -> None:
    """Read what an order covers of a customer's contact; it is opened here, with legal's own key.

    Called as legal, unless --as names another role.

    Example:
      customer-vault disclosure read 7f3a 42
    """
    contact = profile.run(
        home,
        role or "legal",
        LegalClient,
        lambda vault: vault.get_contact(order_id, customer_id, fields=list(fields) or None),
    )
    output.emit(values(contact), lambda: output.pairs(values(contact)))
