"""Certificates that our own authority would never issue, and TLS's report of them.

The forger knows nothing of `vault.pki.profile`: it states each extension itself, so that a test of
one rule breaks that rule and no other, and so that an error shared by issuer and judge is seen.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from vault.pki.spiffe import TrustDomain

DOMAIN = TrustDomain("vault.example")
BILLING = "spiffe://vault.example/billing"
NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
NOW_MS = int(NOW.timestamp()) * 1000
DAY_MS = 86_400_000


def uri(name: str) -> x509.UniformResourceIdentifier:
    """A URI SAN."""
    return x509.UniformResourceIdentifier(name)


def name(common_name: str) -> x509.Name:
    """A subject of one common name."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def certificate(
    sans: Sequence[x509.GeneralName] = (uri(BILLING),),
    extensions: Sequence[x509.ExtensionType] = (),
    *,
    common_name: str = "billing",
    serial: int = 0x1122334455,
    start: datetime = NOW - timedelta(days=1),
    end: datetime = NOW + timedelta(days=1),
) -> bytes:
    """A PEM certificate, signed by its own key: the judge under test does not look at chains."""
    key = ec.generate_private_key(ec.SECP256R1())
    return sign(key, key, sans, extensions, common_name=common_name, serial=serial, start=start, end=end)


def sign(  # noqa: PLR0913 - a forger has many wishes
    key: ec.EllipticCurvePrivateKey,
    issuer_key: ec.EllipticCurvePrivateKey,
    sans: Sequence[x509.GeneralName],
    extensions: Sequence[x509.ExtensionType] = (),
    *,
    common_name: str = "billing",
    issuer: x509.Name | None = None,
    serial: int = 0x1122334455,
    start: datetime,
    end: datetime,
) -> bytes:
    """A PEM certificate with exactly the stated names and extensions."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(name(common_name))
        .issuer_name(issuer or name("forger"))
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(start)
        .not_valid_after(end)
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=True)
    if sans:
        builder = builder.add_extension(x509.SubjectAlternativeName(sans), critical=False)
    return builder.sign(issuer_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def auth_context(pem: bytes, spiffe_id: str | None = BILLING, tls: bytes = b"TLSv1.3") -> dict[str, list[bytes]]:
    """What gRPC reports of a connection; test_mtls holds this against the real thing.

    `spiffe_id` is None where gRPC leaves ``peer_spiffe_id`` out: no URI SAN, or several.
    """
    context = {
        "transport_security_type": [b"ssl"],
        "ssl_tls_version": [tls],
        "x509_pem_cert": [pem],
        "x509_common_name": [b"billing"],
    }
    if spiffe_id is not None:
        context["peer_spiffe_id"] = [spiffe_id.encode()]
    return context


def private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """A private key as gRPC wants it."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def private_key(pem: bytes) -> ec.EllipticCurvePrivateKey:
    """One of ours, read back."""
    key = serialization.load_pem_private_key(pem, password=None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key
