"""Get messages out again, as files; they stay in the vault."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import click
from google.protobuf.json_format import MessageToDict

from vault.cli import mailbox, options, output
from vault.client import FetchedMessage, MailClient
from vault.domain import names
from vault.errors import DataLoss, NotFound, VaultError
from vault.v1 import mail_service_pb2 as api


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@click.option("--owner", default="", metavar="OWNER", help="customers/ID or domains/NAME; all if left out.")
@click.option("--recipient", default="", metavar="ADDRESS", help="Only messages to this address.")
@options.client_options
def command(*, folder: Path, owner: str, recipient: str, home: Path, role: str | None) -> None:
    """Write every message that waits into DIR: its text as OWNER/ID.eml, sender and recipients as OWNER/ID.json.

    Messages are opened here, with the mail system's own key, and stay in the vault; each read is logged. A file is
    there only if all of it was verified, is readable by you alone, and is not written again: an export that was
    stopped goes on where it was. Text and envelope are in plain in DIR; keep it accordingly.

    Example:
      customer-vault mail export ./mail
      customer-vault mail export ./mail --owner domains/example.org
    """
    done = mailbox.run(
        home, role, lambda vault: _export(vault, folder, vault.list_messages(owner=owner, recipient=recipient))
    )
    output.emit(
        {"written": done.written, "there_already": done.there, "gone": done.gone, "failed": done.failed},
        lambda: output.line(
            f"{done.written} written, {done.there} there already, {done.gone} delivered meanwhile, {done.failed} failed"
        ),
    )
    if done.failed:
        raise DataLoss(f"{done.failed} messages could not be read; the first: {done.first}")


class _Done:
    written = there = gone = failed = 0
    first: VaultError | None = None


async def _export(vault: MailClient, folder: Path, messages: AsyncIterator[api.QueuedMessage]) -> _Done:
    done = _Done()
    async for each in messages:
        # What has the form of a name leads nowhere out of the folder, whatever a vault answers.
        _, name = names.parse_message_name(each.record_name)
        file = folder / name.replace("/messages/", "/")
        text = file.with_name(f"{file.name}.eml")
        if text.exists():
            done.there += 1
            continue
        try:
            async with vault.fetch(name) as message:
                await _write(file, text, message)
            done.written += 1
        except NotFound:
            done.gone += 1
        except DataLoss as error:
            done.failed += 1
            done.first = done.first or error
    return done


async def _write(file: Path, text: Path, message: FetchedMessage) -> None:
    """Both files; the text, which says that the message is done, last."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = text.with_name(f"{text.name}.part")
    try:
        part.unlink(missing_ok=True)
        part.touch(mode=0o600)
        with part.open("wb") as to:
            async for chunk in message.chunks():
                to.write(chunk)
        beside = file.with_name(f"{file.name}.json")
        beside.touch(mode=0o600)
        beside.write_text(json.dumps(_envelope(message), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        part.replace(text)
    finally:
        part.unlink(missing_ok=True)


def _envelope(message: FetchedMessage) -> dict[str, object]:
    envelope = message.envelope
    plain = mailbox.values(message.status)
    states = [each["state"] for each in plain["recipients"]]
    return {
        **plain,
        "sender": envelope.sender,
        "recipients": [
            {"address": address, "state": state} for address, state in zip(envelope.recipients, states, strict=False)
        ],
        "dsn": MessageToDict(envelope.dsn) if envelope.dsn is not None else None,
    }
