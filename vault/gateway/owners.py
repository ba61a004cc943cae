"""Whose mailbox an address is: the customer's if it is known, and the domain's if not.

A file says it, one line for each address; or a command that is asked, for who has a directory. Both say nothing for
what they do not know. Then the message belongs to the domain of the address (`domains/example.org`), and is protected
just the same; only an erasure of a customer does not find it. An address without a domain that could own anything
(`root`, `user@[192.0.2.1]`) belongs to the gateway's own.

The file:

    # address, or @domain for all that has no line of its own, then the customer's id
    ann@example.org     42
    @ann-shop.example   42

Addresses are compared without regard to capitals, although a local part may have them in theory: in no mailbox that
people have are Ann and ann two.

What cannot be read or answered is an error, and the mail server is told to come again; if a broken file meant
"nobody's", a message would be stored where its customer's erasure does not find it.
"""

import asyncio
import time
from collections import OrderedDict
from pathlib import Path
from typing import Final, Protocol

import idna

from vault.domain import names
from vault.domain.names import Owner
from vault.errors import ConfigError, InvalidArgument, Unavailable

_ANSWER_S: Final = 10.0
_KEPT_S: Final = 60.0
_KEPT: Final = 10_000
"""Answers of the command that are kept, and for how long; a mailbox changes hands seldom."""


class Owners(Protocol):
    """Answers whose an address is."""

    async def owner_of(self, address: str) -> Owner:
        """The owner.

        Raises:
            VaultError: it cannot be said now.
        """


class ByDomain:
    """Nobody is known: every address is its domain's."""

    def __init__(self, hostname: str) -> None:
        own = _domain(hostname)
        if own is None:
            raise ConfigError("gateway.toml", "hostname", "must be a full domain name, as mail.example.org")
        self._own = own

    async def owner_of(self, address: str) -> Owner:
        """The domain of the address, or ours."""
        domain = _domain(address.rpartition("@")[2]) if "@" in address else None
        return names.owner_of_domain(domain or self._own)


class ByFile:
    """The file, read again when it changes."""

    def __init__(self, path: Path, others: ByDomain) -> None:
        self._path = path
        self._others = others
        self._stamp: tuple[int, int, int] | None = None
        self._owners: dict[str, Owner] = {}
        self._read_again()

    async def owner_of(self, address: str) -> Owner:
        """By the file."""
        self._read_again()
        key = _key(address)
        domain = key.rpartition("@")[2]
        found = self._owners.get(key) or self._owners.get(f"@{domain}")
        return found or await self._others.owner_of(address)

    def _read_again(self) -> None:
        try:
            status = self._path.stat()
            stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
            if stamp == self._stamp:
                return
            lines = self._path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError):
            raise ConfigError(str(self._path), "", "cannot be read") from None
        self._owners = dict(entry for number, line in enumerate(lines, 1) if (entry := self._entry(number, line)))
        self._stamp = stamp

    def _entry(self, number: int, line: str) -> tuple[str, Owner] | None:
        words = line.partition("#")[0].split()
        if not words:
            return None
        if len(words) != 2 or "@" not in words[0]:  # noqa: PLR2004 - address and id
            raise ConfigError(str(self._path), f"line {number}", "must be an address and a customer's id")
        try:
            return _key(words[0]), names.owner_of_customer(names.customer_id(words[1]))
        except InvalidArgument as error:
            raise ConfigError(str(self._path), f"line {number}", f"the customer's id {error.rule}") from None


class ByCommand:
    """A program that gets an address on standard input and prints the customer's id, or nothing."""

    def __init__(self, command: tuple[str, ...], others: ByDomain) -> None:
        self._command = command
        self._others = others
        self._kept: OrderedDict[str, tuple[float, str]] = OrderedDict()

    async def owner_of(self, address: str) -> Owner:
        """As the program says."""
        key = _key(address)
        customer = self._remembered(key)
        if customer is None:
            customer = await self._ask(key)
            self._kept[key] = (time.monotonic(), customer)
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        if not customer:
            return await self._others.owner_of(address)
        return names.owner_of_customer(names.customer_id(customer))

    def _remembered(self, key: str) -> str | None:
        found = self._kept.get(key)
        return found[1] if found and time.monotonic() - found[0] < _KEPT_S else None

    async def _ask(self, key: str) -> str:
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
            )
        except OSError:
            raise Unavailable("the owner command cannot be started") from None
        try:
            async with asyncio.timeout(_ANSWER_S):
                answer, _ = await process.communicate(key.encode() + b"\n")
        except TimeoutError:
            process.kill()
            await process.wait()
            raise Unavailable("the owner command does not answer") from None
        if process.returncode != 0:
            raise Unavailable("the owner command has failed")
        return answer.decode("utf-8", "replace").strip()


def _key(address: str) -> str:
    local, at, domain = address.rpartition("@")
    return f"{local}{at}{_domain(domain) or domain}".lower()


def _domain(text: str) -> names.Domain | None:
    """A domain in the form that owners have (lower-case A-labels, two at least); None if it is none."""
    try:
        ascii_form = idna.encode(text.rstrip("."), uts46=True).decode().lower()
        return names.domain(ascii_form)
    except (idna.IDNAError, UnicodeError, InvalidArgument):
        return None
