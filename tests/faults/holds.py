"""Connections and calls that are begun and not ended (T10), with a good certificate or without one.

Each opens what it opens, says so, holds it until the time is up, and counts what the server has closed by then.
"""

import contextlib
import socket
import ssl
import struct
import time
from collections.abc import Callable, Iterator

from tests.faults.large import large_requests
from tests.faults.target import Tally, Target
from tests.frames import DATA, HEADERS, INITIAL_WINDOW_SIZE, Line, fields, frame, headers, message, setting

CONNECTIONS = 400
STREAMS = 1_000
_EACH = 100
"""Streams on one connection."""
CROWD = "crowd-"
"""Customers that the attacker knows: these two digits long."""
BATCH_GET = "/vault.v1.ContactService/BatchGetContacts"


def _hold(target: Target, tally: Tally, made: Iterator["socket.socket | Line"]) -> None:
    """Open all, hold them, count."""
    opened: list[socket.socket | Line] = []
    with contextlib.ExitStack() as stack:
        for each in made:
            stack.callback(each.close)
            opened.append(each)
        tally["opened"] = len(opened)
        target.stands()
        target.wait()
        tally["still open"] = sum(_is_open(each) for each in opened)


def _is_open(each: "socket.socket | Line") -> bool:
    if isinstance(each, Line):
        return each.drain()
    each.settimeout(0)
    try:
        while each.recv(65_536):
            pass
    except BlockingIOError:
        return True
    except OSError:
        pass
    return False


def _tcp(target: Target, said: bytes) -> Iterator[socket.socket]:
    for _ in range(target.size or CONNECTIONS):
        with contextlib.suppress(OSError):
            each = target.tcp()
            each.sendall(said)
            yield each


def _client_hello(target: Target) -> bytes:
    """The first flight of a handshake."""
    out = ssl.MemoryBIO()
    machine = target.context().wrap_bio(ssl.MemoryBIO(), out, server_hostname="localhost")
    with contextlib.suppress(ssl.SSLWantReadError):
        machine.do_handshake()
    return out.read()


def _without_certificate(target: Target) -> Iterator[Line]:
    """In TLS 1.3 the client is done before the server has missed its certificate."""
    context = target.context(certificate=False)
    for _ in range(target.size or CONNECTIONS):
        with contextlib.suppress(OSError):
            yield Line(target.port, context)


def _with_certificate(target: Target, first: Callable[[Line], None]) -> Iterator[Line]:
    context = target.context()
    for _ in range(target.size or CONNECTIONS):
        with contextlib.suppress(OSError):
            line = Line(target.port, context)
            first(line)
            yield line


def _streams(target: Target, each: Callable[[int], bytes], *settings: bytes, buffer: int = 0) -> Iterator[Line]:
    """Calls, a hundred on a connection."""
    left = target.size or STREAMS
    while left > 0:
        line = target.line(*settings, buffer=buffer)
        for number in range(min(_EACH, left)):
            line.send(each(2 * number + 1))
        left -= _EACH
        yield line


def _half(stream: int) -> bytes:
    """In turn: no message, half of a message's length, half of a message, half of a frame."""
    start = headers(stream)
    match stream // 2 % 3:
        case 0:
            return start
        case 1:
            return start + frame(DATA, 0, stream, b"\0\0\0")
        case _:
            return start + frame(DATA, 0, stream, struct.pack(">BI", 0, 4_000_000) + b"\x0a")


def _batch() -> bytes:
    """A request that is answered with a hundred contacts; tests.faults.victims has created them."""
    ids = (f"{CROWD}{at:02}".encode() for at in range(100))
    return b"".join(b"\x0a" + bytes([len(each)]) + each for each in ids) + b"\x12\x0fservice_notices"


def _hello(line: Line) -> None:
    line.hello()


def _half_frame(line: Line) -> None:
    line.hello().send(headers(1) + frame(DATA, 0, 1, bytes(1000))[:20])


def _half_headers(line: Line) -> None:
    line.hello().send(frame(HEADERS, 0, 1, fields()))


def _slowly(target: Target, tally: Tally) -> None:
    """Handshakes, a byte at a time."""
    hello = _client_hello(target)
    with contextlib.ExitStack() as stack:
        lines = [stack.enter_context(target.tcp()) for _ in range(target.size or CONNECTIONS // 4)]
        tally["opened"] = len(lines)
        target.stands()
        at = 0
        while not target.over:
            for each in lines:
                with contextlib.suppress(OSError):
                    each.sendall(hello[at : at + 1])
            at += 1
            time.sleep(0.05)
        tally["still open"] = sum(_is_open(each) for each in lines)


HOLDS: dict[str, Callable[[Target, Tally], None]] = {
    "silent TCP": lambda target, tally: _hold(target, tally, _tcp(target, b"")),
    "half a ClientHello": lambda target, tally: _hold(target, tally, _tcp(target, _client_hello(target)[:100])),
    "a ClientHello and no more": lambda target, tally: _hold(target, tally, _tcp(target, _client_hello(target))),
    "a handshake byte by byte": _slowly,
    "plain HTTP": lambda target, tally: _hold(target, tally, _tcp(target, b"GET / HTTP/1.1\r\nHost: vault\r\n")),
    "TLS without a certificate": lambda target, tally: _hold(target, tally, _without_certificate(target)),
    "silent TLS": lambda target, tally: _hold(target, tally, _with_certificate(target, lambda _: None)),
    "silent HTTP/2": lambda target, tally: _hold(target, tally, _with_certificate(target, _hello)),
    "half a HEADERS": lambda target, tally: _hold(target, tally, _with_certificate(target, _half_headers)),
    "half a DATA frame": lambda target, tally: _hold(target, tally, _with_certificate(target, _half_frame)),
    "half-sent calls": lambda target, tally: _hold(target, tally, _streams(target, _half)),
    "requests as large as may be": large_requests,
    "slow readers, no window": lambda target, tally: _hold(
        target,
        tally,
        _streams(
            target,
            lambda stream: headers(stream, BATCH_GET) + message(stream, _batch()),
            setting(INITIAL_WINDOW_SIZE, 0),
        ),
    ),
    "slow readers, nothing read": lambda target, tally: _hold(
        target,
        tally,
        _streams(target, lambda stream: headers(stream, BATCH_GET) + message(stream, _batch()), buffer=2048),
    ),
}
