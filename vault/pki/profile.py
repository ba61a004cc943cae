"""What our certificates look like: one profile for the authority, one for leaves.

Each choice takes something from a thief of one file:

* The authority may sign leaves only (path length 0) and names of its own trust domain only (a
  critical name constraint on URIs, which gRPC's BoringSSL enforces: measured, and kept by a test).
  DNS and IP names stay free, because BoringSSL refuses every chain with an IP constraint.
* A caller's certificate is for clients only and the vault's for servers only, so a stolen billing
  certificate cannot pose as the vault. X509-SVID section 4.4 wants both usages in every leaf; what
  we issue is narrower on purpose, what `identity` accepts is not.
* Leaves have no subject: the SPIFFE ID is the only name, so nobody comes to rely on another one.

Serials are 159 random bits (RFC 5280 section 4.1.2.2: at most 20 octets, positive).
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from vault.pki.spiffe import SpiffeId, TrustDomain

CLOCK_SKEW: Final = timedelta(minutes=5)
"""How far back a certificate starts, for peers whose clock is behind."""

UNREADABLE: Final = (
    ValueError,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)
"""All that `cryptography` raises on odd certificates; found by changing bytes, kept by a test."""

_AUTHORITY: Final = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "customer-vault development CA")])


def new_key() -> ec.EllipticCurvePrivateKey:
    """Make a P-256 key: what every TLS library signs with and accepts."""
    return ec.generate_private_key(ec.SECP256R1())


def authority_certificate(
    key: ec.EllipticCurvePrivateKey, trust_domain: TrustDomain, start: datetime, end: datetime
) -> x509.Certificate:
    """Sign an authority's certificate with its own key; `start` and `end` are aware."""
    # X509-SVID 3.2: an authority's own SPIFFE ID has no path.
    own_name = x509.UniformResourceIdentifier(f"spiffe://{trust_domain}")
    subtree = x509.UniformResourceIdentifier(trust_domain)
    return (
        _builder(key, start, end, issuer_key=key)
        .subject_name(_AUTHORITY)
        .issuer_name(_AUTHORITY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(authority=True), critical=True)
        .add_extension(x509.NameConstraints([subtree], None), critical=True)
        .add_extension(x509.SubjectAlternativeName([own_name]), critical=False)
        .sign(key, hashes.SHA256())
    )


def leaf_certificate(
    key: ec.EllipticCurvePrivateKey,
    spiffe_id: SpiffeId,
    hosts: Sequence[x509.GeneralName],
    start: datetime,
    end: datetime,
    *,
    issuer: x509.Certificate,
    issuer_key: ec.EllipticCurvePrivateKey,
) -> x509.Certificate:
    """Sign a leaf: a server's if it has `hosts` (DNS names, addresses), else a caller's."""
    usage = ExtendedKeyUsageOID.SERVER_AUTH if hosts else ExtendedKeyUsageOID.CLIENT_AUTH
    names = [x509.UniformResourceIdentifier(spiffe_id), *hosts]
    return (
        _builder(key, start, end, issuer_key=issuer_key)
        .subject_name(x509.Name([]))
        .issuer_name(issuer.subject)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        # RFC 5280 4.1.2.6: critical, because the subject is empty.
        .add_extension(x509.SubjectAlternativeName(names), critical=True)
        .sign(issuer_key, hashes.SHA256())
    )


def _builder(
    key: ec.EllipticCurvePrivateKey,
    start: datetime,
    end: datetime,
    *,
    issuer_key: ec.EllipticCurvePrivateKey,
) -> x509.CertificateBuilder:
    """Begin with what both profiles share.

    The key identifiers let a verifier pick among authorities of the same name, which a CA bundle
    has while one is being replaced.
    """
    own_id = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    issuer_id = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
    return (
        x509.CertificateBuilder()
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start - CLOCK_SKEW)
        .not_valid_after(end)
        .add_extension(own_id, critical=False)
        .add_extension(issuer_id, critical=False)
    )


def _key_usage(*, authority: bool) -> x509.KeyUsage:
    """Return the one pair of uses each profile has (X509-SVID section 4.3)."""
    return x509.KeyUsage(
        digital_signature=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
