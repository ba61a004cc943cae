"""The dates of a caller's own certificate, for whoever holds it.

Over TLS 1.3 a client with an expired certificate is told nothing: the server hangs up after the handshake. So the
client looks at its own certificate first. Nothing is verified here; whom a certificate identifies is the server's
question, and `vault.pki` answers it.
"""

from datetime import datetime

from cryptography import x509

from vault.errors import InvalidArgument


def lifetime(pem: bytes) -> tuple[datetime, datetime]:
    """When a certificate begins and ends to be valid; of a chain the first, which is the holder's own.

    Raises:
        InvalidArgument: the bytes hold no certificate.
    """
    try:
        certificate = x509.load_pem_x509_certificate(pem)
    except (ValueError, x509.InvalidVersion):
        raise InvalidArgument("certificate", "must be a certificate in PEM") from None
    return certificate.not_valid_before_utc, certificate.not_valid_after_utc
