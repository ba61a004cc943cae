"""Show one message: how it stands, or with --reveal also from whom and to whom."""

from pathlib import Path
from typing import Any

import click

from vault.cli import mailbox, options, output
from vault.client import MailClient


@click.command()
@click.argument("record_name", metavar="OWNER/messages/ID")
@click.option("--reveal", is_flag=True, help="Read and print sender and recipients as well; the read is logged.")
@options.client_options
def command(*, record_name: str, reveal: bool, home: Path, role: str | None) -> None:
    """Show how a message stands. With --reveal its envelope is opened here, with the mail system's own key.

    Called as the mail system, unless --as names another role; no other may, by the shipped policy.

    Example:
      customer-vault mail show domains/example.org/messages/7f3a
      customer-vault mail show domains/example.org/messages/7f3a --reveal
    """

    async def found(vault: MailClient) -> dict[str, Any]:
        if not reveal:
            return mailbox.values(await vault.get_message(record_name))
        async with vault.fetch(record_name) as message:
            plain = mailbox.values(message.status)
            for each, address in zip(plain["recipients"], message.envelope.recipients, strict=False):
                each["address"] = address
            return {**plain, "sender": message.envelope.sender or "<>"}

    values = mailbox.run(home, role, found)
    output.emit(values, lambda: _show(values))


def _show(values: dict[str, Any]) -> None:
    recipients = values.pop("recipients")
    output.pairs({name: str(value) for name, value in values.items()})
    for each in recipients:
        output.line("  ".join(str(part) for part in ("recipient", *each.values()) if part != ""))
