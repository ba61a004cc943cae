"""Back up one of the two stores, beside the running server."""

from dataclasses import asdict
from pathlib import Path

import click

from vault.cli import options, output
from vault.cli.backup import progress
from vault.cli.backup.manifest import Manifest
from vault.cli.backup.take import take
from vault.cli.deployment.layout import Layout
from vault.service.settings import Settings
from vault.storage.backup import DATA, KEYS


@click.command()
@click.argument("store", type=click.Choice([DATA, KEYS]))
@click.argument(
    "directory",
    metavar="[DIR]",
    type=click.Path(path_type=Path),
    default=options.DEFAULT_HOME,
    envvar="CUSTOMER_VAULT_HOME",
)
@click.option(
    "--to", "target", required=True, type=click.Path(path_type=Path), help="The file to make; it must be new."
)
@click.option("--config", type=click.Path(path_type=Path), help="Another settings file than DIR/vault.toml.")
@click.option("--pins", type=click.Path(path_type=Path), help="pins.json with the log's key (default: DIR/pins.json).")
@click.option("--same-folder", is_flag=True, help="Let the other store's backups lie in the same folder.")
@options.json_option
def command(
    *, store: str, directory: Path, target: Path, config: Path | None, pins: Path | None, same_folder: bool
) -> None:
    """Copy one store of the vault in DIR (default: ./vault-dir) as it is at one moment; the server may run.

    The copy is looked through and, of the data, the log verified before the file gets its name; FILE.json beside it
    says of which moment it is, with a digest. Back up the data first, then the keys: rows whose keys are missing are
    lost, keys without rows are not. Keep the two in different places: data for as long as you like, keys for days,
    because an erasure reaches no backup of the key store. The root key is in neither: keep a copy of it elsewhere.

    Example:
      customer-vault backup data ./vault-dir --to /backup/data/2026-11-23.db
      customer-vault backup keys ./vault-dir --to /backup/keys/2026-11-23.db
    """
    layout = Layout(directory)
    settings = Settings.load(config or layout.config)
    with progress.shown() as step:
        made = take(settings, store, target, pins or layout.pins, step, same_folder=same_folder)
    output.emit({"file": str(target), **asdict(made)}, lambda: _tell(target, made))


def _tell(target: Path, made: Manifest) -> None:
    logs = ", ".join(f"{log} {output.count(size, 'entry', 'entries')}" for log, size in made.logs.items())
    output.pairs(
        {
            "backup": str(target),
            "of": f"the {'key' if made.store == 'keys' else made.store} store of vault {made.vault_id}",
            "at": made.created_at,
            "size": f"{made.bytes} bytes",
            "sha256": made.sha256,
            "sequence": str(made.sequence),
            "logs": logs,
        }
    )
