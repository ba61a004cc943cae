"""Run the mail gateway: mail waits in the vault until the next mail server takes it."""

from pathlib import Path

import click

from vault.cli import mail, options, output


@click.command()
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    required=True,
    help="Settings of the gateway; `init` writes some: callers/mail/gateway.toml.",
)
@options.json_option
def command(config: Path) -> None:
    """Take mail by LMTP or SMTP, keep it sealed in the vault, and hand it on, until SIGTERM or Ctrl-C.

    A mail server is told 250 when its message is durable in the vault, and 451 on any doubt. docs/mail.md has the
    lines for Postfix.

    A line on standard output says when mail is taken, and where. The log is JSON on standard error.

    Example:
      customer-vault mail-gateway --config ./vault-dir/callers/mail/gateway.toml
    """
    mail.run(config, _ready)


def _ready(taken: list[str], admin: str) -> None:
    document = {"ready": taken} | ({"admin": admin} if admin else {})
    output.emit(document, lambda: _tell(taken, admin))


def _tell(taken: list[str], admin: str) -> None:
    output.line(f"ready: {', '.join(taken)}")
    if admin:
        output.line(f"admin: http://{admin}/metrics, /healthz, /readyz")
