"""A real Postfix as an instance of the test's own: its files in a temporary folder, its ports on the loopback.

It is configured by the very lines that docs/mail.md tells users to paste (`pasted`); what is added here is where its
files are, that it looks at its queue every second, that it takes clients on the loopback for strangers where the page
says so, and that everything goes to a sink of the test. The machine's own
Postfix, if one runs, is not touched.

Postfix needs root to start, as its master gives ports and folders to others; without it the tests are skipped.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
START_S = 30.0
DOCUMENTED = {"10024": "gateway", "10026": "back"}
"""Ports as docs/mail.md has them."""


@dataclass(frozen=True, slots=True)
class Ports:
    """All on the loopback."""

    submit: int
    """Where mail comes in from the world."""
    gateway: int
    """Where the gateway takes it."""
    back: int
    """Where the gateway hands it back."""
    sink: int
    """Where it ends."""


@dataclass(frozen=True, slots=True)
class Postfix:
    """One that runs."""

    folder: Path
    ports: Ports

    @property
    def log(self) -> str:
        """What it has said."""
        return (self.folder / "log").read_text(errors="replace")

    def queue(self) -> list[str]:
        """Names of the messages that it has."""
        told = subprocess.run(
            ["postqueue", "-c", self.folder / "etc", "-j"], capture_output=True, text=True, check=True, timeout=30
        )
        return re.findall(r'"queue_id": "(\w+)"', told.stdout)

    def flush(self) -> None:
        """Try again now, whatever waits for its next attempt."""
        subprocess.run(["postqueue", "-c", self.folder / "etc", "-f"], check=True, timeout=30)


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


def pasted(name: str) -> str:
    """The block of docs/mail.md that goes to a file of Postfix's."""
    page = (ROOT / "docs" / "mail.md").read_text()
    found = re.search(rf"`/etc/postfix/{re.escape(name)}`[^`]*```\n(.*?)```", page, re.DOTALL)
    assert found is not None, f"docs/mail.md has no block for {name}"
    return found[1]


@contextmanager
def postfix(ports: Ports) -> Iterator[Postfix]:
    """Start it, and stop it."""
    if os.geteuid() != 0:
        pytest.skip("Postfix needs root to start")
    # Not under pytest's folder, into which only its owner may go: most of Postfix runs as the user postfix.
    folder = Path(tempfile.mkdtemp(prefix="postfix-"))
    folder.chmod(0o755)
    _write(folder, ports)
    process = subprocess.Popen(
        ["postfix", "-c", folder / "etc", "start-fg"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        running = Postfix(folder, ports)
        _wait(running, process)
        yield running
    finally:
        subprocess.run(["postfix", "-c", folder / "etc", "abort"], capture_output=True, check=False, timeout=30)
        _end(process)
        shutil.rmtree(folder, ignore_errors=True)


def _end(process: "subprocess.Popen[bytes]") -> None:
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait(running: Postfix, process: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", running.ports.submit)) == 0:
                return
        assert process.poll() is None, f"Postfix did not start: {running.log}"
        time.sleep(0.05)
    raise AssertionError(f"Postfix did not start in time: {running.log}")


def _write(folder: Path, ports: Ports) -> None:
    for name in ("etc", "spool", "lib"):
        (folder / name).mkdir()
    shutil.chown(folder / "lib", "postfix")
    (folder / "log").touch()
    (folder / "etc" / "main.cf").write_text(_ours(folder, ports) + _moved(pasted("main.cf"), ports))
    (folder / "etc" / "master.cf").write_text(_MASTER.format(submit=ports.submit) + _moved(pasted("master.cf"), ports))
    for name in ("dynamicmaps.cf", "postfix-files"):
        if (Path("/etc/postfix") / name).exists():
            shutil.copy(Path("/etc/postfix") / name, folder / "etc" / name)


def _moved(text: str, ports: Ports) -> str:
    for port, name in DOCUMENTED.items():
        text = text.replace(f":{port}", f":{getattr(ports, name)}")
    return text


def _ours(folder: Path, ports: Ports) -> str:
    return f"""\
compatibility_level = 3.6
queue_directory = {folder}/spool
data_directory = {folder}/lib
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = mx.example.org
mydestination =
mynetworks = 127.0.0.0/8
relayhost = [127.0.0.1]:{ports.sink}
disable_dns_lookups = yes
smtp_host_lookup = native
queue_run_delay = 1s
minimal_backoff_time = 1s
maximal_backoff_time = 2s
transport_retry_time = 1s
smtpd_client_connection_count_limit = 0
smtpd_forbid_bare_newline_exclusions =
default_process_limit = 50
local_transport = smtp
smtp_line_length_limit = 0
local_header_rewrite_clients =
"""


_MASTER = """\
127.0.0.1:{submit} inet n - n - - smtpd
pickup    unix  n       -       n       60      1       pickup
cleanup   unix  n       -       n       -       0       cleanup
qmgr      unix  n       -       n       1       1       qmgr
rewrite   unix  -       -       n       -       -       trivial-rewrite
bounce    unix  -       -       n       -       0       bounce
defer     unix  -       -       n       -       0       bounce
trace     unix  -       -       n       -       0       bounce
verify    unix  -       -       n       -       1       verify
flush     unix  n       -       n       1000?   0       flush
proxymap  unix  -       -       n       -       -       proxymap
smtp      unix  -       -       n       -       -       smtp
showq     unix  n       -       n       -       -       showq
error     unix  -       -       n       -       -       error
retry     unix  -       -       n       -       -       error
lmtp      unix  -       -       n       -       -       lmtp
anvil     unix  -       -       n       -       1       anvil
scache    unix  -       -       n       -       1       scache
postlog   unix-dgram n  -       n       -       1       postlogd
"""
