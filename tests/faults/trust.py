"""A real server whose certificates and deny-list change under it, and the certificates that it is shown (T14)."""

import asyncio
import ipaddress
import json
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
from cryptography import x509

from tests.abuse.heist import send
from tests.frames import Line, headers, message, tls
from tests.pki import forge
from tests.running import RunningVault, make_home
from vault.pki import profile, spiffe
from vault.pki.authority import DevelopmentCA, IssuedCertificate
from vault.v1 import audit_service_pb2 as audit

DOMAIN = spiffe.parse_trust_domain("vault.example")
CALLER = "spiffe://vault.example/provisioning"
HOUR = timedelta(hours=1)
Pair = tuple[bytes, bytes]
"""A certificate and its key, in PEM."""


def now() -> datetime:
    """The real time: the handshake reads the machine's clock."""
    return datetime.now(UTC).replace(microsecond=0)


def pair(issued: IssuedCertificate) -> Pair:
    """As gRPC takes it."""
    return issued.cert_pem, issued.key_pem.reveal()


def serial(issued: IssuedCertificate) -> str:
    """As the deny-list names it."""
    return f"{x509.load_pem_x509_certificate(issued.cert_pem).serial_number:X}"


@dataclass(frozen=True, slots=True)
class Trust:
    """A vault, the authority that `init` made for it, and its files."""

    vault: RunningVault
    ca: DevelopmentCA

    @classmethod
    def home(cls, folder: Path) -> Path:
        """A vault's folder with a deny-list that is empty."""
        home = make_home(folder)
        config = home / "vault.toml"
        config.write_text(config.read_text().replace("\n[vault]", '\ndeny_list = "deny.txt"\n\n[vault]'))
        (home / "deny.txt").write_text("")
        return home

    @classmethod
    def of(cls, vault: RunningVault) -> "Trust":
        """For a server that runs."""
        return cls(vault, DevelopmentCA.load(vault.home / "ca"))

    def caller(self, name: str = CALLER, lifetime: timedelta = HOUR) -> IssuedCertificate:
        """As the authority issues it."""
        return self.ca.issue(spiffe.parse(name), now=now(), lifetime=lifetime)

    def forged(self, *sans: x509.GeneralName, start: timedelta = -HOUR, end: timedelta = HOUR) -> Pair:
        """What the authority would not issue, signed by it."""
        key = profile.new_key()
        names = {"common_name": CALLER, "issuer": self.ca.certificate.subject}
        cert_pem = forge.sign(key, self.ca._key, sans, start=now() + start, end=now() + end, **names)  # type: ignore[arg-type]
        return cert_pem, forge.private_pem(key)

    def channel(self, shown: Pair | None, bundle: bytes = b"") -> grpc.aio.Channel:
        """A connection of its own, believing the authorities of the bundle."""
        cert_pem, key_pem = shown or (None, None)
        credentials = grpc.ssl_channel_credentials(bundle or self.ca.ca_pem, key_pem, cert_pem)
        own = [("grpc.use_local_subchannel_pool", 1)]
        return grpc.aio.secure_channel(self.vault.address, credentials, options=own)

    async def outcome(self, shown: Pair | None, bundle: bytes = b"") -> str:
        """What a caller with this certificate gets on a new connection."""
        async with self.channel(shown, bundle) as channel:
            return await answer(channel)

    def serve_with(self, ca: DevelopmentCA, lifetime: timedelta = HOUR) -> IssuedCertificate:
        """Put a new certificate where the server looks for its own."""
        name = spiffe.parse("spiffe://vault.example/vault")
        hosts = {"dns": ["localhost"], "ips": [ipaddress.ip_address("127.0.0.1")]}
        issued = ca.issue(name, now=now(), lifetime=lifetime, **hosts)  # type: ignore[arg-type]
        issued.save(self.vault.home / "server")
        return issued

    async def shown(self, bundle: bytes = b"") -> int:
        """The serial of the certificate that the server shows to new connections."""
        folder = self.vault.caller("provisioning")

        def look() -> bytes:
            port = int(self.vault.address.rpartition(":")[2])
            with Line(port, tls(bundle or self.ca.ca_pem, (folder / "cert.pem", folder / "key.pem"))) as line:
                return line.peer_certificate()

        return x509.load_der_x509_certificate(await asyncio.to_thread(look)).serial_number

    def said(self) -> list[dict[str, str]]:
        """The server's log."""
        lines = (self.vault.home.parent / f"{self.vault.home.name}.log").read_text().splitlines()
        return [json.loads(line) for line in lines]


async def answer(channel: grpc.aio.Channel) -> str:
    """Of one call that everybody may make whom the policy knows: `OK`, or the code."""
    try:
        await send(channel, "AuditService.GetCheckpoint", audit.GetCheckpointRequest().SerializeToString())
    except grpc.aio.AioRpcError as error:
        return error.code().name
    return "OK"


async def until(what: Callable[[], bool], *, within: float = 10) -> None:
    """Wait for what the server does once a second."""
    async with asyncio.timeout(within):
        while not what():  # noqa: ASYNC110 - it happens in another process
            await asyncio.sleep(0.05)


def over_tls_1_2(trust: Trust) -> bytes:
    """What a call over TLS 1.2 gets, as bytes."""
    folder = trust.vault.caller("provisioning")
    files = (folder / "cert.pem", folder / "key.pem")
    port = int(trust.vault.address.rpartition(":")[2])
    with Line(port, tls(trust.ca.ca_pem, files, ssl.TLSVersion.TLSv1_2)) as line:
        line.hello().send(headers(1) + message(1))
        line.until(b"TLS 1.3 is required")
        return line.received
