"""HTTP/2 by hand: frames that no gRPC library would send, and a connection to send them on.

Just enough of RFC 9113 for a client that misbehaves: frames are written as bytes, and what comes back is collected,
read only as far as flow control needs it. Header fields go as literals without indexing (RFC 7541 section 6.2.2), so
there is no state to keep. Only the standard library: attackers are processes that must start at once.
"""

import socket
import ssl
import struct
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS = 0x0, 0x1, 0x2, 0x3, 0x4
PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0x5, 0x6, 0x7, 0x8, 0x9
ACK, END_STREAM, END_HEADERS = 0x1, 0x1, 0x4
INITIAL_WINDOW_SIZE = 0x4
WINDOW = 65_535
"""What each side may send before it is allowed more (RFC 9113 section 6.9.2)."""
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
GET_CONTACT = "/vault.v1.ContactService/GetContact"


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """One frame (RFC 9113 section 4.1)."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def literal(name: str, value: str) -> bytes:
    """One header field; names and values shorter than 127 bytes."""
    return bytes([0, len(name)]) + name.encode() + bytes([len(value)]) + value.encode()


def fields(path: str = GET_CONTACT, **more: str) -> bytes:
    """The header block of a call; `more` are further fields, with _ for -."""
    named = {
        ":method": "POST",
        ":scheme": "https",
        ":path": path,
        ":authority": "localhost",
        "te": "trailers",
        "content-type": "application/grpc",
        **{name.replace("_", "-"): value for name, value in more.items()},
    }
    return b"".join(literal(*field) for field in named.items())


def headers(stream: int, path: str = GET_CONTACT, **more: str) -> bytes:
    """The start of a call; `more` are further fields, with _ for -."""
    return frame(HEADERS, END_HEADERS, stream, fields(path, **more))


def message(stream: int, content: bytes = b"", *, compressed: bool = False) -> bytes:
    """The request of a call, and its end on our side."""
    return frame(DATA, END_STREAM, stream, struct.pack(">BI", compressed, len(content)) + content)


def reset(stream: int) -> bytes:
    """Take a call back."""
    return frame(RST_STREAM, 0, stream, struct.pack(">I", 8))


def setting(key: int, value: int) -> bytes:
    """A SETTINGS frame with one of them."""
    return frame(SETTINGS, 0, 0, struct.pack(">HI", key, value))


def window_update(stream: int, increment: int) -> bytes:
    """Allow the server to send more."""
    return frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", increment))


def tls(
    ca_pem: bytes, pair: tuple[Path, Path] | None, newest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3
) -> ssl.SSLContext:
    """What a client of the vault needs; `pair` is its certificate and key, or it has none."""
    context = ssl.create_default_context(cadata=ca_pem.decode())
    context.maximum_version = newest
    if pair is not None:
        context.load_cert_chain(*pair)
    context.set_alpn_protocols(["h2"])
    return context


class Line(AbstractContextManager["Line"]):
    """A connection that is up to nothing yet; blocking, so use it from a thread or a process of its own."""

    def __init__(self, port: int, context: ssl.SSLContext, *, seconds: float = 10, buffer: int = 0) -> None:
        """Connect and shake hands; `buffer` is the size of the kernel's for what comes in, if it is to be small."""
        raw = socket.socket()
        if buffer:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        raw.settimeout(seconds)
        raw.connect(("127.0.0.1", port))
        self._seconds = seconds
        self._socket = context.wrap_socket(raw, server_hostname="localhost")
        self.version = self._socket.version()
        self.received = b""

    def hello(self, *settings: bytes) -> Self:
        """Say that this is HTTP/2."""
        self.send(PREFACE + (b"".join(settings) or frame(SETTINGS, 0, 0, b"")))
        return self

    def send(self, frames: bytes) -> None:
        """Write; a server that reads nothing for a while is a TimeoutError, after which the line is of no more use."""
        self._socket.sendall(frames)

    def until(self, expected: bytes) -> None:
        """Collect what comes until it contains this."""
        while expected not in self.received:
            more = self._socket.recv(65536)
            if not more:
                raise AssertionError(f"the server closed after {self.received!r}")
            self.received += more

    def drain(self) -> bool:
        """Collect what is there, without waiting; False if the server has closed."""
        self._socket.settimeout(0)
        try:
            while more := self._socket.recv(65536):
                self.received += more
        except ssl.SSLWantReadError:
            return True
        except OSError:
            return False
        finally:
            with suppress(OSError):
                self._socket.settimeout(self._seconds)
        return False

    def frames(self) -> Iterator[tuple[int, int, int, bytes]]:
        """Take out the whole frames of what was collected: kind, flags, stream, payload."""
        at = 0
        while len(self.received) - at >= 9:
            length = int.from_bytes(self.received[at : at + 3], "big")
            if len(self.received) - at < 9 + length:
                break
            kind, flags, stream = struct.unpack_from(">BBI", self.received, at + 3)
            yield kind, flags, stream, self.received[at + 9 : at + 9 + length]
            at += 9 + length
        self.received = self.received[at:]

    def open_for(self, seconds: float) -> bool:
        """Read what comes for so long; whether the server still holds the line then."""
        ends = time.monotonic() + seconds
        while self.drain():
            if time.monotonic() > ends:
                return True
            time.sleep(0.01)
        return False

    def peer_certificate(self) -> bytes:
        """The server's, in DER."""
        return self._socket.getpeercert(binary_form=True) or b""

    def close(self) -> None:
        """Hang up without a word."""
        self._socket.close()

    def __enter__(self) -> Self:
        """Nothing more to do."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Hang up."""
        self.close()
