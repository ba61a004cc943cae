"""Files that change under load: the real vault behind the real server, and not one call lost."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.server.running import _fetch, failure
from tests.vaults import contact, make_home
from vault.cli.deployment.layout import Layout
from vault.pki import spiffe
from vault.pki.authority import DevelopmentCA
from vault.server import reload
from vault.server.app import Stop, _signals, serve
from vault.service.settings import Settings
from vault.service.vault import Vault
from vault.v1 import contact_service_pb2 as contacts
from vault.v1 import customer_service_pb2 as customers

READS = 'GetContact       = ["provisioning", "care",'


@dataclass
class Served:
    """A vault that answers in this process."""

    at: Layout
    address: str
    admin: str
    stop: Stop

    def channel(self, caller: str) -> grpc.aio.Channel:
        """A connection of a caller that `init` made."""
        folder = self.at.caller(caller)
        files = [(folder / name).read_bytes() for name in ("ca.pem", "key.pem", "cert.pem")]
        options = [("grpc.ssl_target_name_override", "localhost")]
        return grpc.aio.secure_channel(self.address, grpc.ssl_channel_credentials(*files), options=options)

    async def ready(self) -> dict[str, Any]:
        """What /readyz says."""
        _, body = await asyncio.to_thread(_fetch, f"http://{self.admin}/readyz")
        said: dict[str, Any] = json.loads(body)
        return said

    async def figure(self, line: str) -> float:
        """One figure of /metrics."""
        _, page = await asyncio.to_thread(_fetch, f"http://{self.admin}/metrics")
        return next(float(each.split()[-1]) for each in page.splitlines() if each.startswith(line))

    async def reloaded(self) -> None:
        """Ask for it, as an operator does with kill -HUP, and wait until it is done."""
        name = 'vault_reloads_total{file="certificates"}'
        before = await self.figure(name)
        os.kill(os.getpid(), signal.SIGHUP)
        async with asyncio.timeout(20):
            while await self.figure(name) == before:  # noqa: ASYNC110 - as one asks from outside
                await asyncio.sleep(0.05)
            await asyncio.sleep(0.1)  # the policy comes after it


@pytest.fixture
async def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Served]:
    """A fresh vault with one customer; nothing is reloaded unless asked."""
    monkeypatch.setattr(reload, "PERIOD_SECONDS", 3600)
    async with serving(await make_home(tmp_path / "home")) as found:
        yield found


@asynccontextmanager
async def serving(home: Path) -> AsyncIterator[Served]:
    """Serve in this process until the block ends."""
    config = home / "vault.toml"
    text = config.read_text().replace("127.0.0.1:7443", "127.0.0.1:0") + '\n[admin]\nlisten = "127.0.0.1:0"\n'
    config.write_text(text)
    settings = Settings.load(config)
    stop, address, admin = Stop(), asyncio.get_running_loop().create_future(), list[str]()
    vault = await Vault.open(settings, fatal=stop.fatal)
    async with _signals(stop):
        task = asyncio.create_task(serve(settings, vault, ready=address.set_result, told_admin=admin.append, stop=stop))
        try:
            found = Served(Layout(home), await address, admin[0], stop)
            async with found.channel("storefront") as channel:
                request = customers.CreateCustomerRequest(customer_id="42", contact=contact())
                await call(channel, "CustomerService/CreateCustomer", request.SerializeToString())
            yield found
        finally:
            stop.ask()
            await task


def renew(ca: DevelopmentCA, at: Layout) -> None:
    """A new certificate where the server looks for it."""
    name, now = spiffe.parse("spiffe://vault.example/vault"), datetime.now(UTC).replace(microsecond=0)
    ca.issue(name, now=now, dns=["localhost"], ips=[ip_address("127.0.0.1")]).save(at.server)


async def call(channel: grpc.aio.Channel, method: str, request: bytes) -> bytes:
    """One call."""
    made: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(f"/vault.v1.{method}")
    return await made(request, timeout=20)


async def read(channel: grpc.aio.Channel) -> bytes:
    """Read the contact."""
    request = contacts.GetContactRequest(customer_id="42", purpose="service_provisioning")
    return await call(channel, "ContactService/GetContact", request.SerializeToString())


async def test_policy_and_certificates_change_under_load_and_no_call_is_lost(served: Served) -> None:
    """Ten policies, ten certificates, eight callers at work all the time, some of them over new connections."""
    done, answered = asyncio.Event(), 0

    async def work(*, anew: bool) -> None:
        nonlocal answered
        channel = served.channel("provisioning")
        while not done.is_set():
            await read(channel)
            answered += 1
            if anew:
                await channel.close()
                channel = served.channel("provisioning")
        await channel.close()

    async with asyncio.TaskGroup() as group:
        for number in range(8):
            group.create_task(work(anew=number < 2))
        policy, original = served.at.policy, served.at.policy.read_text()
        ca = DevelopmentCA.load(served.at.authority)
        for number in range(10):
            policy.write_text(f"{original}\n# change {number}\n")
            renew(ca, served.at)
            await served.reloaded()
        done.set()
    assert answered > 100
    assert await served.figure('vault_reloads_total{file="policy"}') >= 10
    assert await served.figure('vault_reload_failures_total{file="policy"}') == 0
    assert await served.figure('vault_reload_failures_total{file="certificates"}') == 0


async def test_a_bad_policy_keeps_the_one_before_and_everybody_is_told(served: Served) -> None:
    """On the page, in the figures; until it is mended."""
    policy, original = served.at.policy, served.at.policy.read_text()
    async with served.channel("provisioning") as channel:
        policy.write_text(original.replace("\ncustody", "\ncustard", 1))
        await served.reloaded()
        await read(channel)
        said = await served.ready()
        (remark,) = said["remarks"]
        assert (said["state"], remark["reason"]) == ("serving", "policy_refused")
        assert "custody: is missing" in remark["about"]
        assert await served.figure('vault_reload_refused{file="policy"}') == 1
        assert await served.figure('vault_reload_failures_total{file="policy"}') == 1
        policy.write_text(original.replace(READS, READS.replace('"provisioning", ', "")))
        await served.reloaded()
        assert (await failure(read(channel))).code() is grpc.StatusCode.PERMISSION_DENIED
        assert (await served.ready())["remarks"] == []
        assert await served.figure('vault_reload_refused{file="policy"}') == 0


async def test_limits_change_with_the_policy(served: Served) -> None:
    """Without a new connection, and the SDK's RetryInfo comes with the refusal."""
    own = '\n[limits.callers."spiffe://vault.example/provisioning"]\nrecords_per_second = 0.01\nburst = 1\n'
    with served.at.policy.open("a") as policy:
        policy.write(own)
    async with served.channel("provisioning") as channel:
        await read(channel)
        await served.reloaded()
        await read(channel)
        assert (await failure(read(channel))).code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert await served.figure('vault_calls_limited_total{limit="records",role="provisioning"}') == 1
