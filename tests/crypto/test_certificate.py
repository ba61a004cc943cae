"""The dates of a caller's own certificate."""

from datetime import UTC, datetime, timedelta

import pytest

from vault.crypto.certificate import lifetime
from vault.errors import InvalidArgument
from vault.pki import spiffe
from vault.pki.authority import DevelopmentCA


def test_the_dates_are_those_of_the_first_certificate() -> None:
    """A chain has the issuer's behind it."""
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    authority = DevelopmentCA.create(spiffe.parse_trust_domain("vault.example"), at)
    issued = authority.issue(spiffe.parse("spiffe://vault.example/care"), now=at, lifetime=timedelta(days=3))
    begins, ends = lifetime(issued.cert_pem + authority.ca_pem)
    assert begins <= at
    assert ends == at + timedelta(days=3)


@pytest.mark.parametrize(
    "content", [b"", b"\x00\xff", b"-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"]
)
def test_what_is_no_certificate_is_refused(content: bytes) -> None:
    """Without saying what it is."""
    with pytest.raises(InvalidArgument, match=r"^certificate: must be a certificate in PEM$"):
        lifetime(content)
