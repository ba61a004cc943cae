"""Say that the witness's checkpoint is lost for good, so that the vault starts without it."""

import asyncio
from pathlib import Path

import click

from vault.cli import options, output
from vault.service import witness_loss
from vault.service.settings import Settings


@click.command()
@click.argument(
    "directory",
    metavar="[DIR]",
    type=click.Path(path_type=Path),
    default=options.DEFAULT_HOME,
    envvar="CUSTOMER_VAULT_HOME",
)
@click.option("--reason", required=True, help="Why, for the auditors: it will stand in the log. No customer's data.")
@options.json_option
def command(directory: Path, reason: str) -> None:
    """Let the vault in DIR (default: ./vault-dir) start although its witness has lost the checkpoint that it had.

    A vault with a [witness] refuses to start when the witness has no checkpoint any more, or one that this vault never
    signed: a thief who puts back older stores would leave that behind. When you know why it is gone, this command,
    with the server stopped, lets the next start go on; that start writes your reason to the log, and hands the witness
    a new checkpoint. It is no way around a witness that has seen more than the stores hold: that is what
    `customer-vault restore` is for.

    Example:
      customer-vault audit accept ./vault-dir --reason "witness volume replaced, ticket 4711"
    """
    asyncio.run(witness_loss.accept(Settings.load(directory / "vault.toml"), reason))
    output.emit({"accepted": True}, lambda: output.line("accepted: the next start logs the reason and goes on"))
