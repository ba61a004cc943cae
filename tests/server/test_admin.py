"""The admin port: three pages, for this machine only, and nothing else."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.server.running import FakeVault, Running, ask_health, get, place, running
from vault.errors import ConfigError
from vault.server import condition
from vault.service.settings import Settings
from vault.service.troubles import NOT_DURABLE, Trouble


async def ask(server: Running, request: bytes) -> bytes:
    """Send bytes to the admin port; what it answers until it hangs up."""
    host, _, port = server.admin.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(request)
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


async def test_a_server_that_serves_says_so_on_all_pages(tmp_path: Path) -> None:
    """Alive, ready, and with figures."""
    async with running(place(tmp_path)) as server:
        assert await server.page("/healthz") == (200, "ok\n")
        status, body = await server.page("/readyz")
        assert (status, json.loads(body)["state"]) == (200, "serving")
        status, body = await server.page("/metrics")
        assert status == 200
        assert "vault_serving 1.0" in body
        assert "process_resident_memory_bytes" in body


async def test_what_is_no_page_is_refused(tmp_path: Path) -> None:
    """Other methods, other paths, other protocols, heads without end."""
    async with running(place(tmp_path)) as server:
        assert (await server.page("/"))[0] == 404
        assert (await ask(server, b"POST /metrics HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 405")
        assert (await ask(server, b"GET /healthz HTTP/9\r\n\r\n")).startswith(b"HTTP/1.1 400")
        assert await ask(server, b"GET /healthz HTTP/1.1\r\nX: " + b"x" * 20_000) == b""
        assert (await server.page("/healthz"))[0] == 200


async def test_a_web_page_that_calls_itself_this_machine_gets_nothing(tmp_path: Path) -> None:
    """DNS rebinding: the browser connects to the loopback and sends the page's own domain as Host."""
    async with running(place(tmp_path)) as server:
        for host in (b"evil.example:9443", b"127.0.0.1.evil.example", b"10.0.0.1", b"[::", b""):
            answer = await ask(server, b"GET /readyz HTTP/1.1\r\nHost: " + host + b"\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 421 "), host
        for host in (b"localhost", b"LOCALHOST:9443", b"127.0.0.1:9443", b"[::1]:9443"):
            answer = await ask(server, b"GET /readyz HTTP/1.1\r\nHost: " + host + b"\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 200 "), host


async def test_a_port_that_is_taken_is_refused_before_anything_is_served(tmp_path: Path) -> None:
    """The operator believes that it is watched."""
    made = place(tmp_path)
    async with running(made) as server:
        admin = made.settings.admin
        assert admin is not None
        made.settings = made.settings.model_copy(update={"admin": admin.model_copy(update={"listen": server.admin})})
        with pytest.raises(ConfigError, match=r"admin\.listen"):
            async with running(made):
                pass


@pytest.mark.parametrize("listen", ["0.0.0.0:9443", "10.0.0.1:9443", "[::]:9443", "localhost:9443", "127.0.0.1"])
def test_an_address_that_others_reach_is_refused(listen: str, tmp_path: Path) -> None:
    """Plain HTTP stays on the loopback; a name is somebody else's word."""
    config = place(tmp_path).folder / "vault.toml"
    config.write_text(config.read_text().replace("127.0.0.1:0", "127.0.0.1:1", 1).replace("127.0.0.1:0", listen))
    with pytest.raises(ConfigError, match=r"admin\.listen"):
        Settings.load(config)


async def test_trouble_shows_in_health_and_on_the_page_and_goes_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For the server as a whole and for each service; a call that can be served is served all the same."""
    monkeypatch.setattr(condition, "PERIOD_SECONDS", 0.02)
    vault = FakeVault()
    async with running(place(tmp_path), vault) as server, server.channel() as channel:
        vault.wrong = (NOT_DURABLE,)
        await asyncio.sleep(0.3)
        for service in ("", "vault.v1.ContactService"):
            assert await ask_health(channel, service) == "NOT_SERVING"
        status, body = await server.page("/readyz")
        said = json.loads(body)
        assert (status, said["state"]) == (503, "degraded")
        assert [reason["reason"] for reason in said["reasons"]] == ["log_not_durable"]
        _, figures = await server.page("/metrics")
        assert "vault_serving 0.0" in figures
        assert 'vault_degraded{reason="log_not_durable"} 1.0' in figures
        await get(channel)
        vault.wrong = ()
        await asyncio.sleep(0.3)
        for service in ("", "vault.v1.ContactService"):
            assert await ask_health(channel, service) == "SERVING"
        assert (await server.page("/readyz"))[0] == 200


async def test_a_store_that_hangs_is_not_said_to_serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that answers nothing raises no error either; it is asked once and not again and again."""
    monkeypatch.setattr(condition, "PERIOD_SECONDS", 0.02)
    monkeypatch.setattr(condition, "PATIENCE_SECONDS", 0.05)
    answers, asked = asyncio.Event(), 0

    class Hanging(FakeVault):
        async def troubles(self) -> Sequence[Trouble]:
            nonlocal asked
            if answers.is_set() or not server_is_up:
                return ()
            asked += 1
            await answers.wait()
            return ()

    server_is_up = False
    async with running(place(tmp_path), Hanging()) as server:
        server_is_up = True
        await asyncio.sleep(0.5)
        status, body = await server.page("/readyz")
        assert (status, json.loads(body)["reasons"][0]["reason"]) == (503, "storage_failed")
        assert asked == 1
        answers.set()
        await asyncio.sleep(0.3)
        assert (await server.page("/readyz"))[0] == 200
