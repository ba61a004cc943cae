"""The text after DATA: found its end, freed of stuffed dots and judged, piece by piece and without I/O.

A message ends at CRLF "." CRLF and nowhere else. Servers that also took LF "." LF or a mixture of both let a sender
smuggle a second message, with an envelope of its choice, past a server that did not (2023, CVE-2023-51764 and its
kin). So here a carriage return or a line feed that stands alone ends neither a line nor a message, and a message that
has one is refused: what we pass on could mean something else to the next server. So is NUL, of which RFC 5321 (4.5.2)
says the same.

What is refused is read to its end all the same, for only then a reply is expected. Beside what is fed, not more than
four bytes are kept (the beginning of an end), and the top of the message for `trace`: a body of any size takes the
same memory.
"""

import re
from enum import Enum
from typing import Final

from vault.gateway.reply import Reply

_END: Final = b"\r\n.\r\n"
_STUFFED: Final = b"\r\n."
MAX_LINE: Final = 65_536
"""Bytes of a line. RFC 5321 asks for 1,000 at least and lets us take more: what the mail server before us has taken
would be returned by us for no good reason."""
_TOO_LONG: Final = re.compile(rb"[^\n]{%d}" % (MAX_LINE + 1))
_TOP: Final = 262_144
"""Bytes of a message's top that are kept to look for its trace; headers are seldom longer than 20 KiB."""


class Fault(Enum):
    """Why a text is refused, for good: sent again, it would be the same."""

    BARE_LINE_END = Reply(550, "5.6.11", "a carriage return or line feed stands alone")
    NUL = Reply(550, "5.6.0", "the message holds a NUL byte")
    LINE = Reply(550, "5.6.0", f"a line is longer than {MAX_LINE} bytes")
    SIZE = Reply(552, "5.3.4", "the message is larger than the limit")
    LOOP = Reply(554, "5.4.6", "too many Received headers: the mail goes in a circle")


class Body:
    """Reads one text."""

    def __init__(self, max_size: int) -> None:
        """Begin.

        Args:
            max_size: bytes of the text that are taken, dots unstuffed.
        """
        # The end of the line that DATA stood in counts: "." CRLF right after it is a text of no bytes.
        self._held = b"\r\n"
        self._begun = False
        self._line = 0
        self._left = max_size
        self.size = 0
        self.top = b""
        self.fault: Fault | None = None
        self.rest: bytes | None = None
        """What came behind the text; None as long as it has not ended."""

    def feed(self, data: bytes) -> bytes:
        """Take what came from the wire; return what of the text is certain by now, which may be nothing."""
        data = self._held + data
        end = data.find(_END)
        if end >= 0:
            text, self._held, self.rest = data[: end + 2], b"", data[end + len(_END) :]
        else:
            kept = _beginning_of_end(data)
            text, self._held = data[: len(data) - kept], data[len(data) - kept :]
        if not text:
            return b""
        self._judge(text)
        text = text.replace(_STUFFED, b"\r\n")
        if not self._begun:
            self._begun, text = True, text[2:]
        return self._count(text)

    def _judge(self, text: bytes) -> None:
        # No pair of CR and LF is ever cut in two: a CR at the end of what was fed is kept back.
        pairs = text.count(b"\r\n")
        if text.count(b"\r") != pairs or text.count(b"\n") != pairs:
            self._refuse(Fault.BARE_LINE_END)
        if b"\0" in text:
            self._refuse(Fault.NUL)
        first = text.find(b"\n")
        if self._line + (len(text) if first < 0 else first) > MAX_LINE or _TOO_LONG.search(text):
            self._refuse(Fault.LINE)
        last = text.rfind(b"\n")
        self._line = self._line + len(text) if last < 0 else len(text) - last - 1

    def _count(self, text: bytes) -> bytes:
        self.size += len(text)
        if self.size > self._left:
            self._refuse(Fault.SIZE)
        if len(self.top) < _TOP:
            self.top += text[: _TOP - len(self.top)]
        return b"" if self.fault else text

    def _refuse(self, fault: Fault) -> None:
        self.fault = self.fault or fault


class Stuffing:
    """The other direction: pieces of a text of any size to what goes over the wire."""

    def __init__(self) -> None:
        self._tail = b"\r\n"
        self.fault: Fault | None = None
        """Why what was fed must not be sent; of a carriage return at the end of a piece, the next call tells."""

    def feed(self, text: bytes) -> bytes:
        """Take a piece of the text; return what to send."""
        if not text:
            return b""
        # The last two bytes that went out tell whether this piece, or its second byte, begins a line.
        self._judge(text)
        joined = (self._tail + text).replace(b"\r\n.", b"\r\n..")
        sent, self._tail = joined[len(self._tail) :], (self._tail + text)[-2:]
        return sent

    def end(self) -> bytes:
        """What goes after the last piece: the end of its last line, if it has none, and the end of the text."""
        if self._tail.endswith(b"\r"):
            self.fault = self.fault or Fault.BARE_LINE_END
        return b".\r\n" if self._tail == b"\r\n" else _END

    def _judge(self, text: bytes) -> None:
        cut = self._tail.endswith(b"\r")  # a pair may be cut in two
        joined, still = b"\r" * cut + text, text.endswith(b"\r")
        pairs = joined.count(b"\r\n")
        if joined.count(b"\r") - still != pairs or joined.count(b"\n") != pairs:
            self.fault = self.fault or Fault.BARE_LINE_END
        if b"\0" in text:
            self.fault = self.fault or Fault.NUL


def _beginning_of_end(data: bytes) -> int:
    """How many of the last bytes may turn out to be the end of the text, or to begin a stuffed line."""
    return next(size for size in range(len(_END) - 1, -1, -1) if data.endswith(_END[:size]))
