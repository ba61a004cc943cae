"""Show which records a customer has, and since when; no field."""

from pathlib import Path

import click

from vault.cli import moments, options, output, profile
from vault.client import OfficerClient
from vault.v1.customer_service_pb2 import GetCustomerResponse


@click.command()
@click.argument("customer_id", metavar="ID")
@options.client_options
def command(customer_id: str, home: Path, role: str | None) -> None:
    """Show the names of a customer's records, and times; no field is read.

    Called as the officer, unless --as names another role.

    Example:
      customer-vault customer show 42
    """
    found = profile.run(home, role or "officer", OfficerClient, lambda vault: vault.get_customer(customer_id))
    output.emit(_document(found), lambda: _tell(found))


def _document(found: GetCustomerResponse) -> dict[str, object]:
    return {
        "customer_id": found.customer.customer_id,
        "create_time": moments.of_timestamp(found.customer.create_time),
        "update_time": moments.of_timestamp(found.customer.update_time),
        "record_names": list(found.record_names),
    }


def _tell(found: GetCustomerResponse) -> None:
    output.pairs(
        {
            "customer": found.customer.customer_id,
            "created": moments.of_timestamp(found.customer.create_time),
            "changed": moments.of_timestamp(found.customer.update_time),
        }
    )
    for name in found.record_names:
        output.line(name)
