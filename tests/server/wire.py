"""HTTP/2 by hand: a client that does what no gRPC library would.

It speaks TLS 1.2, resets each call as it opens it, ignores its own deadline, or stops in the middle. Just enough of
RFC 9113 for that: frames are written, what comes back is only collected. Header fields go as literals without
indexing (RFC 7541 section 6.2.2), so there is no state to keep.
"""

import socket
import ssl
import struct
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.server.running import GET_CONTACT, Place

DATA, HEADERS, RST_STREAM, SETTINGS = 0x0, 0x1, 0x3, 0x4
ACK, END_STREAM, END_HEADERS = 0x1, 0x1, 0x4
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """One frame (RFC 9113 section 4.1)."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def literal(name: str, value: str) -> bytes:
    """One header field; names and values shorter than 127 bytes."""
    return bytes([0, len(name)]) + name.encode() + bytes([len(value)]) + value.encode()


def headers(stream: int, path: str = GET_CONTACT, **more: str) -> bytes:
    """The start of a call; `more` are further fields, with _ for -."""
    fields = {
        ":method": "POST",
        ":scheme": "https",
        ":path": path,
        ":authority": "localhost",
        "te": "trailers",
        "content-type": "application/grpc",
        **{name.replace("_", "-"): value for name, value in more.items()},
    }
    return frame(HEADERS, END_HEADERS, stream, b"".join(literal(*field) for field in fields.items()))


def message(stream: int, content: bytes = b"", *, compressed: bool = False) -> bytes:
    """The request of a call, and its end on our side."""
    return frame(DATA, END_STREAM, stream, struct.pack(">BI", compressed, len(content)) + content)


def reset(stream: int) -> bytes:
    """Take a call back."""
    return frame(RST_STREAM, 0, stream, struct.pack(">I", 8))


class Wire(AbstractContextManager["Wire"]):
    """A connection; blocking, so use it from a thread."""

    def __init__(self, place: Place, port: int, newest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> None:
        """Connect as a good caller."""
        folder: Path = place.folder / "wire"
        place.caller().save(folder)
        context = ssl.create_default_context(cadata=place.ca.ca_pem.decode())
        context.maximum_version = newest
        context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
        context.set_alpn_protocols(["h2"])
        self._socket = context.wrap_socket(
            socket.create_connection(("127.0.0.1", port), timeout=10), server_hostname="localhost"
        )
        self.version = self._socket.version()
        self.received = b""
        self.send(PREFACE + frame(SETTINGS, 0, 0, b""))

    def send(self, frames: bytes) -> None:
        """Write."""
        self._socket.sendall(frames)

    def until(self, expected: bytes) -> None:
        """Collect what comes until it contains this."""
        while expected not in self.received:
            more = self._socket.recv(65536)
            if not more:
                raise AssertionError(f"the server closed after {self.received!r}")
            self.received += more

    def __enter__(self) -> Self:
        """Nothing more to do."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Hang up."""
        self._socket.close()
