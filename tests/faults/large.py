"""Hundreds of requests at once, each as large as one may be, from a caller with a good certificate.

They are sent as fast as the server's windows let them. What they hold is the worst that was found: empty messages,
which take 2 bytes on the wire and 140 in memory.
"""

import contextlib
import itertools
import struct
import time
from dataclasses import dataclass, field

from tests.faults.target import Tally, Target
from tests.frames import (
    ACK,
    DATA,
    END_STREAM,
    HEADERS,
    INITIAL_WINDOW_SIZE,
    RST_STREAM,
    SETTINGS,
    WINDOW,
    WINDOW_UPDATE,
    Line,
    frame,
    headers,
)

REQUESTS = 400
_EACH = 100
"""Streams on one connection."""
_FRAME = 16 * 1024
_CREATE = "/vault.v1.CustomerService/BatchCreateCustomers"
SIZE = 3 * 512 * 1024 - 1024
"""Nearly the largest that the server takes."""
_MESSAGE = struct.pack(">BI", 0, SIZE) + b"\x0a\x00" * (SIZE // 2)


@dataclass(slots=True)
class _Uploads:
    """The requests on one connection."""

    line: Line
    tally: Tally
    numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1, 2))
    sent: dict[int, int] = field(default_factory=dict)
    """By stream, how far it is."""
    windows: dict[int, int] = field(default_factory=lambda: {0: WINDOW})
    initial: int = WINDOW

    def more(self) -> bool:
        """Begin what is missing, send what the windows allow; whether the line still stands."""
        while len(self.sent) < _EACH:
            stream = next(self.numbers)
            self.sent[stream], self.windows[stream] = 0, self.initial
            self.line.send(headers(stream, _CREATE))
        if not self.line.drain():
            return False
        for kind, flags, stream, payload in self.line.frames():
            self._told(kind, flags, stream, payload)
        for stream, at in list(self.sent.items()):
            end = min(len(_MESSAGE), at + min(_FRAME, self.windows[0], self.windows[stream]))
            if end > at:
                done = end == len(_MESSAGE)
                self.line.send(frame(DATA, END_STREAM if done else 0, stream, _MESSAGE[at:end]))
                self.sent[stream] = end
                self.windows[0] -= end - at
                self.windows[stream] -= end - at
                self.tally["whole"] += done
                self.tally["KiB"] += (end - at) // 1024
        return True

    def _told(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == WINDOW_UPDATE and stream in self.windows:
            self.windows[stream] += int.from_bytes(payload, "big")
        elif kind == SETTINGS and not flags & ACK:
            told = dict(struct.unpack_from(">HI", payload, at) for at in range(0, len(payload), 6))
            change = told.get(INITIAL_WINDOW_SIZE, self.initial) - self.initial
            self.initial += change
            for each in self.sent:
                self.windows[each] += change
            self.line.send(frame(SETTINGS, ACK, 0, b""))
        elif kind == RST_STREAM or (kind == HEADERS and flags & END_STREAM):  # another one begins in its place
            self.sent.pop(stream, None)
            self.windows.pop(stream, None)


def large_requests(target: Target, tally: Tally) -> None:
    """Send until the time is up."""
    with contextlib.ExitStack() as stack:
        count = (target.size or REQUESTS) // _EACH
        uploads = [_Uploads(stack.enter_context(target.line()), tally) for _ in range(count)]
        target.stands()
        while not target.over and uploads:
            with contextlib.suppress(OSError):
                uploads = [each for each in uploads if each.more()]
            time.sleep(0.001)
        tally["connections"] = len(uploads)
