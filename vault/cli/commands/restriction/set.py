"""Restrict a customer's data to storage and legal claims."""

from datetime import datetime
from pathlib import Path

import click

from vault.cli import options, output, profile, statements
from vault.client import OfficerClient
from vault.client.statements import GROUNDS


@click.command()
@click.argument("customer_id", metavar="ID")
@click.option("--ground", type=click.Choice(GROUNDS), required=True, help="GDPR article 18(1)(a) to (d).")
@statements.said_options
@options.client_options
def command(
    *, customer_id: str, ground: str, channel: str, said_at: datetime | None, home: Path, role: str | None
) -> None:
    """Restrict a customer (GDPR article 18): nothing is read but under an order, nothing replaced, deleted or erased.

    Called as the officer, unless --as names another role.

    Example:
      customer-vault restriction set 42 --ground accuracy_contested --channel letter
    """
    event = profile.run(
        home,
        role or "officer",
        OfficerClient,
        lambda vault: vault.restrict_customer(customer_id, ground, channel=channel, said_at=statements.in_utc(said_at)),
    )
    found = statements.restriction_event(event)
    output.emit(found, lambda: output.pairs({"customer": customer_id, "restricted": ground}))
