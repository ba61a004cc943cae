"""What a supervisor that starts the server by systemd's protocol hears from it."""

import secrets
import socket
from pathlib import Path

import pytest

from tests.running import make_home, serving
from vault.server import supervisor


def _listening(address: str) -> socket.socket:
    heard = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    heard.settimeout(10)
    heard.bind(f"\0{address[1:]}" if address.startswith("@") else address)
    return heard


def test_a_supervisor_hears_when_calls_are_answered_and_when_it_ends(tmp_path: Path) -> None:
    """Ready not before the ready line's address listens; stopping before the process is gone."""
    with _listening(str(tmp_path / "notify")) as heard:
        with serving(make_home(tmp_path), NOTIFY_SOCKET=str(tmp_path / "notify")) as vault:
            assert heard.recv(100) == b"READY=1"
            host, _, port = vault.address.rpartition(":")
            socket.create_connection((host, int(port)), timeout=5).close()
        assert heard.recv(100) == b"STOPPING=1"


def test_a_name_that_is_in_no_file_system_is_reached_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """As systemd itself uses in containers."""
    name = f"@customer-vault-{secrets.token_hex(8)}"
    with _listening(name) as heard:
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        supervisor.tell(supervisor.READY)
        assert heard.recv(100) == b"READY=1"


@pytest.mark.parametrize("address", ["", "relative", "/nobody/listens/here"])
def test_a_supervisor_that_cannot_be_reached_stops_nobody(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """The state is lost, the server goes on."""
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    supervisor.tell(supervisor.READY)
