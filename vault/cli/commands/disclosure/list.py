"""List the orders of disclosure."""

from pathlib import Path

import click

from vault.cli import disclosures, moments, options, output, profile
from vault.client import OfficerClient


@click.command()
@click.option("--customer", "customer_id", default="", metavar="ID", help="Only those about this customer.")
@options.client_options
def command(customer_id: str, home: Path, role: str | None) -> None:
    """List orders of disclosure, newest first: their state, who asked, who approved, and until when they keep.

    Called as the officer, unless --as names another role (legal, or an approver).

    Example:
      customer-vault disclosure list --customer 42
    """
    found = profile.run(home, role or "officer", OfficerClient, lambda vault: vault.list_disclosures(customer_id))
    rows = [
        [
            o.order_id,
            disclosures.state(o),
            o.case_reference,
            ", ".join(o.customer_ids),
            moments.iso_ms(o.expire_time_ms),
        ]
        for o in found
    ]
    output.emit(
        {"orders": [disclosures.document(order) for order in found]},
        lambda: output.table(["ORDER", "STATE", "CASE", "CUSTOMERS", "UNTIL"], rows, empty="There are no orders."),
    )
