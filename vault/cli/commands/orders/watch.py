"""Follow the orders of the web shop as they come."""

import json
from pathlib import Path

import click

from vault.cli import options, orders, output, profile
from vault.client import OrderEvent, SalesClient


@click.command()
@click.option("--after", "token", metavar="TOKEN", default="", help="Go on after the event that had this resume_token.")
@click.option("--once", is_flag=True, help="End when all has been told, instead of waiting for more.")
@options.client_options
def command(token: str, *, once: bool, home: Path, role: str | None) -> None:
    """Follow orders and erasures, the oldest first, each at least once, as sales unless --as names another role.

    With --json each event is one line, with the resume_token to go on after it. It goes on by itself when the
    connection breaks; Ctrl-C ends it.

    Example:
      customer-vault orders watch
      customer-vault orders watch --json --once --after TOKEN
    """
    profile.run(home, role or "sales", SalesClient, lambda vault: _watch(vault, token, once=once))


async def _watch(vault: SalesClient, token: str, *, once: bool) -> None:
    async for event in vault.watch_orders(token, follow=not once):
        _tell(event)


def _tell(event: OrderEvent) -> None:
    if options.wants_json():
        click.echo(json.dumps(orders.event_document(event), ensure_ascii=False))
    else:
        output.line(orders.event_line(event))
