"""Print the record of processing activities (GDPR, article 30) that follows from a policy."""

from datetime import UTC, datetime
from pathlib import Path

import click

from vault.cli import options, output
from vault.cli.deployment.layout import Layout
from vault.cli.papers.activities import UNKNOWN, Record, activities, markdown
from vault.policy.load import load


@click.command()
@click.argument("file", metavar="[DIR|FILE]", required=False, type=click.Path(path_type=Path))
@click.option("--controller", default=UNKNOWN, help="Name and address of the controller.")
@click.option("--contact", default=UNKNOWN, help="How the controller is reached.")
@click.option("--officer", default=UNKNOWN, help="The data protection officer, and how that person is reached.")
@click.option("--transfers", default=UNKNOWN, help="Transfers to third countries, and what guards them.")
@options.home_option
@options.json_option
def command(*, file: Path | None, controller: str, contact: str, officer: str, transfers: str, home: Path) -> None:
    """Print, as Markdown, the record of processing activities that FILE, or policy.toml in DIR, says.

    Purposes, data subjects, data, recipients, conditions, how long, and safeguards come from the policy; what no policy
    knows is given by an option, or stands there to be filled in. Needs no server.

    Example:
      customer-vault policy record ./vault-dir --controller "Quality Communications, 1 Main Street" > record.md
    """
    path = file or home
    if path.is_dir() or file is None:
        path = Layout(path).policy
    policy = load(path)
    today = datetime.now(UTC).date().isoformat()
    record = Record(controller, contact, officer, transfers, policy.digest.hex(), today, activities(policy))

    def tell() -> None:
        for line in markdown(record).split("\n"):
            output.line(line)

    output.emit(record.document(), tell)
