"""Reject a disclosure, or end one before its time."""

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
    """Reject an order, or end one that was approved: nothing is read or kept under it any more.

    Example:
      customer-vault disclosure reject 7f3a --as alice
    """
    order = profile.run(home, person, ApproverClient, lambda vault: vault.reject_disclosure(order_id))
    output.emit(disclosures.document(order), lambda: disclosures.tell(order))
