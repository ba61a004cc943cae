"""Show the newest entries of the log."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import click

from vault.audit.entry import describe
from vault.cli import options, output, profile
from vault.client import AuditorClient

_POLL_S: Final = 5.0
"""Asking is reading the log, which is logged: each question makes the log longer by an entry."""


@click.command()
@click.option("-n", "--count", default=20, show_default=True, type=click.IntRange(min=0), help="How many.")
@click.option("-f", "--follow", is_flag=True, help="Go on with new entries, every 5 seconds.")
@click.option("--log-id", default="", help="Another log than that of the process that answers.")
@options.client_options
def command(*, count: int, follow: bool, log_id: str, home: Path, role: str | None) -> None:
    """Show who did what, for which purpose, with what outcome. The log holds no value and names no customer.

    Called as the auditor, unless --as names another role. With --json each entry is one line. --follow asks every 5
    seconds; reading the log is logged too, so each time it finds at least its own entry.

    Example:
      customer-vault audit tail -n 5
      customer-vault audit tail --follow --json
    """

    async def show(vault: AuditorClient) -> None:
        async for index, entry in _newest(vault, log_id, count, follow=follow):
            _print(index, entry)

    profile.run(home, role or "auditor", AuditorClient, show)


async def _newest(
    vault: AuditorClient, log_id: str, count: int, *, follow: bool
) -> AsyncIterator[tuple[int, dict[str, Any]]]:
    """The last `count` entries, and then, if asked to, what follows."""
    # What the newest checkpoint does not cover yet comes on top: entries are at most a second ahead of it.
    start = max(0, (await vault.get_checkpoint(log_id)).size - count)
    found = [entry async for entry in vault.list_entries(log_id, start_index=start)]
    for entry in found[max(0, len(found) - count) :]:
        yield entry.index, describe(entry.entry)
    upcoming = found[-1].index + 1 if found else start
    while follow:
        await asyncio.sleep(_POLL_S)
        async for entry in vault.list_entries(log_id, start_index=upcoming):
            yield entry.index, describe(entry.entry)
            upcoming = entry.index + 1


def _print(index: int, entry: dict[str, Any]) -> None:
    if options.wants_json():
        click.echo(json.dumps({"index": index, **entry}))
        return
    who = str(entry.get("caller", "")).removeprefix("spiffe://")
    outcome = str(entry.get("outcome", "")).lower()
    reason = f" ({entry['reason']})" if "reason" in entry else ""
    purpose = f" for {entry['purpose']}" if "purpose" in entry else ""
    records = entry.get("records", [])
    what = f" {records[0]['record'] or 'customer'}" if records else ""
    more = f" and {len(records) - 1} more" if len(records) > 1 else ""
    output.line(
        f"{index:>6} {entry.get('time', '')} {outcome}{reason} {who} {entry.get('action', '')}{purpose}{what}{more}"
    )
