"""Who is calling: the judgement on the certificate of a live connection.

TLS has proved that the peer holds the key of a certificate that our authority signed. It has not
proved the rest of what we rely on, and gRPC for Python does not check it: that the protocol is
TLS 1.3, that the certificate names exactly one caller, and that it is *still* in date and *still*
believed, on a connection that may have been open for hours. So each call comes through `peer`.

What cannot change during a connection (what the certificate says) is read once and kept, least
recently used out first; what can (the clock, the deny-list) is asked each time. A call on a known
certificate costs a dictionary look-up and three comparisons.

Raises only `Unauthenticated`, with fixed texts: they say which rule was broken, which the holder of
the certificate may know, and never repeat what the certificate says.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Final

from cryptography import x509

from vault.errors import InvalidArgument, Unauthenticated
from vault.pki import profile, spiffe
from vault.pki.deny import Denied
from vault.pki.spiffe import SpiffeId, TrustDomain

MAX_PEM_BYTES: Final = 16 * 1024
"""Ten times an ordinary certificate. Bounds the cache in bytes: 1,024 times this is 16 MiB."""

_CACHED: Final = 1024


@dataclass(frozen=True, slots=True)
class Peer:
    """A caller whose certificate was checked.

    Attributes:
        spiffe_id: its name, in our trust domain.
        serial: of the certificate; goes into the audit entry and is what the deny-list names.
        not_before: first valid moment, milliseconds since 1970.
        not_after: last valid moment, milliseconds since 1970.
    """

    spiffe_id: SpiffeId
    serial: int
    not_before: int
    not_after: int


def peer(
    auth_context: Mapping[str, Iterable[bytes]],
    *,
    trust_domain: TrustDomain,
    now_ms: int,
    denied: Denied,
) -> Peer:
    """Say who is calling, or refuse.

    Args:
        auth_context: what gRPC's ``context.auth_context()`` returns.
        trust_domain: the only one whose callers we know.
        now_ms: the time of this call, milliseconds since 1970.
        denied: serials and names from `deny.load`.

    Raises:
        Unauthenticated: any check below failed.
    """
    # (1) gRPC cannot be told a lowest TLS version. No TLS at all fails here too.
    if list(auth_context.get("ssl_tls_version", ())) != [b"TLSv1.3"]:
        raise Unauthenticated("TLS 1.3 is required")
    # (2) Exactly one certificate, of ordinary size.
    match list(auth_context.get("x509_pem_cert", ())):
        case [bytes(pem)] if len(pem) <= MAX_PEM_BYTES:
            pass
        case _:
            raise Unauthenticated("one client certificate is required")
    # (3) What it says; see `read`.
    found = read(pem, trust_domain)
    # (4) gRPC's own reading of the same certificate must agree with ours: where two parsers differ,
    #     one of them was fooled. It reports no name for a certificate with two URIs.
    if list(auth_context.get("peer_spiffe_id", ())) != [found.spiffe_id.encode()]:
        raise Unauthenticated("the certificate must name one SPIFFE ID")
    # (5) The handshake checked dates too, but a connection outlives a handshake.
    if now_ms < found.not_before:
        raise Unauthenticated("the certificate is not valid yet")
    if now_ms > found.not_after:
        raise Unauthenticated("the certificate has expired")
    # (6) Still believed.
    if found.serial in denied or found.spiffe_id in denied:
        raise Unauthenticated("the certificate is on the deny-list")
    return found


@lru_cache(maxsize=_CACHED)
def read(pem: bytes, trust_domain: TrustDomain) -> Peer:
    """Take the caller from a certificate; dates and deny-list are left to `peer`.

    Refusals are not kept: they are rare (only our authority can cause them), and a cache that
    strangers could fill would push out the callers it is for.

    Raises:
        Unauthenticated: it is no leaf certificate of one caller in this trust domain.
    """
    try:
        certificate = x509.load_pem_x509_certificate(pem)
        extensions = certificate.extensions
        uris = _uris(extensions)
        signs = _may_sign(extensions)
        serial = certificate.serial_number
        not_before, not_after = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    except profile.UNREADABLE:
        raise Unauthenticated("the certificate cannot be read") from None
    # (a) X509-SVID 5.2: "Signing certificates MUST NOT be used for authentication purposes".
    if signs:
        raise Unauthenticated("the certificate is of an authority, not of a caller")
    # (b) X509-SVID 2: "SVIDs containing more than one URI SAN MUST be rejected". The common name is
    #     never looked at: it is free text.
    if len(uris) != 1:
        raise Unauthenticated("the certificate must name one SPIFFE ID")
    # (c) A well-formed name, of our trust domain.
    try:
        spiffe_id = spiffe.parse(uris[0])
    except InvalidArgument:
        raise Unauthenticated("the certificate must name one SPIFFE ID") from None
    if spiffe.trust_domain(spiffe_id) != trust_domain:
        raise Unauthenticated("the certificate is of another trust domain")
    # (d) RFC 5280 4.1.2.2: serials are positive. One that is not could not be put on a deny-list.
    if serial <= 0:
        raise Unauthenticated("the certificate has no valid serial number")
    return Peer(spiffe_id, serial, _milliseconds(not_before), _milliseconds(not_after))


def _uris(extensions: x509.Extensions) -> list[str]:
    try:
        names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return names.get_values_for_type(x509.UniformResourceIdentifier)


def _may_sign(extensions: x509.Extensions) -> bool:
    """Tell whether the certificate could sign others, by either of the two places that say so."""
    for extension in extensions:
        match extension.value:
            case x509.BasicConstraints(ca=True):
                return True
            case x509.KeyUsage(key_cert_sign=True) | x509.KeyUsage(crl_sign=True):
                return True
            case _:
                continue
    return False


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp()) * 1000
