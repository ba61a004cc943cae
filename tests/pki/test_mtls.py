"""Our certificates in real gRPC connections: what the handshake stops, and what only `identity` does.

A small aio server asks `identity.peer` on each call, with a clock and a deny-list that the test
sets. These tests pin the behaviour of gRPC and BoringSSL that the package relies on, so an upgrade
that changes it fails here.
"""

import ipaddress
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import grpc
import pytest
from cryptography import x509

from tests.pki import forge
from tests.pki.forge import BILLING, DOMAIN, uri
from vault.errors import Unauthenticated
from vault.pki import identity, profile, spiffe
from vault.pki.authority import DevelopmentCA, IssuedCertificate

SERVER = spiffe.parse("spiffe://vault.example/vault")
CALLER = spiffe.parse(BILLING)
METHOD = "/test.Echo/WhoAmI"


def now() -> datetime:
    """The real time: the handshake reads the machine's clock."""
    return datetime.now(UTC).replace(microsecond=0)


def milliseconds(moment: datetime) -> int:
    """As `identity` wants it."""
    return int(moment.timestamp()) * 1000


@dataclass
class WhoAmI:
    """A server method that answers with the caller's name, or refuses as the vault's edge does."""

    now_ms: int
    denied: frozenset[int] = frozenset()
    contexts: list[dict[str, list[bytes]]] = field(default_factory=list)

    async def answer(self, _: bytes, context: "grpc.aio.ServicerContext[bytes, bytes]") -> bytes:
        """Judge this call."""
        self.contexts.append({key: list(values) for key, values in context.auth_context().items()})
        try:
            caller = identity.peer(context.auth_context(), trust_domain=DOMAIN, now_ms=self.now_ms, denied=self.denied)
        except Unauthenticated as error:
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, str(error))
        return caller.spiffe_id.encode()


@asynccontextmanager
async def serving(method: WhoAmI, certificate: IssuedCertificate, bundle: bytes) -> AsyncIterator[int]:
    """A real server on a free port of the loopback; yields the port."""
    server = grpc.aio.server()
    handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(method.answer)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Echo", {"WhoAmI": handler}),))
    pair = (certificate.key_pem.reveal(), certificate.cert_pem)
    port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([pair], bundle, require_client_auth=True))
    await server.start()
    try:
        yield port
    finally:
        await server.stop(None)


def channel(port: int, bundle: bytes, cert_pem: bytes, key_pem: bytes) -> grpc.aio.Channel:
    """A client's connection."""
    return grpc.aio.secure_channel(f"127.0.0.1:{port}", grpc.ssl_channel_credentials(bundle, key_pem, cert_pem))


async def ask(connection: grpc.aio.Channel) -> bytes:
    """One call."""
    call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = connection.unary_unary(METHOD)
    return await call(b"", timeout=10)


async def ask_once(port: int, bundle: bytes, cert_pem: bytes, key_pem: bytes) -> bytes:
    """One call on a connection of its own."""
    async with channel(port, bundle, cert_pem, key_pem) as connection:
        return await ask(connection)


async def refused(connection: grpc.aio.Channel) -> str:
    """Assert that the server's method refuses the call; return the text that the caller gets."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await ask(connection)
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
    return caught.value.details() or ""


def new_authority() -> tuple[DevelopmentCA, IssuedCertificate]:
    """An authority, and the vault's certificate under it."""
    ca = DevelopmentCA.create(DOMAIN, now())
    return ca, vault_certificate(ca)


def vault_certificate(ca: DevelopmentCA) -> IssuedCertificate:
    """As `init` issues it."""
    return ca.issue(SERVER, now=now(), dns=["localhost"], ips=[ipaddress.ip_address("127.0.0.1")])


def forged(
    ca: DevelopmentCA, *sans: x509.GeneralName, start: datetime | None = None, end: datetime | None = None
) -> tuple[bytes, bytes]:
    """What somebody who stole the authority's key could sign: certificate and key."""
    key = profile.new_key()
    cert_pem = forge.sign(
        key,
        ca._key,
        sans,
        common_name=BILLING,
        issuer=ca.certificate.subject,
        start=start or now() - timedelta(hours=1),
        end=end or now() + timedelta(hours=1),
    )
    return cert_pem, forge.private_pem(key)


async def test_a_caller_is_recognised_over_a_real_connection() -> None:
    """And gRPC reports what the other tests of this package assume that it reports."""
    ca, certificate = new_authority()
    issued = ca.issue(CALLER, now=now())
    method = WhoAmI(milliseconds(now()))
    async with serving(method, certificate, ca.ca_pem) as port:
        assert await ask_once(port, ca.ca_pem, issued.cert_pem, issued.key_pem.reveal()) == BILLING.encode()
    real, assumed = method.contexts[0], forge.auth_context(issued.cert_pem)
    for key in ("ssl_tls_version", "x509_pem_cert", "peer_spiffe_id", "transport_security_type"):
        assert real[key] == assumed[key]


@pytest.mark.parametrize(
    "sans", [[], [x509.DNSName("billing")], [uri(BILLING), uri("spiffe://vault.example/vault")]], ids=len
)
async def test_the_handshake_lets_unnamed_callers_in_and_identity_does_not(sans: list[x509.GeneralName]) -> None:
    """No SAN (only a common name), no URI, two URIs: correctly signed, so TLS has no objection."""
    ca, certificate = new_authority()
    method = WhoAmI(milliseconds(now()))
    async with (
        serving(method, certificate, ca.ca_pem) as port,
        channel(port, ca.ca_pem, *forged(ca, *sans)) as connection,
    ):
        assert await refused(connection) == "the certificate must name one SPIFFE ID"
    assert "peer_spiffe_id" not in method.contexts[0]


async def test_an_open_connection_is_cut_on_the_next_call() -> None:
    """The handshake alone looks at dates, and nothing in gRPC looks at the deny-list."""
    ca, certificate = new_authority()
    issued = ca.issue(CALLER, now=now(), lifetime=timedelta(hours=1))
    method = WhoAmI(milliseconds(now()))
    async with (
        serving(method, certificate, ca.ca_pem) as port,
        channel(port, ca.ca_pem, issued.cert_pem, issued.key_pem.reveal()) as connection,
    ):
        assert await ask(connection) == BILLING.encode()
        method.denied = frozenset({x509.load_pem_x509_certificate(issued.cert_pem).serial_number})
        assert await refused(connection) == "the certificate is on the deny-list"
        method.denied = frozenset()
        method.now_ms = milliseconds(now() + timedelta(hours=2))
        assert await refused(connection) == "the certificate has expired"


async def handshake_fails(ca: DevelopmentCA, cert_pem: bytes, key_pem: bytes) -> None:
    """Assert that no call reaches the server, while a good caller's does."""
    method = WhoAmI(milliseconds(now()))
    good = ca.issue(CALLER, now=now())
    async with serving(method, vault_certificate(ca), ca.ca_pem) as port:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await ask_once(port, ca.ca_pem, cert_pem, key_pem)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert method.contexts == []
        assert await ask_once(port, ca.ca_pem, good.cert_pem, good.key_pem.reveal()) == BILLING.encode()


async def test_the_handshake_refuses_an_expired_certificate() -> None:
    """It never reaches `identity`."""
    ca, _ = new_authority()
    await handshake_fails(ca, *forged(ca, uri(BILLING), end=now() - timedelta(minutes=1)))


async def test_the_handshake_refuses_a_certificate_that_is_not_valid_yet() -> None:
    """Likewise."""
    ca, _ = new_authority()
    await handshake_fails(ca, *forged(ca, uri(BILLING), start=now() + timedelta(minutes=10)))


async def test_the_handshake_refuses_another_authority() -> None:
    """Same names, same subject, another key."""
    ca, _ = new_authority()
    other, _ = new_authority()
    issued = other.issue(CALLER, now=now())
    await handshake_fails(ca, issued.cert_pem, issued.key_pem.reveal())


@pytest.mark.parametrize("name", ["spiffe://other.example/billing", "spiffe://x.vault.example/billing"])
async def test_the_handshake_refuses_a_name_outside_of_the_authoritys_domain(name: str) -> None:
    """BoringSSL honours the name constraint: the authority cannot be used against another domain."""
    ca, _ = new_authority()
    await handshake_fails(ca, *forged(ca, uri(name)))


async def test_the_servers_certificate_is_no_callers() -> None:
    """Stolen from the vault's host, it opens nothing on the vault."""
    ca, vault = new_authority()
    await handshake_fails(ca, vault.cert_pem, vault.key_pem.reveal())


async def test_a_callers_certificate_is_no_servers() -> None:
    """Stolen from a caller's host, it cannot pose as the vault: it has no host name and no server usage."""
    ca, _ = new_authority()
    issued = ca.issue(CALLER, now=now())
    method = WhoAmI(milliseconds(now()))
    async with serving(method, issued, ca.ca_pem) as port:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await ask_once(port, ca.ca_pem, issued.cert_pem, issued.key_pem.reveal())
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert method.contexts == []


async def test_two_authorities_of_one_name_work_side_by_side() -> None:
    """While the authority is replaced, the bundle holds both; key identifiers tell them apart."""
    old, _ = new_authority()
    new, certificate = new_authority()
    method = WhoAmI(milliseconds(now()))
    bundle = old.ca_pem + new.ca_pem
    async with serving(method, certificate, bundle) as port:
        for ca in (old, new):
            issued = ca.issue(CALLER, now=now())
            assert await ask_once(port, bundle, issued.cert_pem, issued.key_pem.reveal()) == BILLING.encode()
