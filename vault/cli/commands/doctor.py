"""Look at a vault before something breaks: files, certificates, keys, clock, disk."""

import sys
from pathlib import Path

import click

from vault.cli import options, output
from vault.cli.doctor.examine import Examined, Finding, State, examine
from vault.cli.failures import REFUSED


@click.command()
@click.argument(
    "directory",
    metavar="[DIR]",
    type=click.Path(path_type=Path),
    default=options.DEFAULT_HOME,
    envvar="CUSTOMER_VAULT_HOME",
)
@options.json_option
def command(directory: Path) -> None:
    """Check the vault in DIR (default: ./vault-dir), and say for each finding what to do.

    Changes nothing, and may run beside the server, which it asks about its keys. Exit code 1 if there is a problem;
    warnings alone leave it 0.

    Example:
      customer-vault doctor ./vault-dir
    """
    found = list(examine(Examined.of(directory)))
    problem = any(finding.state is State.PROBLEM for _, finding in found)
    output.emit(
        {
            "ok": not problem,
            "findings": [
                {"check": check, "state": each.state.value, "what": each.what, "remedy": each.remedy}
                for check, each in found
            ],
        },
        lambda: _tell(found),
    )
    if problem:
        sys.exit(REFUSED)


def _tell(found: list[tuple[str, Finding]]) -> None:
    for check, finding in found:
        output.line(f"{finding.state.value:<11}  {check}: {finding.what}")
        if finding.remedy:
            output.line(f"{'':<11}  next: {finding.remedy}")
