"""Lift the restriction of a customer's data."""

from datetime import datetime
from pathlib import Path

import click

from vault.cli import options, output, profile, statements
from vault.client import OfficerClient


@click.command()
@click.argument("customer_id", metavar="ID")
@statements.said_options
@options.client_options
def command(*, customer_id: str, channel: str, said_at: datetime | None, home: Path, role: str | None) -> None:
    """Lift a restriction; tell the customer before (GDPR article 18(3)), and say here how and when that was.

    Called as the officer, unless --as names another role.

    Example:
      customer-vault restriction lift 42 --channel letter
    """
    event = profile.run(
        home,
        role or "officer",
        OfficerClient,
        lambda vault: vault.lift_restriction(customer_id, channel=channel, said_at=statements.in_utc(said_at)),
    )
    found = statements.restriction_event(event)
    output.emit(found, lambda: output.pairs({"customer": customer_id, "restriction": "lifted"}))
