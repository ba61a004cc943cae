"""Only an in-date, believed leaf certificate of exactly one caller of our trust domain gets in."""

import base64
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.pki import forge
from tests.pki.forge import BILLING, DAY_MS, DOMAIN, NOW, NOW_MS, auth_context, certificate, uri
from vault.errors import Unauthenticated
from vault.pki import identity
from vault.pki.identity import Peer
from vault.pki.spiffe import SpiffeId

SERIAL = 0x1122334455
ONE_NAME = "the certificate must name one SPIFFE ID"


def judge(
    pem: bytes, spiffe_id: str | None = BILLING, *, now_ms: int = NOW_MS, denied: frozenset[int] = frozenset()
) -> Peer:
    """The judgement on a TLS 1.3 connection with this certificate."""
    return identity.peer(auth_context(pem, spiffe_id), trust_domain=DOMAIN, now_ms=now_ms, denied=denied)


def refused(pem: bytes, spiffe_id: str | None = BILLING, *, text: str, now_ms: int = NOW_MS, denied: int = 0) -> None:
    """Assert that the certificate is refused with exactly this text."""
    with pytest.raises(Unauthenticated) as caught:
        judge(pem, spiffe_id, now_ms=now_ms, denied=frozenset({denied}))
    assert str(caught.value) == text
    # Neither a cause nor a context may carry what the certificate says into a trace.
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_a_good_certificate_says_who_calls_and_until_when() -> None:
    """The one way in, so that every refusal below is due to the one thing it changes."""
    expected = Peer(SpiffeId(BILLING), SERIAL, NOW_MS - DAY_MS, NOW_MS + DAY_MS)
    assert judge(certificate()) == expected


def test_other_kinds_of_san_do_not_matter() -> None:
    """X509-SVID section 2: "MAY contain any number of other SAN field types"."""
    assert judge(certificate([uri(BILLING), x509.DNSName("billing.internal")])).spiffe_id == BILLING


def test_the_last_and_first_moments_are_inside() -> None:
    """RFC 5280 4.1.2.5: "from notBefore through notAfter, inclusive"."""
    pem = certificate()
    for now_ms in (NOW_MS - DAY_MS, NOW_MS + DAY_MS):
        assert judge(pem, now_ms=now_ms).serial == SERIAL


def test_an_expired_certificate_is_refused_on_the_next_call() -> None:
    """The same connection, one millisecond later."""
    pem = certificate()
    judge(pem)
    refused(pem, now_ms=NOW_MS + DAY_MS + 1, text="the certificate has expired")


def test_a_certificate_that_is_not_valid_yet_is_refused() -> None:
    """And is let in once its time has come."""
    pem = certificate()
    refused(pem, now_ms=NOW_MS - DAY_MS - 1, text="the certificate is not valid yet")
    judge(pem)


def test_a_certificate_on_the_deny_list_is_refused_on_the_next_call() -> None:
    """The list is asked each time, not once per connection."""
    pem = certificate()
    judge(pem, denied=frozenset({SERIAL + 1}))
    refused(pem, denied=SERIAL, text="the certificate is on the deny-list")


@pytest.mark.parametrize(
    "other",
    [
        "spiffe://other.example/billing",
        "spiffe://vault.example.evil/billing",
        "spiffe://x.vault.example/billing",
        "spiffe://vault.exampl/billing",
    ],
)
def test_another_trust_domain_is_refused(other: str) -> None:
    """Equal, not similar."""
    refused(certificate([uri(other)]), other, text="the certificate is of another trust domain")


@pytest.mark.parametrize("sans", [[], [x509.DNSName("billing")], [x509.RFC822Name("billing@vault.example")]])
def test_a_certificate_without_a_uri_is_refused(sans: list[x509.GeneralName]) -> None:
    """Other names are not identities."""
    refused(certificate(sans), None, text=ONE_NAME)


def test_a_common_name_is_not_an_identity() -> None:
    """Even one that reads like a SPIFFE ID."""
    refused(certificate([], common_name=BILLING), None, text=ONE_NAME)


@pytest.mark.parametrize("second", ["spiffe://vault.example/provisioning", BILLING, "https://vault.example/"])
def test_two_uris_are_refused(second: str) -> None:
    """Whatever the second one is, and whichever gRPC would report."""
    for sans in ([uri(BILLING), uri(second)], [uri(second), uri(BILLING)]):
        refused(certificate(sans), None, text=ONE_NAME)
        refused(certificate(sans), BILLING, text=ONE_NAME)


@pytest.mark.parametrize(
    "text", ["spiffe://vault.example", "spiffe://Vault.example/billing", "spiffe://vault.example/a/", "x"]
)
def test_a_malformed_name_is_refused(text: str) -> None:
    """See test_spiffe for the rules."""
    refused(certificate([uri(text)]), text, text=ONE_NAME)


@pytest.mark.parametrize("reported", [None, "spiffe://vault.example/provisioning", BILLING + "/"])
def test_grpcs_reading_must_agree_with_ours(reported: str | None) -> None:
    """Where two parsers differ, one was fooled."""
    refused(certificate(), reported, text=ONE_NAME)


def key_usage(*, certificates: bool = False, lists: bool = False) -> x509.KeyUsage:
    """A key usage extension with one of the two signing bits."""
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=certificates,
        crl_sign=lists,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


@pytest.mark.parametrize(
    "extension",
    [x509.BasicConstraints(ca=True, path_length=None), key_usage(certificates=True), key_usage(lists=True)],
)
def test_an_authority_is_not_a_caller(extension: x509.ExtensionType) -> None:
    """X509-SVID section 5.2, each of the three marks alone."""
    refused(certificate(extensions=[extension]), text="the certificate is of an authority, not of a caller")


def test_a_leaf_that_says_so_is_accepted() -> None:
    """The counterpart of the rule above."""
    extensions = [x509.BasicConstraints(ca=False, path_length=None), key_usage()]
    assert judge(certificate(extensions=extensions)).spiffe_id == BILLING


@pytest.mark.parametrize("version", [[b"TLSv1.2"], [], [b"TLSv1.3", b"TLSv1.2"]])
def test_only_tls_1_3_is_accepted(version: list[bytes]) -> None:
    """An older protocol, a connection without TLS, a report that says two things."""
    context = auth_context(certificate()) | {"ssl_tls_version": version}
    with pytest.raises(Unauthenticated, match=r"^TLS 1.3 is required$"):
        identity.peer(context, trust_domain=DOMAIN, now_ms=NOW_MS, denied=frozenset())


def test_a_connection_without_tls_is_refused() -> None:
    """An empty report."""
    with pytest.raises(Unauthenticated):
        identity.peer({}, trust_domain=DOMAIN, now_ms=NOW_MS, denied=frozenset())


@pytest.mark.parametrize("count", [0, 2])
def test_exactly_one_certificate_is_needed(count: int) -> None:
    """None, or a report of two."""
    context = auth_context(b"") | {"x509_pem_cert": [certificate()] * count}
    with pytest.raises(Unauthenticated, match=r"^one client certificate is required$"):
        identity.peer(context, trust_domain=DOMAIN, now_ms=NOW_MS, denied=frozenset())


def test_an_outsized_certificate_is_not_even_parsed() -> None:
    """The cache is bounded in bytes, not only in entries."""
    many = [x509.DNSName(f"host-{n}.internal") for n in range(800)]
    pem = certificate([uri(BILLING), *many])
    assert len(pem) > identity.MAX_PEM_BYTES
    refused(pem, text="one client certificate is required")


def test_a_certificate_is_parsed_once_and_the_cache_is_bounded() -> None:
    """The second call on a connection is a look-up."""
    identity.read.cache_clear()
    pem = certificate()
    # A fresh object each time, as gRPC makes one per call.
    first, second = judge(bytes(bytearray(pem))), judge(bytes(bytearray(pem)))
    info = identity.read.cache_info()
    assert (info.hits, info.misses, info.maxsize) == (1, 1, 1024)
    assert first is second


def test_a_refused_certificate_takes_no_place_in_the_cache() -> None:
    """Else strangers could push out callers."""
    identity.read.cache_clear()
    refused(certificate([]), None, text=ONE_NAME)
    assert identity.read.cache_info().currsize == 0


def pem_of(der: bytes) -> bytes:
    """Armour for bytes that need not be a certificate."""
    return b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(der) + b"-----END CERTIFICATE-----\n"


DER = x509.load_pem_x509_certificate(
    certificate(extensions=[x509.BasicConstraints(ca=False, path_length=None), key_usage()])
).public_bytes(serialization.Encoding.DER)


# The library warns of serials that are not positive, before it returns them.
@pytest.mark.filterwarnings("ignore:Parsed a serial number")
@settings(max_examples=1000, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(DER) - 1), st.integers(0, 255)), min_size=1, max_size=4))
def test_changed_bytes_are_refused_or_read_but_never_crash(changes: list[tuple[int, int]]) -> None:
    """Unauthenticated is the only error, whatever the library makes of the bytes."""
    der = bytearray(DER)
    for position, value in changes:
        der[position] = value
    try:
        found = identity.read(pem_of(bytes(der)), DOMAIN)
    except Unauthenticated:
        return
    assert found.spiffe_id.startswith("spiffe://vault.example/")
    assert found.serial > 0


@pytest.mark.filterwarnings("ignore:Parsed a serial number")
def test_a_serial_that_no_deny_list_can_name_is_refused() -> None:
    """RFC 5280 section 4.1.2.2: positive. The builder refuses to make one, so its bytes are changed."""
    good = SERIAL.to_bytes(5, "big")
    assert DER.count(good) == 1
    negative = DER.replace(good, b"\x91" + good[1:])
    refused(pem_of(negative), text="the certificate has no valid serial number")


@pytest.mark.parametrize("pem", [b"", b"\xff" * 50, b"-----BEGIN CERTIFICATE-----\n", pem_of(b"\x30\x00")])
def test_what_is_no_certificate_is_refused(pem: bytes) -> None:
    """TLS would not hand it over; if it does, it is not a crash."""
    refused(pem, text="the certificate cannot be read")


def test_dates_before_1970_and_far_ahead_are_read() -> None:
    """No date that a certificate can hold is out of range."""
    start, end = NOW.replace(year=1960), NOW.replace(year=9000)
    found = judge(certificate(start=start, end=end))
    assert found.not_before == round((start - forge.NOW) / timedelta(milliseconds=1)) + NOW_MS
    assert found.not_after == round((end - forge.NOW) / timedelta(milliseconds=1)) + NOW_MS
