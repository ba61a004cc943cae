"""What the gateway needs of a vault: to leave messages there, and to get them back when they are due.

The gateway's own words, and nothing of gRPC or of keys: `vault_store` fills them in with the SDK, and tests with a
dictionary. A message is stored once for each owner, so what is claimed later names the recipients of one owner.

The promises that all the rest leans on:

- `store` returns when the message is durable, and not before. If it raises, or is cancelled, nothing of the message is
  left (but for `OutcomeUnknown`, where nobody knows; a repetition with the same token makes one of both).
- what `claim` hands out is handed to nobody else until the lease ends; it comes again if it is neither completed nor
  released.
- `fetch` gives the bytes that were stored, or raises; who has got the last of them has got them all.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from vault.domain.names import Owner


@dataclass(frozen=True, slots=True)
class Recipient:
    """To whom, with what the sender asked for (RFC 3461)."""

    address: str
    notify: str = ""
    orcpt: str = ""


@dataclass(frozen=True, slots=True)
class Envelope:
    """What is said of a message outside of its text."""

    sender: str
    """Empty for a report (<>), which nobody may answer with another report."""
    recipients: tuple[Recipient, ...]
    body: str = ""
    """7BIT, 8BITMIME, or empty: what the client declared."""
    smtputf8: bool = False
    ret: str = ""
    envid: str = ""


class Fate(Enum):
    """What became of a recipient."""

    DELIVERED = "delivered"
    BOUNCED = "bounced"
    """Failed for good, and the sender was told."""
    DROPPED = "dropped"
    """Failed for good, and nobody had to be told."""


class Why(Enum):
    """Why a message is given back."""

    TEMPORARY = "temporary"
    UNREACHABLE = "unreachable"
    STOPPED = "stopped"
    UNDELIVERABLE = "undeliverable"
    """Never to be tried again: its sender is to be told, as of one whose time is over."""


@dataclass(frozen=True, slots=True)
class Result:
    """A fate, with the enhanced status code (RFC 3463) that the next hop gave for it."""

    fate: Fate
    status: str = ""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A message that is ours until its lease ends."""

    name: str
    """Of the record."""
    size: int
    arrived: float
    """Seconds since 1970."""
    attempts: int
    """How often it was claimed, this time included."""
    dead: bool = False
    """Its time is over: nothing is left but to tell the sender."""
    status: str = ""
    """Enhanced status code of the last attempt."""
    lease: bytes = field(default=b"", repr=False)
    """What shows that the claim is ours."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A message, opened."""

    envelope: Envelope
    waiting: tuple[int, ...]
    """Which of the recipients' fates are open, by their places."""
    body: AsyncIterator[bytes]
    """The text, in pieces; it raises if it is not what was stored."""


@dataclass(frozen=True, slots=True)
class Depth:
    """How much waits."""

    messages: int
    oldest: float
    """Age in seconds of the one that waits longest; 0 if none does."""


class MailStore(Protocol):
    """Where messages wait."""

    async def store(
        self, owner: Owner, envelope: Envelope, body: AsyncIterator[bytes], queue_id: Callable[[], str]
    ) -> None:
        """Store a message until it is delivered.

        Args:
            owner: whose it is.
            envelope: sender, and the recipients of this owner.
            body: its text in pieces; if it raises, nothing must be left.
            queue_id: to be asked after the last piece: the name that the mail server before us has for the message,
                so that the same one is not stored twice; empty if it told none.

        Raises:
            InvalidArgument: for `size`: the text is larger than the store takes; nothing is stored.
            VaultError: nothing is stored, or (OutcomeUnknown) it may be.
        """

    async def claim(self, *, dead: bool = False) -> tuple[Claimed | None, float]:
        """The message that is due longest, if any is; `dead` claims one whose time is over.

        Returns:
            The message, and if there is none in how many seconds to look again (infinity if nobody knows).
        """

    def fetch(self, message: Claimed) -> AbstractAsyncContextManager[Fetched]:
        """A message, to be read while the context lasts."""

    async def complete(self, message: Claimed, results: Mapping[int, Result]) -> None:
        """Say what became of recipients, by place; when nobody is left the message is destroyed."""

    async def release(self, message: Claimed, after: float, why: Why, status: str = "") -> None:
        """Give a message back, to be due again after some seconds."""

    async def extend(self, message: Claimed) -> None:
        """Keep the lease for as long again.

        Raises:
            VaultError: it is somebody else's by now.
        """

    async def depth(self) -> Depth:
        """How much waits."""
