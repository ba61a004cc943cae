"""List the messages that wait: state, size, age. Nothing is opened."""

from pathlib import Path

import click

from vault.cli import mailbox, moments, options, output
from vault.client import MailClient
from vault.v1 import mail_service_pb2 as api


@click.command(name="list")
@click.option("--owner", default="", metavar="OWNER", help="customers/ID or domains/NAME; all if left out.")
@click.option("--recipient", default="", metavar="ADDRESS", help="Only messages to this address.")
@click.option("--state", type=click.Choice(sorted(mailbox.STATES)), help="Only in this state.")
@click.option("--by-size", is_flag=True, help="Largest first, instead of oldest first.")
@options.client_options
def command(*, owner: str, recipient: str, state: str | None, by_size: bool, home: Path, role: str | None) -> None:
    """List the messages that wait, oldest first. Sizes, times and states stand in plain; nothing is opened.

    An address is turned into a token here, with the mail system's key: the vault never sees it. Called as the mail
    system, unless --as names another role; no other may, by the shipped policy.

    Example:
      customer-vault mail list
      customer-vault mail list --recipient ann@example.org --state dead
    """

    async def found(vault: MailClient) -> tuple[list[api.QueuedMessage], api.QueueDepth]:
        listed = vault.list_messages(
            owner=owner,
            recipient=recipient,
            state=mailbox.STATES.get(state or "", api.MESSAGE_STATE_UNSPECIFIED),
            order=api.MESSAGE_ORDER_SIZE if by_size else api.MESSAGE_ORDER_UNSPECIFIED,
        )
        return [message async for message in listed], await vault.depth()

    messages, depth = mailbox.run(home, role, found)
    output.emit(
        {"messages": [mailbox.values(each) for each in messages], "queue": _whole(depth)},
        lambda: _show(messages, depth),
    )


def _whole(depth: api.QueueDepth) -> dict[str, object]:
    return {
        "waiting": depth.waiting,
        "leased": depth.leased,
        "dead": depth.dead,
        "size": depth.size,
        "oldest_create_time": moments.of_timestamp(depth.oldest_create_time),
    }


def _show(messages: list[api.QueuedMessage], depth: api.QueueDepth) -> None:
    rows = []
    for message in messages:
        plain = mailbox.values(message)
        shown = (plain["state"], f"{message.size:,}", mailbox.waiting(message), str(message.attempts))
        rows.append([plain["record_name"], *shown, plain["create_time"], plain["due_time"], plain["last_status"]])
    columns = ("message", "state", "bytes", "recipients", "attempts", "stored", "due", "last status")
    output.table(columns, rows, empty="no messages")
    output.line(
        f"The whole queue: {depth.waiting} waiting, {depth.leased} leased, {depth.dead} dead; {depth.size:,} bytes."
    )
