"""Show a customer's account: status, services, and what they were."""

from pathlib import Path
from typing import Final

import click

from vault.cli import moments, options, output, profile
from vault.client import CareClient, OpenedAccount, ProvisioningClient
from vault.client.accounts import AccountKeeper

CLIENTS: Final[dict[str, type[AccountKeeper]]] = {"provisioning": ProvisioningClient, "care": CareClient}


@click.command()
@click.argument("customer_id", metavar="CUSTOMER_ID")
@click.option("--purpose", help="What for; may be left out where the role has one usual purpose.")
@options.client_options
def command(customer_id: str, purpose: str | None, home: Path, role: str | None) -> None:
    """Show a customer's account, as care unless --as names another role.

    Example:
      customer-vault account show 42
      customer-vault account show 42 --as provisioning
    """
    role = role or "care"
    kind = CLIENTS.get(role, AccountKeeper)
    account = profile.run(home, role, kind, lambda vault: vault.get_account(customer_id, purpose=purpose))
    output.emit(_document(account), lambda: _tell(account))


def _document(account: OpenedAccount) -> dict[str, object]:
    return {
        "record_name": account.record_name,
        "status": account.status,
        "services": list(account.services),
        "history": [
            {
                "status": state.status,
                "services": list(state.services),
                "start_time": moments.iso(state.start_time),
                "end_time": moments.iso(state.end_time),
            }
            for state in account.history
        ],
        "create_time": moments.iso(account.create_time),
        "update_time": moments.iso(account.update_time),
    }


def _tell(account: OpenedAccount) -> None:
    output.pairs(
        {
            "record_name": account.record_name,
            "status": account.status,
            "services": ", ".join(account.services),
            "update_time": moments.iso(account.update_time),
        }
    )
    rows = [
        (moments.iso(state.start_time), moments.iso(state.end_time), state.status, ", ".join(state.services))
        for state in account.history
    ]
    if rows:
        output.table(("from", "to", "status", "services"), rows, empty="")
