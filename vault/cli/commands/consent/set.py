"""Record that a customer gave, refused or withdrew consent to a purpose."""

from datetime import datetime
from pathlib import Path

import click

from vault.cli import options, output, profile, statements
from vault.client import OfficerClient
from vault.client.statements import STATES


@click.command()
@click.argument("customer_id", metavar="ID")
@click.argument("purpose")
@click.argument("state", type=click.Choice(STATES))
@click.option("--notice", default="", metavar="VERSION", help="Privacy notice that was shown; for `given`.")
@click.option("--until", type=click.DateTime(), help="From when on the consent holds no more, in UTC.")
@statements.said_options
@options.client_options
def command(  # noqa: PLR0913 - one for each option
    *,
    customer_id: str,
    purpose: str,
    state: str,
    notice: str,
    until: datetime | None,
    channel: str,
    said_at: datetime | None,
    home: Path,
    role: str | None,
) -> None:
    """Record what a customer said about a purpose that needs consent. It counts from the next read on.

    Called as the officer, unless --as names another role.

    Example:
      customer-vault consent set 42 partner_offers given --notice 2026-11 --channel web_form
      customer-vault consent set 42 partner_offers withdrawn --channel email
    """
    consent = profile.run(
        home,
        role or "officer",
        OfficerClient,
        lambda vault: vault.set_consent(
            customer_id,
            purpose,
            state,
            channel=channel,
            notice_version=notice,
            said_at=statements.in_utc(said_at),
            expires_at=statements.in_utc(until),
        ),
    )
    shown = statements.consent_event(consent.events[-1])
    found = {"record_id": consent.consent_id, "purpose": consent.purpose, **shown}
    output.emit(found, lambda: output.pairs({"customer": customer_id, **found}))
