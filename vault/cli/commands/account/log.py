"""Show the log of a customer: the lines that care and provisioning added."""

from datetime import UTC, datetime
from pathlib import Path

import click

from vault.cli import moments, options, output, profile
from vault.cli.commands.account.show import CLIENTS
from vault.client import LoggedLine
from vault.client.accounts import AccountKeeper

_DAY = click.DateTime(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ"])


@click.command()
@click.argument("customer_id", metavar="CUSTOMER_ID")
@click.option("--since", type=_DAY, help="Lines from this day or time on, in UTC.")
@click.option("--until", type=_DAY, help="Lines before this day or time, in UTC.")
@click.option("--purpose", help="What for; may be left out where the role has one usual purpose.")
@options.client_options
def command(
    customer_id: str, since: datetime | None, until: datetime | None, purpose: str | None, home: Path, role: str | None
) -> None:
    """Show a customer's log, oldest first, as care unless --as names another role.

    Example:
      customer-vault account log 42
      customer-vault account log 42 --since 2026-11-01 --until 2026-12-01
    """

    async def listed(vault: AccountKeeper) -> list[LoggedLine]:
        asked = vault.list_log_entries(customer_id, start=_utc(since), end=_utc(until), purpose=purpose)
        return [line async for line in asked]

    role = role or "care"
    lines = profile.run(home, role, CLIENTS.get(role, AccountKeeper), listed)
    document = {"lines": [{"time": moments.iso(line.time), "text": line.text} for line in lines]}
    rows = [(moments.iso(line.time), line.text) for line in lines]
    output.emit(document, lambda: output.table(("time", "text"), rows, empty="no lines"))


def _utc(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment else None
