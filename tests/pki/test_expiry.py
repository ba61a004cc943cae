"""Days left are whole days, and fall below zero after the end."""

from datetime import timedelta

import pytest

from tests.pki import forge
from vault.errors import ConfigError
from vault.pki.expiry import days_left


@pytest.mark.parametrize(
    ("left", "days"),
    [
        (timedelta(days=90), 90),
        (timedelta(days=2, seconds=-1), 1),
        (timedelta(hours=1), 0),
        (timedelta(), 0),
        (timedelta(seconds=-1), -1),
        (timedelta(days=-10), -10),
    ],
)
def test_days_left_count_down_through_zero(left: timedelta, days: int) -> None:
    """0 is the last day; an expired certificate never reads as 0."""
    pem = forge.certificate(start=forge.NOW - timedelta(days=30), end=forge.NOW + left)
    assert days_left(pem, forge.NOW) == days


def test_what_is_no_certificate_is_refused_by_file() -> None:
    """Doctor names the file that it read."""
    with pytest.raises(ConfigError, match=r"^cert\.pem: is not a PEM certificate$"):
        days_left(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", forge.NOW, file="cert.pem")
