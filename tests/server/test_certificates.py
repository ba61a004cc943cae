"""Certificates at the edge: who is let in, who is not, and what changes while connections are open.

`tests/pki` has the judgement in all its cases; here is that the running server asks it, on each call, for libraries'
methods too, with the deny-list and the certificate of this moment.
"""

import asyncio
import io
import os
import ssl
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import Encoding, PrivateFormat

from tests.frames import headers, message
from tests.pki import forge
from tests.server import running as runs
from tests.server.running import Place, Running, ask_health, failure, get, now, place, running
from tests.server.wire import Wire
from vault.errors import ConfigError
from vault.pki import profile, spiffe
from vault.pki.authority import DevelopmentCA
from vault.server import reload
from vault.server.certificates import ServerCertificates
from vault.server.identity import Callers

UNAUTHENTICATED, UNAVAILABLE = grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.UNAVAILABLE


@pytest.fixture
async def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Running]:
    """A server with a deny-list, that looks at its files often."""
    monkeypatch.setattr(reload, "PERIOD_SECONDS", 0.02)
    (tmp_path / "deny.txt").write_text("")
    async with running(place(tmp_path, 'deny_list = "deny.txt"')) as started:
        yield started


def forged(place: Place, *names: str, starts: timedelta, ends: timedelta) -> tuple[bytes, bytes]:
    """A certificate that the authority would not issue, but has signed: certificate and key."""
    key = profile.new_key()
    cert_pem = forge.sign(
        key,
        place.ca._key,
        [forge.uri(name) for name in names],
        common_name=runs.PROVISIONING,
        issuer=place.ca.certificate.subject,
        start=now() + starts,
        end=now() + ends,
    )
    return cert_pem, forge.private_pem(key)


HOUR = timedelta(hours=1)
OTHER = "spiffe://vault.example/billing"
MATRIX: dict[str, tuple[list[str], timedelta, timedelta, grpc.StatusCode]] = {
    "expired": ([runs.PROVISIONING], -2 * HOUR, -HOUR, UNAVAILABLE),
    "not yet valid": ([runs.PROVISIONING], HOUR, 2 * HOUR, UNAVAILABLE),
    "no name but a common name": ([], -HOUR, HOUR, UNAUTHENTICATED),
    "two names": ([runs.PROVISIONING, OTHER], -HOUR, HOUR, UNAUTHENTICATED),
    "another trust domain": (["spiffe://other.example/billing"], -HOUR, HOUR, UNAVAILABLE),
}


@pytest.mark.parametrize("case", MATRIX)
async def test_an_unacceptable_certificate_never_reaches_the_vault(case: str, server: Running) -> None:
    """Whether TLS stops it (UNAVAILABLE) or the check on each call does."""
    names, starts, ends, code = MATRIX[case]
    async with server.place.connect(server.address, *forged(server.place, *names, starts=starts, ends=ends)) as channel:
        assert (await failure(get(channel))).code() is code
        assert (await failure(ask_health(channel))).code() is code
    assert server.vault.calls == []


async def test_another_authority_is_refused(server: Running) -> None:
    """With the same names."""
    other = DevelopmentCA.create(runs.DOMAIN, now()).issue(runs.PROVISIONING, now=now())
    async with server.channel(other) as channel:
        assert (await failure(get(channel))).code() is UNAVAILABLE
    assert server.vault.calls == []


async def test_a_client_without_a_certificate_is_refused(server: Running) -> None:
    """And so is one without TLS."""
    credentials = grpc.ssl_channel_credentials(server.place.ca.ca_pem)
    async with grpc.aio.secure_channel(server.address, credentials) as channel:
        assert (await failure(get(channel))).code() is UNAVAILABLE
    async with grpc.aio.insecure_channel(server.address) as channel:
        assert (await failure(get(channel))).code() is UNAVAILABLE
    assert server.vault.calls == []


async def test_tls_1_2_is_refused(server: Running) -> None:
    """The handshake cannot be told to; so it works, and no call does."""

    def call(newest: ssl.TLSVersion, expected: bytes) -> str | None:
        with Wire(server.place, server.port, newest) as wire:
            wire.send(headers(1) + message(1))
            wire.until(expected)
            return wire.version

    assert await asyncio.to_thread(call, ssl.TLSVersion.TLSv1_2, b"TLS 1.3 is required") == "TLSv1.2"
    assert server.vault.calls == []
    # The same bytes over TLS 1.3 are served, so the refusal above had no other cause.
    assert await asyncio.to_thread(call, ssl.TLSVersion.TLSv1_3, b"vault-checkpoint-bin") == "TLSv1.3"
    assert len(server.vault.calls) == 1


async def test_a_serial_put_on_the_deny_list_cuts_an_open_connection(server: Running) -> None:
    """At the next call, health included; other callers stay."""
    stolen, good = server.place.caller(), server.place.caller()
    serial = x509.load_pem_x509_certificate(stolen.cert_pem).serial_number
    async with server.channel(stolen) as channel, server.channel(good) as other:
        await get(channel)
        (server.place.folder / "deny.txt").write_text(f"{serial:X}\n")
        error = await eventually_refused(channel)
        assert error.code() is UNAUTHENTICATED
        assert error.details() == "the certificate is on the deny-list"
        assert (await failure(ask_health(channel))).code() is UNAUTHENTICATED
        await get(other)


async def test_a_name_put_on_the_deny_list_cuts_all_its_certificates(server: Running) -> None:
    """Open connections at their next call, and those that come with a new certificate; other callers stay."""
    other = server.place.caller(spiffe.parse("spiffe://vault.example/care"))
    async with server.channel() as channel, server.channel(other) as another:
        await get(channel)
        (server.place.folder / "deny.txt").write_text("spiffe://vault.example/provisioning  # gone\n")
        error = await eventually_refused(channel)
        assert error.details() == "the certificate is on the deny-list"
        async with server.channel(server.place.caller()) as anew:
            assert (await failure(get(anew))).code() is UNAUTHENTICATED
        await get(another)


async def eventually_refused(channel: grpc.aio.Channel) -> grpc.aio.AioRpcError:
    """Call until it fails, for at most five seconds."""
    async with asyncio.timeout(5):
        while True:
            try:
                await get(channel)
            except grpc.aio.AioRpcError as error:
                return error
            await asyncio.sleep(0.02)


async def test_a_bad_deny_list_changes_nothing(server: Running) -> None:
    """The list before it stays in force: refused callers stay refused, good ones are served."""
    stolen = server.place.caller()
    serial = x509.load_pem_x509_certificate(stolen.cert_pem).serial_number
    deny = server.place.folder / "deny.txt"
    async with server.channel(stolen) as channel, server.channel() as other:
        deny.write_text(f"{serial:X}\n")
        await eventually_refused(channel)
        deny.write_text("not a serial\n")
        await asyncio.sleep(0.2)
        assert (await failure(get(channel))).code() is UNAUTHENTICATED
        await get(other)
        deny.write_text("")
        await asyncio.sleep(0.2)
        assert (await failure(get(channel))).code() is UNAUTHENTICATED
        deny.unlink()
        await asyncio.sleep(0.2)
        assert (await failure(get(channel))).code() is UNAUTHENTICATED


async def test_a_mistake_of_ours_does_not_end_the_watch(monkeypatch: pytest.MonkeyPatch, log: io.StringIO) -> None:
    """A dead watcher would be a deny-list that nobody reads."""
    monkeypatch.setattr(reload, "PERIOD_SECONDS", 0.01)
    looked = asyncio.Semaphore(0)

    async def fail() -> None:
        looked.release()
        raise RuntimeError(runs.CANARY)

    class Changing(reload.Watched):
        async def look(self, *, again: bool = False) -> None:
            self._seen = None
            await super().look(again=again)

    watch = asyncio.create_task(reload.keep_current([Changing("policy", [], fail)]))
    async with asyncio.timeout(5):
        for _ in range(3):
            await looked.acquire()
    watch.cancel()
    assert "cannot look at a file" in log.getvalue()
    assert runs.CANARY not in log.getvalue()


async def test_a_certificate_that_expires_cuts_an_open_connection(server: Running) -> None:
    """TLS looked at the dates only once."""
    async with server.channel(server.place.caller(lifetime=timedelta(seconds=3))) as channel:
        await get(channel)
        await asyncio.sleep(3.2)
        error = await failure(get(channel))
    assert error.code() is UNAUTHENTICATED
    assert error.details() == "the certificate has expired"


async def test_the_servers_certificate_is_replaced_under_load_without_dropping_a_call(server: Running) -> None:
    """Old connections go on, new ones see the new certificate; a half-written pair is not taken."""
    served: list[object] = []
    done = asyncio.Event()

    async def load() -> None:
        while not done.is_set():
            async with server.channel() as channel:
                served.extend([await get(channel) for _ in range(3)])

    callers = [asyncio.create_task(load()) for _ in range(3)]
    await asyncio.sleep(0.2)
    before = await serial_of(server)
    for _ in range(5):
        issued = server.place.server_certificate()
        await asyncio.sleep(0.15)
    done.set()
    await asyncio.gather(*callers)
    newest = x509.load_pem_x509_certificate(issued.cert_pem).serial_number
    assert before != newest
    assert await serial_of(server) == newest
    assert len(served) > 10


async def serial_of(server: Running) -> int:
    """The serial of the certificate that the server shows to a new connection."""

    def show() -> bytes:
        with Wire(server.place, server.port) as wire:
            return wire.peer_certificate()

    return x509.load_der_x509_certificate(await asyncio.to_thread(show)).serial_number


async def test_an_authority_that_is_taken_out_lets_nobody_in(server: Running) -> None:
    """From the next connection on."""
    other = DevelopmentCA.create(runs.DOMAIN, now())
    (server.place.folder / "ca/ca.pem").write_bytes(other.ca_pem)
    await asyncio.sleep(0.3)
    async with server.channel() as channel:
        assert (await failure(get(channel))).code() is UNAVAILABLE
    async with server.channel(other.issue(runs.PROVISIONING, now=now())) as channel:
        await get(channel)


async def test_health_is_for_every_caller_that_we_know(server: Running) -> None:
    """A load balancer has a certificate too, and no role."""
    balancer = server.place.caller(spiffe.parse("spiffe://vault.example/balancer"))
    async with server.channel(balancer) as channel:
        assert await ask_health(channel) == "SERVING"


FILES = {
    "no certificate": ("server/cert.pem", None, "cert.pem: No such file"),
    "no PEM": ("server/cert.pem", b"hello", "cert.pem: is no PEM certificate with"),
    "a key for a certificate": ("server/cert.pem", "server/key.pem", "cert.pem: is no PEM certificate with"),
    "another key": ("server/key.pem", "other/key.pem", "cert.pem: is no PEM certificate with"),
    "an encrypted key": ("server/key.pem", "encrypted", "unencrypted key"),
    "an empty bundle": ("ca/ca.pem", b"", "ca.pem: is no PEM bundle"),
    "a bundle of something else": ("ca/ca.pem", "server/key.pem", "ca.pem: is no PEM bundle"),
}


@pytest.mark.parametrize("case", FILES)
def test_unusable_files_are_refused_before_anything_listens(case: str, tmp_path: Path) -> None:
    """Otherwise gRPC would tell every client instead of the operator."""
    made = place(tmp_path)
    made.caller().save(tmp_path / "other")
    secret = serialization.BestAvailableEncryption(b"passphrase")
    encrypted = profile.new_key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, secret)
    (tmp_path / "encrypted").write_bytes(encrypted)
    target, content, said = FILES[case]
    file = tmp_path / target
    if content is None:
        file.unlink()
    else:
        file.write_bytes((tmp_path / content).read_bytes() if isinstance(content, str) else content)
    with pytest.raises(ConfigError, match=said):
        ServerCertificates(made.settings.server)


@pytest.mark.parametrize(("starts", "ends"), [(-2 * HOUR, -HOUR), (HOUR, 2 * HOUR)])
def test_a_certificate_that_is_not_valid_now_is_refused(starts: timedelta, ends: timedelta, tmp_path: Path) -> None:
    """Every client would refuse it, and nobody would tell the operator."""
    made = place(tmp_path)
    cert_pem, key_pem = forged(made, starts=starts, ends=ends)
    (tmp_path / "server/cert.pem").write_bytes(cert_pem)
    (tmp_path / "server/key.pem").write_bytes(key_pem)
    with pytest.raises(ConfigError, match="which is not now: renew it"):
        ServerCertificates(made.settings.server)


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    """It must be taken as known."""
    made = place(tmp_path)
    (tmp_path / "server/key.pem").chmod(0o640)
    with pytest.raises(ConfigError, match="others may read this key"):
        ServerCertificates(made.settings.server)


def test_a_deny_list_that_is_named_must_be_there(tmp_path: Path) -> None:
    """A misspelt name would be an empty list."""
    made = place(tmp_path, 'deny_list = "denied.txt"')
    with pytest.raises(ConfigError, match=r"denied\.txt"):
        Callers(made.settings)


def test_a_pair_that_changes_while_it_is_read_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was checked must be what is used."""
    made = place(tmp_path)
    certificates = ServerCertificates(made.settings.server)
    check = certificates._check

    def meanwhile(authorities: bytes) -> None:
        check(authorities)
        os.utime(tmp_path / "server/cert.pem")

    monkeypatch.setattr(certificates, "_check", meanwhile)
    with pytest.raises(ConfigError, match="is being written"):
        certificates.reload()
    assert certificates._newest() is None
