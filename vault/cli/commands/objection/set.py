"""Record that a customer objects to a purpose, or no more."""

from datetime import datetime
from pathlib import Path

import click

from vault.cli import options, output, profile, statements
from vault.client import OfficerClient


@click.command()
@click.argument("customer_id", metavar="ID")
@click.argument("purpose")
@click.option("--withdraw", is_flag=True, help="The customer objects no more.")
@statements.said_options
@options.client_options
def command(
    *,
    customer_id: str,
    purpose: str,
    withdraw: bool,
    channel: str,
    said_at: datetime | None,
    home: Path,
    role: str | None,
) -> None:
    """Record an objection, which stops the purpose from the next read on (GDPR article 21).

    Called as the officer, unless --as names another role.

    Example:
      customer-vault objection set 42 product_news --channel telephone
    """
    objection = profile.run(
        home,
        role or "officer",
        OfficerClient,
        lambda vault: vault.set_objection(
            customer_id, purpose, objects=not withdraw, channel=channel, said_at=statements.in_utc(said_at)
        ),
    )
    found = {"purpose": objection.purpose, **statements.objection_event(objection.events[-1])}
    said = "objects" if not withdraw else "objects no more"
    output.emit(found, lambda: output.pairs({"customer": customer_id, "purpose": purpose, "said": said}))
