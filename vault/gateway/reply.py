"""What an SMTP or LMTP server answers: a code, an enhanced status (RFC 3463) and fixed words.

Replies are values, so that the one who decides (the session, the intake, the owner map) need not know how they are
written, and a test compares them whole. The texts name no address and nothing of the message: the mail server before us
writes them to its log.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply; `status` is empty where RFC 2034 allows none (the greeting, EHLO, 354)."""

    code: int
    status: str
    text: str
    more: tuple[str, ...] = ()
    """Further lines, as EHLO has them."""

    @property
    def taken(self) -> bool:
        """Whether it says that responsibility has passed to the server."""
        return 200 <= self.code < 300  # noqa: PLR2004 - RFC 5321, 4.2.1: completion

    @property
    def passing(self) -> bool:
        """Whether the client is to try again."""
        return 400 <= self.code < 500  # noqa: PLR2004 - RFC 5321, 4.2.1: transient

    def __bytes__(self) -> bytes:
        """As it goes over the wire."""
        lines = (self.text, *self.more)
        status = f"{self.status} " if self.status else ""
        last = len(lines) - 1
        written = (f"{self.code}{' ' if i == last else '-'}{status}{line}\r\n" for i, line in enumerate(lines))
        return "".join(written).encode()

    def __str__(self) -> str:
        """In one line, for a report."""
        return " ".join(part for part in (str(self.code), self.status, self.text) if part)


OK = Reply(250, "2.0.0", "done")
STORED = Reply(250, "2.0.0", "stored")
NOT_NOW = Reply(451, "4.3.0", "not stored; try again")
"""Whatever is in doubt: the mail server keeps the message, and nothing is lost."""
BUSY = Reply(451, "4.3.2", "too much at once; try again")
CLOSING = Reply(421, "4.3.2", "closing")
TOO_SLOW = Reply(421, "4.4.2", "nothing came for too long")
