"""Show the orders of the web shop, the oldest first."""

from pathlib import Path

import click

from vault.cli import options, orders, output, profile
from vault.client import OpenedOrder, SalesClient


@click.command()
@options.client_options
def command(home: Path, role: str | None) -> None:
    """Show all orders with what their forms say, as sales unless --as names another role.

    Orders of customers who are restricted are left out. Nothing that pays is in an order.

    Example:
      customer-vault orders list
    """

    async def listed(vault: SalesClient) -> list[OpenedOrder | str]:
        return [order async for order in vault.list_orders()]

    found = profile.run(home, role or "sales", SalesClient, listed)
    opened = [order for order in found if isinstance(order, OpenedOrder)]
    unreadable = [order for order in found if isinstance(order, str)]
    document = {"orders": [orders.document(order) for order in opened], "unreadable": unreadable}
    output.emit(document, lambda: _tell(opened, unreadable))


def _tell(opened: list[OpenedOrder], unreadable: list[str]) -> None:
    output.table(orders.COLUMNS, [orders.row(order) for order in opened], empty="no orders")
    for name in unreadable:
        output.line(f"does not open: {name}", error=True)
