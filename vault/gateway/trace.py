"""What the top of a message tells about its way: how many servers it passed, and what the last one calls it.

The front adds no Received line of its own, although RFC 5321 (4.4) asks relays for one: bytes that go in come out the
same, so that no signature is broken and the gateway can be put into a running system and taken out again. The mail
server on both of its sides writes one each time, so a circle through the gateway is seen all the same.
"""

import re
from typing import Final

MAX_RECEIVED: Final = 100
"""RFC 5321 (6.3) asks for 100 at least."""
_RECEIVED: Final = re.compile(rb"^received:", re.IGNORECASE | re.MULTILINE)
_FIRST: Final = re.compile(rb"received:((?:[^\r]|\r\n[ \t])*)", re.IGNORECASE)
_ID: Final = re.compile(rb"\sid\s+([A-Za-z0-9._-]{4,64})(?=[\s;(]|$)")


def headers(top: bytes) -> bytes:
    """The header section of a message, or as much of it as is there."""
    if top.startswith(b"\r\n"):
        return b""
    return top.partition(b"\r\n\r\n")[0]


def passed(top: bytes) -> int:
    """How many servers have written that they had the message."""
    return len(_RECEIVED.findall(headers(top)))


def queue_id(top: bytes) -> str:
    """The name that the last server gave to the message, as its Received line tells; empty if it tells none.

    Only the very first line of a message is believed: a server puts its own on top.
    """
    first = _FIRST.match(headers(top))
    found = _ID.search(first[1]) if first else None
    return found[1].decode() if found else ""
