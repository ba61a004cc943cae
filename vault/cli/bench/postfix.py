"""A Postfix of the bench's own: two ways through it that differ by the gateway alone.

    world ──► smtpd ──► queue ──lmtp──► gateway, vault, gateway ──smtp──► smtpd ──► queue ──► sink
    world ──► smtpd ──► queue ──────────────────smtp────────────────────► smtpd ──► queue ──► sink

So the second has all that Postfix does for the first, two queues on the disk included. The port where both come in
again has as many processes as it likes: Postfix keeps connections open for the next message, and with ten processes for
ten of them the rest would wait for seconds.

Its files are in a temporary folder and its ports on the loopback; the machine's own Postfix, if one runs, is not
touched. Its master must be root.
"""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vault.errors import Unavailable

_START_S: Final = 30.0
_STOP_S: Final = 15
_AT_ONCE: Final = 10
"""Messages that a way hands over at a time; both the same."""


@dataclass(frozen=True, slots=True)
class Ports:
    """All on the loopback."""

    vault: int
    """Where mail comes in that goes through the gateway."""
    plain: int
    """Where mail comes in that does not."""
    gateway: int
    back: int
    """Where both ways come in again."""
    sink: int


def why_not() -> str:
    """Why it cannot run here; empty if it can."""
    if shutil.which("postfix") is None:
        return "Postfix is not installed (apt-get install postfix)"
    return "" if os.geteuid() == 0 else "Postfix starts as root only"


def free_ports(number: int) -> list[int]:
    """Ports that were free a moment ago, all different."""
    probes = [socket.socket() for _ in range(number)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]
    finally:
        for probe in probes:
            probe.close()


@contextmanager
def running(ports: Ports) -> Iterator[None]:
    """Start it, and stop it.

    Raises:
        Unavailable: it does not start.
    """
    # Not in the run's folder, into which only its owner may go: most of Postfix runs as the user postfix.
    folder = Path(tempfile.mkdtemp(prefix="customer-vault-bench-postfix-"))
    folder.chmod(0o755)
    try:
        _write(folder, ports)
        process = _postfix(folder, "start-fg")
        try:
            _wait(ports, process)
            yield
        finally:
            _postfix(folder, "abort").wait(_STOP_S)
            with suppress(subprocess.TimeoutExpired):
                process.wait(_STOP_S)
            process.kill()
            process.wait()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _postfix(folder: Path, word: str) -> "subprocess.Popen[bytes]":
    command = [shutil.which("postfix") or "postfix", "-c", str(folder / "etc"), word]
    return subprocess.Popen(  # noqa: S603 - a program of the machine's, with words of ours
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )


def _wait(ports: Ports, process: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + _START_S
    for port in (ports.vault, ports.plain, ports.back):
        while not _listens(port):
            if process.poll() is not None or time.monotonic() > until:
                raise Unavailable("Postfix did not start")
            time.sleep(0.05)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _write(folder: Path, ports: Ports) -> None:
    for name in ("etc", "spool", "lib"):
        (folder / name).mkdir()
    shutil.chown(folder / "lib", "postfix")
    (folder / "log").touch()
    (folder / "etc" / "main.cf").write_text(_MAIN.format(folder=folder, sink=ports.sink), encoding="ascii")
    (folder / "etc" / "master.cf").write_text(
        _MASTER.format(vault=ports.vault, plain=ports.plain, gateway=ports.gateway, back=ports.back, at_once=_AT_ONCE),
        encoding="ascii",
    )
    for name in ("dynamicmaps.cf", "postfix-files"):
        with suppress(FileNotFoundError):
            shutil.copy(Path("/etc/postfix") / name, folder / "etc" / name)


_MAIN: Final = """\
compatibility_level = 3.6
queue_directory = {folder}/spool
data_directory = {folder}/lib
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = mx.bench.example
mydestination =
mynetworks = 127.0.0.0/8
relayhost = [127.0.0.1]:{sink}
disable_dns_lookups = yes
smtp_host_lookup = native
in_flow_delay = 0
smtpd_client_connection_count_limit = 0
local_transport = smtp
"""

_MASTER: Final = """\
127.0.0.1:{vault} inet n - n - - smtpd
  -o content_filter=vault:[127.0.0.1]:{gateway}
127.0.0.1:{plain} inet n - n - - smtpd
  -o content_filter=plain:[127.0.0.1]:{back}
127.0.0.1:{back} inet n - n - - smtpd
  -o content_filter=
vault     unix  -       -       n       -       {at_once} lmtp
  -o lmtp_line_length_limit=0
  -o lmtp_send_xforward_command=yes
plain     unix  -       -       n       -       {at_once} smtp
pickup    unix  n       -       n       60      1       pickup
cleanup   unix  n       -       n       -       0       cleanup
qmgr      unix  n       -       n       300     1       qmgr
rewrite   unix  -       -       n       -       -       trivial-rewrite
bounce    unix  -       -       n       -       0       bounce
defer     unix  -       -       n       -       0       bounce
trace     unix  -       -       n       -       0       bounce
flush     unix  n       -       n       1000?   0       flush
proxymap  unix  -       -       n       -       -       proxymap
smtp      unix  -       -       n       -       -       smtp
showq     unix  n       -       n       -       -       showq
error     unix  -       -       n       -       -       error
retry     unix  -       -       n       -       -       error
anvil     unix  -       -       n       -       1       anvil
scache    unix  -       -       n       -       1       scache
postlog   unix-dgram n  -       n       -       1       postlogd
"""
