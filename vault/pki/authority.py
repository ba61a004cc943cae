"""A certificate authority for development, made by ``customer-vault init``.

It exists so that the first run already has what production has: mutual TLS in which a caller's name
comes from a certificate. In production its place is taken by SPIRE or the company's own authority;
the vault itself sees only a CA bundle, and `identity` accepts any conforming X509-SVID.

What the certificates say is in `profile`; this module holds the authority's key, files and dates.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Final, Self

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from vault.domain.secret import Secret
from vault.errors import ConfigError, InvalidArgument
from vault.pki import files, profile, spiffe
from vault.pki.spiffe import SpiffeId, TrustDomain

LIFETIME: Final = timedelta(days=90)
AUTHORITY_LIFETIME: Final = timedelta(days=3650)


@dataclass(frozen=True, slots=True, eq=False)
class IssuedCertificate:
    """A leaf certificate and its private key, both PEM (the key PKCS #8, not encrypted)."""

    cert_pem: bytes
    key_pem: Secret

    def save(self, directory: Path) -> None:
        """Write ``cert.pem`` and ``key.pem`` (0600), replacing older ones.

        Each file changes in one step but the pair does not: who reloads them checks that they match
        and tries again.

        Raises:
            ConfigError: a file cannot be written.
        """
        files.make_directory(directory)
        files.write_over(directory / "key.pem", self.key_pem.reveal(), files.SECRET)
        files.write_over(directory / "cert.pem", self.cert_pem, files.PUBLIC)


@dataclass(frozen=True, slots=True, eq=False)
class DevelopmentCA:
    """The authority of one trust domain; made by `create` or `load`."""

    certificate: x509.Certificate
    trust_domain: TrustDomain
    _key: ec.EllipticCurvePrivateKey = field(repr=False)

    @classmethod
    def create(cls, trust_domain: TrustDomain, now: datetime) -> Self:
        """Make a new authority, valid for ten years from `now` (aware)."""
        key = profile.new_key()
        end = now + AUTHORITY_LIFETIME
        return cls(profile.authority_certificate(key, trust_domain, now, end), trust_domain, key)

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Read what `save` wrote.

        Raises:
            ConfigError: a file is missing, damaged, open to others, or does not fit the other one.
        """
        cert_file, key_file = directory / "ca.pem", directory / "ca.key"
        certificate, trust_domain = _read_certificate(cert_file)
        key = _read_key(key_file)
        if key.public_key() != certificate.public_key():
            raise ConfigError(str(key_file), "", "is not the key of ca.pem")
        return cls(certificate, trust_domain, key)

    def save(self, directory: Path) -> None:
        """Write ``ca.key`` (0600) and ``ca.pem``.

        Raises:
            ConfigError: a file cannot be written, or an authority is there already: to replace it
                would orphan every certificate that it has issued.
        """
        files.make_directory(directory)
        files.write_new(directory / "ca.key", _private_pem(self._key).reveal(), files.SECRET)
        files.write_new(directory / "ca.pem", self.ca_pem, files.PUBLIC)

    @property
    def ca_pem(self) -> bytes:
        """The authority's certificate as PEM: what peers put into their CA bundle."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def issue(
        self,
        spiffe_id: SpiffeId,
        *,
        now: datetime,
        lifetime: timedelta = LIFETIME,
        dns: Iterable[str] = (),
        ips: Iterable[IPv4Address | IPv6Address] = (),
    ) -> IssuedCertificate:
        """Make a key and its certificate.

        Args:
            spiffe_id: the one name of the holder, in this authority's trust domain.
            now: aware; the certificate starts five minutes earlier.
            lifetime: from `now` on; cut where the authority's own ends.
            dns: host names. With a name or an address it is a server's certificate, without any a
                caller's.
            ips: addresses, likewise.

        Raises:
            InvalidArgument: the name is of another trust domain, or the lifetime is not positive.
            ConfigError: the authority itself has expired.
        """
        if spiffe.trust_domain(spiffe_id) != self.trust_domain:
            raise InvalidArgument("spiffe_id", "must be in the authority's trust domain")
        if lifetime <= timedelta():
            raise InvalidArgument("lifetime", "must be positive")
        end = min(now + lifetime, self.certificate.not_valid_after_utc)
        if end <= now:
            raise ConfigError("ca.pem", "", "the authority has expired: make a new one")
        hosts = [*map(x509.DNSName, dns), *map(x509.IPAddress, ips)]
        key = profile.new_key()
        certificate = profile.leaf_certificate(
            key, spiffe_id, hosts, now, end, issuer=self.certificate, issuer_key=self._key
        )
        return IssuedCertificate(certificate.public_bytes(serialization.Encoding.PEM), _private_pem(key))


def _private_pem(key: ec.EllipticCurvePrivateKey) -> Secret:
    return Secret(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


def _read_certificate(path: Path) -> tuple[x509.Certificate, TrustDomain]:
    """Read the authority's certificate; its own SPIFFE ID says whose it is."""
    try:
        certificate = x509.load_pem_x509_certificate(files.read(path))
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        (uri,) = names.get_values_for_type(x509.UniformResourceIdentifier)
        return certificate, spiffe.parse_trust_domain(uri.removeprefix("spiffe://"))
    except (*profile.UNREADABLE, x509.ExtensionNotFound, InvalidArgument):
        raise ConfigError(str(path), "", "is not the certificate of an authority made by init") from None


def _read_key(path: Path) -> ec.EllipticCurvePrivateKey:
    try:
        key = serialization.load_pem_private_key(files.read_secret(path), password=None)
    except (ValueError, TypeError):
        raise ConfigError(str(path), "", "is not an unencrypted PEM key") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ConfigError(str(path), "", "is not an elliptic-curve key")
    return key
