"""Approve a disclosure, as a person."""

from pathlib import Path

import click

from vault.cli import disclosures, options, output, profile
from vault.client import ApproverClient


@click.command()
@click.argument("order_id", metavar="ORDER")
@click.option("--as", "person", metavar="PERSON", required=True, help="Whose personal certificate: alice, bob, …")
@options.home_option
@options.json_option
def command(order_id: str, person: str, home: Path) -> None:
    """Approve an order that somebody else requested. Two people must; the second makes it readable.

    Example:
      customer-vault disclosure approve 7f3a --as alice
    """
    order = profile.run(home, person, ApproverClient, lambda vault: vault.approve_disclosure(order_id))
    output.emit(disclosures.document(order), lambda: disclosures.tell(order))
