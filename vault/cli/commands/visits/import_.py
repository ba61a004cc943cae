"""Count the visits in a web server's access log."""

import sys
import time
from pathlib import Path
from typing import Final

import click

from vault.cli import options, output, profile
from vault.cli.importer import progress
from vault.cli.weblog import run
from vault.cli.weblog.state import Progress, StateFile, identity_of
from vault.client.storefront import StorefrontClient
from vault.errors import ConfigError

_NONE: Final = 1


@click.command()
@click.argument("file", metavar="ACCESS.log", type=click.Path(path_type=Path))
@click.option(
    "--state", type=click.Path(path_type=Path), help="Where to keep how far it came (default: ACCESS.log.visits.json)."
)
@options.client_options
def command(file: Path, state: Path | None, home: Path, role: str | None) -> None:
    """Count the visits in ACCESS.log, in nginx's or Apache's common or combined format, in a running vault.

    Addresses, host names, users, referrers, agents and queries end here and are not sent: what is sent are counts by
    domain, hour and page. A line that is no visit is counted by its reason and never shown.

    Run it as often as you like: it goes on where it stopped, in a log that grew too, and counts no line twice. A log
    that was rotated is read from its beginning; import it before the rotation.

    Exit code 0: all lines were dealt with. 1: there were lines, and not one visit; or the vault could not go on.

    Example:
      customer-vault visits import /var/log/nginx/access.log --home ./vault-dir
    """
    try:
        with file.open("rb") as opened:
            identity, size = identity_of(opened), opened.seek(0, 2)
    except OSError as error:
        raise ConfigError(str(file), "", f"cannot be read: {error.strerror}") from None
    role = role or "storefront"
    vault_id = profile.settings_of(home, role).pins.vault_id.hex()
    kept = StateFile(state or file.with_name(f"{file.name}.visits.json"), identity, vault_id)
    before = kept.load()

    async def send(vault: StorefrontClient) -> Progress:
        with progress.shown(size, min(before.offset, size), "bytes") as advance:
            return await run.run(file, vault, time.time_ns() // 1_000_000, kept, advance)

    result = profile.run(home, role, StorefrontClient, send)
    output.emit(
        {
            "lines": result.lines,
            "visits": result.visits,
            "refused": result.refused,
            "new_lines": result.lines - before.lines,
        },
        lambda: _tell(result, result.lines - before.lines),
    )
    if result.lines and not result.visits:
        sys.exit(_NONE)


def _tell(result: Progress, new: int) -> None:
    output.line(f"{new} new lines; of {result.lines} lines of this file, {result.visits} are visits")
    rows = [(str(lines), reason) for reason, lines in sorted(result.refused.items(), key=lambda each: -each[1])]
    if rows:
        output.table(("lines", "not counted, because"), rows, empty="")
