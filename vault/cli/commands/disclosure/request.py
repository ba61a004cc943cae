"""Ask for a disclosure, which two people must then approve."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from vault.cli import disclosures, options, output, profile
from vault.client import LegalClient
from vault.client.disclosures import GROUNDS


@click.command()
@click.argument("customer_ids", metavar="ID...", nargs=-1, required=True)
@click.option("--field", "fields", multiple=True, required=True, help="Policy name, such as contact.name; repeatable.")
@click.option("--ground", type=click.Choice(GROUNDS), required=True, help="Why, in the privacy policy's words.")
@click.option("--case", "case", required=True, help="Case reference.")
@click.option("--days", type=click.IntRange(1, 366), default=30, show_default=True, help="When it ends by itself.")
@click.option("--id", "order_id", default="", help="Id of the order; random if left out.")
@options.client_options
def command(  # noqa: PLR0913 - one for each option
    *,
    customer_ids: tuple[str, ...],
    fields: tuple[str, ...],
    ground: str,
    case: str,
    days: int,
    order_id: str,
    home: Path,
    role: str | None,
) -> None:
    """Ask to read fields of customers. What the order would cover is kept from now on, for a week until it is approved.

    Called as legal, unless --as names another role.

    Example:
      customer-vault disclosure request 42 --field contact.name --ground legal_action --case "12 O 34/26"
    """
    # Short of whole days, so that the longest is within what the vault takes, whose clock may be behind.
    expires = datetime.now(UTC) + timedelta(days=days) - timedelta(minutes=5)
    order = profile.run(
        home,
        role or "legal",
        LegalClient,
        lambda vault: vault.request_disclosure(
            customer_ids, fields, ground=ground, case_reference=case, expires_at=expires, order_id=order_id
        ),
    )
    output.emit(disclosures.document(order), lambda: disclosures.tell(order))
