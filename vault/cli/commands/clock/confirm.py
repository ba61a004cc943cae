"""Say that the clock is right, so that deletions which wait for that go on."""

from datetime import UTC, datetime
from pathlib import Path

import click

from vault.cli import moments, options, output
from vault.errors import ConfigError
from vault.service import clock
from vault.service.settings import Settings
from vault.storage import inspect

_TAKEN = (
    "the server takes it within half a minute, or at its start if that is within the hour; see: customer-vault doctor"
)


@click.command()
@click.argument(
    "directory",
    metavar="[DIR]",
    type=click.Path(path_type=Path),
    default=options.DEFAULT_HOME,
    envvar="CUSTOMER_VAULT_HOME",
)
@click.option("--yes", is_flag=True, help="Do not ask: you have compared the clock with another one.")
@options.json_option
def command(directory: Path, yes: bool) -> None:  # noqa: FBT001 - click calls it
    """Say that this machine's clock is right, for the vault in DIR (default: ./vault-dir).

    What the vault destroys by age (replaced keys, remembered requests) waits while its clock is in doubt: after a jump
    of more than 5 minutes, or at a start with a time before, or more than 7 days after, the last one that was right.
    Reads and writes are not affected. Compare with another clock before you say yes: with a clock that runs ahead, keys
    that a restore may need would be gone. Run it as the vault's user, on its machine.

    Example:
      customer-vault clock confirm ./vault-dir
    """
    if not yes and options.wants_json():
        raise click.UsageError("--json asks nobody, so it takes --yes.")
    data = Settings.load(directory / "vault.toml").storage.data
    note = inspect.clock_note(data)
    held = note.doubt if note else ""
    if not yes:
        click.echo(f"held back: {held or 'nothing, as far as the server has noted'}", err=True)
        now = datetime.now(UTC)
        click.confirm(f"Is it {now:%Y-%m-%d %H:%M:%S} UTC, by a clock other than this machine's?", abort=True, err=True)
    try:
        said = clock.confirm(data)
    except ConfigError as error:
        error.add_note("run it as the user that the server runs as")
        raise
    output.emit(
        {"confirmed": moments.iso_ms(said), "held": held},
        lambda: output.line(f"confirmed {moments.iso_ms(said)}; {_TAKEN}"),
    )
