"""What an attack is aimed at, and what it counts."""

import contextlib
import socket
import ssl
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.frames import ACK, SETTINGS, Line, frame, tls

Tally = Counter[str]
STALL_SECONDS = 1.0
"""A server that takes nothing for so long has stopped reading: that is one of its defences."""


@dataclass(slots=True)
class Target:
    """A server, and the certificate that the attacker has.

    Attributes:
        port: On this machine.
        folder: A caller's, as `init` makes it.
        seconds: How long the attack lasts once it stands.
        size: How many of whatever it makes; 0 is the attack's own measure.
        began: When `stands` was called.
    """

    port: int
    folder: Path
    seconds: float
    size: int = 0
    began: float = field(default_factory=time.monotonic)

    def stands(self) -> None:
        """Tell whoever watches that the attack is under way."""
        self.began = time.monotonic()
        sys.stdout.write("begun\n")
        sys.stdout.flush()

    @property
    def over(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() - self.began >= self.seconds

    def wait(self) -> None:
        """Sleep until the time is up."""
        time.sleep(max(0.0, self.began + self.seconds - time.monotonic()))

    def context(self, *, certificate: bool = True) -> ssl.SSLContext:
        """For TLS, with the certificate or without one."""
        pair = (self.folder / "cert.pem", self.folder / "key.pem") if certificate else None
        return tls((self.folder / "ca.pem").read_bytes(), pair)

    def line(self, *settings: bytes, buffer: int = 0) -> Line:
        """A connection that has said that it is HTTP/2."""
        line = Line(self.port, self.context(), seconds=STALL_SECONDS, buffer=buffer)
        return line.hello(*settings)

    def tcp(self) -> socket.socket:
        """A connection without TLS."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)


def flood(
    target: Target, tally: Tally, burst: Callable[[int], bytes], *, frames: int, reads: bool = True, pause: float = 0.0
) -> None:
    """Send bursts until the time is up, over a new connection whenever the server closes one.

    Args:
        target: whom.
        tally: what was done: frames, connections, those that the server closed, and those on which it stopped reading.
        burst: frames by the number of the burst on this connection.
        frames: how many are in a burst.
        reads: whether the attacker reads what comes back.
        pause: between bursts, in seconds.
    """
    target.stands()
    while not target.over:
        tally["connections"] += 1
        with contextlib.suppress(ssl.SSLError, ConnectionError), _stalls(target, tally), target.line() as line:
            line.send(frame(SETTINGS, ACK, 0, b""))
            for number in _until_over(target):
                line.send(burst(number))
                tally["frames"] += frames
                if reads and not line.drain():
                    break
                line.received = line.received[-4096:]
                time.sleep(pause)
            else:
                break
            tally["closed"] += 1
            continue
        tally["cut"] += not target.over
        time.sleep(0.02)


def _until_over(target: Target) -> Iterator[int]:
    number = 0
    while not target.over:
        yield number
        number += 1


@contextlib.contextmanager
def _stalls(target: Target, tally: Tally) -> Iterator[None]:
    """Keep a connection that the server no longer reads open until the end: it must not cost more than it does."""
    try:
        yield
    except TimeoutError:
        tally["stalled"] += 1
        target.wait()
