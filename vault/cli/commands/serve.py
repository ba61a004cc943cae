"""Run the server of a vault until it is told to stop."""

import sys
from pathlib import Path

import click

from vault.cli import options, output
from vault.cli.deployment.layout import Layout
from vault.server import app
from vault.service.vault import Vault


@click.command()
@click.argument(
    "directory",
    metavar="[DIR]",
    type=click.Path(path_type=Path),
    default=options.DEFAULT_HOME,
    envvar="CUSTOMER_VAULT_HOME",
)
@click.option("--config", type=click.Path(path_type=Path), help="Another settings file than DIR/vault.toml.")
@options.json_option
def command(directory: Path, config: Path | None) -> None:
    """Serve the vault in DIR (default: ./vault-dir) until SIGTERM or Ctrl-C, and stop in order.

    One line on standard output says when calls are answered, and where. The server's log is JSON on standard error.

    Example:
      customer-vault serve ./vault-dir
      customer-vault serve --config /etc/customer-vault/vault.toml
    """
    file = config or Layout(directory).config
    sys.exit(app.run(file, Vault.open, ready=_ready))


def _ready(address: str) -> None:
    # click.echo flushes: whoever started the server in a pipe waits for this line.
    output.emit({"ready": address}, lambda: output.line(f"ready: {address}"))
