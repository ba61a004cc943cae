"""The mail servers around the gateway, for the demo: one that hands a message over, one that takes it.

The one that takes is the gateway's own front over a list: it speaks SMTP, and what it was given can be compared.
"""

import asyncio
import smtplib
import subprocess
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, cast

from vault.cli.demo.screen import NotSo
from vault.cli.demo.server import command
from vault.domain.names import Owner
from vault.gateway.counts import Counts
from vault.gateway.front import Front
from vault.gateway.intake import Intake
from vault.gateway.owners import ByDomain
from vault.gateway.port import Envelope, MailStore
from vault.gateway.session import Limits, Speech

_SECONDS: Final = 20.0
_LARGEST: Final = 1 << 20


class Mailbox:
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.texts: list[bytes] = []

    async def store(self, _: Owner, __: Envelope, body: AsyncIterator[bytes], ___: Callable[[], str]) -> None:
        """Keep a text."""
        self.texts.append(b"".join([piece async for piece in body]))

    @contextmanager
    def listening(self, address: str) -> Iterator[None]:
        """Take mail by SMTP while the block runs, in a thread of its own."""
        loop = asyncio.new_event_loop()
        counts = Counts()
        intake = Intake(cast("MailStore", self), ByDomain("mail.example.org"), counts, lambda: None)
        limits = Limits(_LARGEST, _SECONDS)
        front = Front(Speech.SMTP, "mail.example.org", intake, limits, counts, most=4, idle=_SECONDS)
        thread = threading.Thread(target=loop.run_forever, daemon=True)
        thread.start()
        try:
            asyncio.run_coroutine_threadsafe(front.start(address), loop).result(_SECONDS)
            yield
        finally:
            asyncio.run_coroutine_threadsafe(front.stop(1.0), loop).result(_SECONDS)
            loop.call_soon_threadsafe(loop.stop)
            thread.join(_SECONDS)
            loop.close()


@contextmanager
def gateway(config: Path, log: Path) -> Iterator[None]:
    """`customer-vault mail-gateway` in a process of its own, until the block ends.

    Raises:
        NotSo: it does not start, or does not stop in order.
    """
    with (
        log.open("wb") as err,
        subprocess.Popen(  # noqa: S603 - our own command
            command("mail-gateway", "--config", config), stdout=subprocess.PIPE, stderr=err
        ) as process,
    ):
        try:
            if process.stdout is None or not process.stdout.readline().startswith(b"ready:"):
                raise NotSo("the mail gateway starts")
            yield
            process.terminate()
            if process.wait(_SECONDS) != 0:
                raise NotSo("the mail gateway stops in order")
        finally:
            if process.poll() is None:
                process.kill()


def send(address: str, recipient: str, text: bytes) -> bool:
    """Hand a message over by SMTP; whether it was taken.

    Raises:
        NotSo: nobody listens.
    """
    host, _, port = address.rpartition(":")
    try:
        with smtplib.SMTP(host, int(port), timeout=_SECONDS) as server:
            return server.sendmail("newsletter@example.com", [recipient], text) == {}
    except (OSError, smtplib.SMTPException):
        raise NotSo("the mail gateway takes mail") from None
