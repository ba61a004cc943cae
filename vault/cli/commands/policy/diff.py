"""Say in words what a change of the policy would change, and whether it widens a promise."""

import sys
from pathlib import Path

import click

from vault.cli import options, output
from vault.cli.failures import REFUSED
from vault.policy.diff import changes
from vault.policy.load import load


@click.command()
@click.argument("old", type=click.Path(path_type=Path))
@click.argument("new", type=click.Path(path_type=Path))
@options.json_option
def command(old: Path, new: Path) -> None:
    """Compare the policies OLD and NEW, and mark what widens a promise.

    That is what lets more happen than before: somebody reads more, under fewer conditions, for longer, faster, or with
    another key.

    Exit code 1 if a promise is widened, so that a build stops until whoever answers for the policy has agreed; 0 if
    not; 2 if one of the files is no policy. Needs no server.

    Example:
      customer-vault policy diff ./vault-dir/policy.toml ./policy.new.toml
    """
    found = changes(load(old), load(new))
    widened = [change for change in found if change.widens]

    def tell() -> None:
        for change in found:
            output.line(f"{'WIDER ' if change.widens else '      '} {change.text}")
        if not found:
            output.line("no rule changes")
        elif widened:
            output.line(f"{len(widened)} of {len(found)} changes widen a promise")
        else:
            output.line(f"{len(found)} changes, none of which widens a promise")

    each = [{"text": change.text, "widens": change.widens} for change in found]
    output.emit({"old": str(old), "new": str(new), "widened": bool(widened), "changes": each}, tell)
    if widened:
        sys.exit(REFUSED)
