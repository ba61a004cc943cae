"""Bring stores that come from backups into a state that can be served, and say what that costs."""

from pathlib import Path
from typing import Final

import click

from vault.cli import options, output
from vault.cli.backup import progress, put_back
from vault.cli.backup.put_back import Told, Wish
from vault.cli.deployment.layout import Layout

_SHOWN: Final = 20
"""Names in a list for people; --json has all."""


@click.command()
@click.argument(
    "directory",
    metavar="[DIR]",
    type=click.Path(path_type=Path),
    default=options.DEFAULT_HOME,
    envvar="CUSTOMER_VAULT_HOME",
)
@click.option("--data", type=click.Path(path_type=Path), help="A backup of the data store, to be put in its place.")
@click.option("--keys", type=click.Path(path_type=Path), help="A backup of the key store, to be put in its place.")
@click.option(
    "--log",
    "longer",
    type=click.Path(path_type=Path),
    help="A longer copy of the log (an archive, or the old data file): erases and deletes again what it says was.",
)
@click.option("--cut", is_flag=True, help="Entries are missing though neither store shows it: both were put back.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--config", type=click.Path(path_type=Path), help="Another settings file than DIR/vault.toml.")
@options.json_option
def command(  # noqa: PLR0913 - its options
    *,
    directory: Path,
    data: Path | None,
    keys: Path | None,
    longer: Path | None,
    cut: bool,
    dry_run: bool,
    yes: bool,
    config: Path | None,
) -> None:
    """Make the stores of DIR (default: ./vault-dir) fit each other after one or both came from a backup.

    The server must be stopped. Finds which store is behind, says what is lost, and asks before it changes anything.
    Keys that were retired within the restore window open restored rows again; rows whose key is gone are removed and
    named; erased stays erased. A log that lost entries is closed and followed by another, whose key callers must be
    given (pins.json). May be broken off and run again. What was in the stores' places is kept as *.before-restore.

    Example:
      customer-vault restore ./vault-dir --data /backup/data/2026-11-23.db --dry-run
      customer-vault restore ./vault-dir --data /backup/data/2026-11-23.db
      customer-vault restore ./vault-dir --data D.db --keys K.db --cut --log archive.log
    """
    if options.wants_json() and not (yes or dry_run):
        raise click.UsageError("--json asks nobody, so it takes --yes or --dry-run.")
    wish = Wish(Layout(directory), config or Layout(directory).config, data, keys, longer, cut=cut)

    def agree(told: Told) -> bool:
        if dry_run:
            return False
        if not yes:
            _tell_plan(told)
            click.confirm("Go on? What is lost is lost", abort=True, err=True)
        return True

    with progress.shown() as step:
        told = put_back.restore(wish, agree, step)
    output.emit(told.document(), lambda: _tell(told, dry_run=dry_run, plan_was_told=not (yes or dry_run)))


def _tell_plan(told: Told) -> None:
    """What is going to happen, and what is lost by it."""
    if not told.needed:
        output.line("the stores fit each other")
    for log, published, left in told.cut_logs:
        output.line(
            f"{log} was signed up to {output.count(published, 'entry', 'entries')}, and has {left}; it ends here"
        )
    if told.keys_behind:
        output.line("the key store is older than the data")
    output.line(f"{output.count(told.rows, 'row')}, {told.revivable} of which get back a key that was retired since")
    for what, names in told.losses().items():
        if names:
            more = f", and {len(names) - _SHOWN} more (--json names all)" if len(names) > _SHOWN else ""
            output.line(f"{what}: {len(names)}: {', '.join(names[:_SHOWN])}{more}")
    if told.actions:
        writes = ", ".join(f"{count} {action}" for action, count in sorted(told.actions.items()))
        output.line(f"the longer log has what these stores lack: {writes}")
        output.line(
            f"  of these are done again: up to {output.count(told.erase_again, 'erasure')} and "
            f"{output.count(told.delete_again, 'deletion')}"
        )
    if told.erasures:
        output.line(f"{told.erasures} erasures that one store lacks are done there as well")


def _tell(told: Told, *, dry_run: bool, plan_was_told: bool) -> None:
    if not plan_was_told:
        _tell_plan(told)
    if dry_run:
        output.line("nothing was done (--dry-run)")
        return
    for what, count in told.counts.items():
        if count:
            output.line(f"{what.replace('_', ' ')}: {count}")
    for path in told.kept:
        output.line(f"kept: {path}: delete it when all is well; it holds what was there before")
    for step in told.next_steps:
        output.line(f"next: {step}")
