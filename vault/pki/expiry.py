"""How long a certificate still lasts, for `doctor` and for alarms.

Expired certificates stop a service all at once and at the worst time; a number that falls day by
day can be watched.
"""

from datetime import datetime

from cryptography import x509

from vault.errors import ConfigError


def earliest_end(pem: bytes, *, file: str = "certificate") -> float:
    """The last valid moment of the certificate that expires first, in seconds since 1970.

    Args:
        pem: one certificate or a bundle.
        file: where it came from, named in the error.

    Raises:
        ConfigError: the bytes hold no certificate.
    """
    try:
        found = x509.load_pem_x509_certificates(pem)
    except (ValueError, x509.InvalidVersion):
        raise ConfigError(file, "", "is not a PEM certificate") from None
    return min(certificate.not_valid_after_utc.timestamp() for certificate in found)


def days_left(cert_pem: bytes, now: datetime, *, file: str = "certificate") -> int:
    """Count the whole days until a certificate expires.

    Args:
        cert_pem: PEM; of several certificates the first, which is the holder's own.
        now: aware.
        file: where the certificate came from, named in the error.

    Returns:
        0 on the last day, negative once it has expired.

    Raises:
        ConfigError: the bytes hold no certificate.
    """
    try:
        certificate = x509.load_pem_x509_certificate(cert_pem)
    except (ValueError, x509.InvalidVersion):
        raise ConfigError(file, "", "is not a PEM certificate") from None
    return (certificate.not_valid_after_utc - now).days
