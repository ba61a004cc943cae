"""Move a table of customers in from a CSV file."""

import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click

from vault.cli import options, output, profile
from vault.cli.importer import progress, run, sheet
from vault.cli.importer.rows import Checker
from vault.cli.importer.state import Progress, StateFile
from vault.client.storefront import StorefrontClient
from vault.domain.card import Month

_REFUSED_ALL: Final = 1
_IN_PART: Final = 3
_SHOWN: Final = 50


@click.command()
@click.argument("file", metavar="FILE.csv", type=click.Path(path_type=Path))
@click.option(
    "--state", type=click.Path(path_type=Path), help="Where to keep how far it came (default: FILE.csv.import.json)."
)
@options.client_options
def command(file: Path, state: Path | None, home: Path, role: str | None) -> None:
    """Store the customers of FILE.csv, with contact and card, in a running vault.

    Cards are sealed here, before they are sent. A row that is wrong is refused and named by line and column, without
    its values; all others are stored. An import that was broken off goes on where it stopped when it is run again, and
    a customer who is there already is left as stored; so a corrected file can simply be imported again.

    The first line names the columns: customer_id, name, street, city, region, postal_code, country_code, phone,
    email, card_number, card_expiry (MM/YYYY), card_holder. Cells may be empty, but not customer_id.

    Exit code 0: every row is in the vault. 3: some rows were refused. 1: all were, or the vault could not go on.

    Example:
      customer-vault import customers.csv --home ./vault-dir
    """
    table = sheet.inspect(file)
    role = role or "storefront"
    vault_id = profile.settings_of(home, role).pins.vault_id.hex()
    kept = StateFile(state or file.with_name(f"{file.name}.import.json"), table.digest, vault_id)
    today = datetime.now(UTC)

    async def send(vault: StorefrontClient) -> Progress:
        with progress.shown(table.rows, min(len(kept.load().done) * run.BATCH, table.rows)) as advance:
            return await run.run(table, vault, Checker(Month(today.year, today.month)), kept, advance)

    with sheet.claimed(file):
        result = profile.run(home, role, StorefrontClient, send)
    output.emit(_document(table.rows, result), lambda: _tell(table.rows, result))
    if result.refused:
        sys.exit(_IN_PART if result.stored or result.already_there else _REFUSED_ALL)


def _document(rows: int, result: Progress) -> dict[str, object]:
    return {
        "rows": rows,
        "stored": result.stored,
        "already_there": result.already_there,
        "refused": [asdict(each) for each in result.refused],
    }


def _tell(rows: int, result: Progress) -> None:
    there = f", {result.already_there} were there already and are left as stored" if result.already_there else ""
    output.line(f"stored {result.stored} of {rows} rows{there}, refused {len(result.refused)}")
    if not result.refused:
        return
    shown = [(f"line {each.line}", each.field or "(the row)", each.rule) for each in result.refused[:_SHOWN]]
    output.table(("refused", "column", "because it"), shown, empty="")
    if len(result.refused) > _SHOWN:
        output.line(f"and {len(result.refused) - _SHOWN} more; --json lists all")
    output.line("next: correct these rows and import the file again; what is stored is left as it is")
