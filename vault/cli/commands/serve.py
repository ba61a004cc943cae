"""Run the server of a vault until it is told to stop."""

import sys
from pathlib import Path

import click

from vault.cli import options, output
from vault.cli.deployment.layout import Layout
from vault.cli.doctor.checks import stores
from vault.cli.doctor.examine import Examined, State
from vault.cli.failures import PUT_BACK_ROOT_KEY
from vault.errors import ConfigError, Unavailable, VaultError
from vault.server import app
from vault.service.settings import Settings
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

    A line on standard output says when calls are answered, and where; a second one where figures and health are told.
    The server's log is JSON on standard error. SIGHUP has policy, certificates and deny-list read again at once.

    Example:
      customer-vault serve ./vault-dir
      customer-vault serve --config /etc/customer-vault/vault.toml
    """
    file = config or Layout(directory).config
    try:
        admin: list[str] = []
        sys.exit(app.run(file, Vault.open, ready=lambda at: _ready(at, admin), told_admin=admin.append))
    except VaultError as error:
        if step := _next_step(error, file):
            error.add_note(step)
        raise


def _next_step(error: VaultError, config: Path) -> str:
    """What to do about a start that failed, where the usual advice is of no use here; empty elsewhere."""
    if isinstance(error, Unavailable):
        return "see the lines above; when the cause is gone, start it again"
    if not isinstance(error, ConfigError) or error.file == str(config):
        return ""
    settings = Settings.load(config)
    if error.file == str(settings.root_key.path) and not settings.root_key.path.exists():
        return PUT_BACK_ROOT_KEY
    if error.file in map(str, (settings.storage.data, settings.storage.keys)):
        # "In use" and "open to others" say what to do themselves; of a damaged or an older file there is a finding.
        found = stores.check(Examined(Layout(config.parent), settings))
        return next((finding.remedy for finding in found if finding.state is State.PROBLEM), "")
    return ""


def _ready(address: str, admin: list[str]) -> None:
    # click.echo flushes: whoever started the server in a pipe waits for this line.
    document = {"ready": address} | ({"admin": admin[0]} if admin else {})
    output.emit(document, lambda: _tell(address, admin))


def _tell(address: str, admin: list[str]) -> None:
    output.line(f"ready: {address}")
    for each in admin:
        output.line(f"admin: http://{each}/metrics, /healthz, /readyz")
