"""A message waits for its delivery: the thief comes by, then it is delivered and gone."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from vault.cli import profile
from vault.cli.demo import mailbox
from vault.cli.demo.mailbox import Mailbox
from vault.cli.demo.screen import Screen
from vault.cli.demo.stage import Loot, Stage, free_address
from vault.cli.demo.steps.s70_thief import owners
from vault.cli.demo.thief import Haul, broken_in
from vault.cli.deployment.layout import MAIL, Layout
from vault.client.mail import PURPOSE
from vault.domain.fields import protected_fields
from vault.domain.names import CustomerId, owner_of_customer
from vault.storage.port import Row
from vault.v1.records_pb2 import Message

_TEXT: Final = b"Subject: Your new password\r\n\r\nIt is: correct horse battery staple\r\n"
_SECONDS: Final = 30.0


def run(stage: Stage, say: Screen) -> None:
    """Send, steal, deliver, and steal again."""
    person = stage.table.good[43]
    taking, hop = free_address(), free_address()
    config = Layout(stage.home).caller(MAIL) / "gateway.toml"
    config.write_text(_settings(taking, hop))
    config.with_name("owners").write_text(f"{person.email} {person.customer_id}\n")
    box = Mailbox()
    with mailbox.gateway(config, stage.folder / "gateway.log"):
        taken = mailbox.send(taking, person.email, _TEXT)
        then = stage.steal("while-it-waits")
        say.claim(
            "a message came in by SMTP and waits; no byte of it stands in the files", held=taken and _hidden(then)
        )
        rows, without, with_key = asyncio.run(_look(stage, then, person.customer_id))
        say.claim(
            f"the thief opens {len(without.opened)} of {without.records} messages; with mail's private key "
            f"{len(with_key.opened)} of {with_key.records}",
            held=not without.opened and len(with_key.opened) == with_key.records == 1,
        )
        with box.listening(hop):
            delivered = _within(lambda: len(box.texts) == 1) and box.texts == [_TEXT]
            gone = _within(lambda: not asyncio.run(_look(stage, stage.steal(_fresh()), person.customer_id))[0])
        say.claim("the next mail server is back: delivered, byte for byte, and gone", held=delivered and gone)
    forced = asyncio.run(_force(stage, rows))
    say.claim(
        f"also from the copy of before: {len(forced.opened)} of {forced.records} open, with any of {forced.keys} keys",
        held=not forced.opened and forced.records == 1 and forced.keys > 1,
    )


def _settings(taking: str, hop: str) -> str:
    return (
        f'hostname = "gateway.example.org"\n[front]\nsmtp = "{taking}"\n[relay]\nnext_hop = "smtp:{hop}"\n'
        '[owners]\nfile = "owners"\n'
    )


def _hidden(loot: Loot) -> bool:
    files = list(loot.data.parent.iterdir())
    return bool(files) and not any(b"battery staple" in path.read_bytes() for path in files)


def _fresh() -> str:
    return f"look-{time.monotonic_ns()}"


def _within(true: Callable[[], bool]) -> bool:
    until = time.monotonic() + _SECONDS
    while not true():
        if time.monotonic() > until:
            return False
        time.sleep(0.1)
    return True


async def _look(stage: Stage, loot: Loot, customer: str) -> tuple[list[Row], Haul, Haul]:
    """A customer's messages, as far as they open without mail's key, and with it."""
    sender = {field.number: field for name, field in protected_fields(Message).items() if name == "sender"}
    keys = profile.settings_of(stage.home, MAIL).purpose_keys[PURPOSE]
    async with broken_in(loot) as thief:
        rows = await thief.rows([owner_of_customer(CustomerId(customer))], "/messages/")
        return rows, await thief.plunder(rows, sender), await thief.plunder(rows, sender, *keys)


async def _force(stage: Stage, rows: list[Row]) -> Haul:
    """The row of before under every record key of now."""
    async with broken_in(stage.steal(_fresh())) as thief:
        return thief.force(rows, await thief.keys([*rows, *await thief.rows(owners(stage), "")]))
