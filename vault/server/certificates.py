"""The server's own certificate, and the authorities whose callers it lets in.

Both are replaced while the server runs: gRPC asks for the newest before each handshake, and gets it from memory.
What it gets has been checked here, since of a pair that does not fit gRPC would only say so to each client that
fails to connect. The check is OpenSSL's, through the standard library.
"""

import ssl
from collections import deque
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc

from vault.crypto import certificate
from vault.errors import ConfigError
from vault.pki import expiry, files
from vault.service.settings import ServerSettings

Stamp = tuple[tuple[int, int, int] | None, ...]


def stamp(paths: Iterable[Path]) -> Stamp:
    """Say which state files are in: equal while nobody has written to them."""
    return tuple(_stamp(path) for path in paths)


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size


class ServerCertificates:
    """The newest acceptable certificate, key and authorities."""

    def __init__(self, settings: ServerSettings) -> None:
        """Read them.

        Raises:
            ConfigError: as `reload`.
        """
        self._certificate, self._key = settings.certificate, settings.private_key
        self._authorities = settings.client_ca
        self.expiries: Mapping[str, float] = {}
        """Last valid moments of the server's chain and of the authorities, whichever is first; seconds since 1970."""
        self.paths = (self._certificate, self._key, self._authorities)
        self._first = self._read()
        self._fresh: deque[grpc.ServerCertificateConfiguration] = deque(maxlen=1)

    def reload(self) -> None:
        """Read the files again, for connections from now on; on an error, which is raised, nothing changes.

        Raises:
            ConfigError: a file cannot be read, is no PEM, is a key that others may read, or does not fit the others, or
                the certificate is not valid now.
        """
        self._fresh.append(self._read())

    def credentials(self) -> grpc.ServerCredentials:
        """Return what a port needs: TLS with a certificate from both sides."""
        newest: Any = self._newest  # types-grpcio does not know that it may return None
        return grpc.dynamic_ssl_server_credentials(self._first, newest, require_client_authentication=True)

    def _newest(self) -> grpc.ServerCertificateConfiguration | None:
        # Called by gRPC's threads before each handshake, hence the deque: its pop is atomic. None means "no change"
        # and keeps the prepared context.
        try:
            return self._fresh.pop()
        except IndexError:
            return None

    def _read(self) -> grpc.ServerCertificateConfiguration:
        before = stamp(self.paths)
        chain, key = files.read(self._certificate), files.read_secret(self._key)
        authorities = files.read(self._authorities)
        self._check(authorities)
        self._check_dates(chain)
        # What OpenSSL has looked at must be what we have read. A pair is written one file after the other.
        if stamp(self.paths) != before:
            raise ConfigError(str(self._certificate), "", "is being written: it will be read again")
        self.expiries = {
            "server": expiry.earliest_end(chain, file=str(self._certificate)),
            "client_ca": expiry.earliest_end(authorities, file=str(self._authorities)),
        }
        return grpc.ssl_server_certificate_configuration([(key, chain)], authorities)

    def _check_dates(self, chain: bytes) -> None:
        # Clients look at them, and the server does not: one day off and nobody new could connect, without a word here.
        start, end = certificate.lifetime(chain)
        now = datetime.now(UTC)
        if not start <= now <= end:
            why = f"is valid from {start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC, which is not now: renew it"
            raise ConfigError(str(self._certificate), "", why)

    def _check(self, authorities: bytes) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            # With a password given, even an empty one, OpenSSL does not ask for one on the terminal.
            context.load_cert_chain(self._certificate, self._key, password="")
        except (ssl.SSLError, OSError):
            why = f"is no PEM certificate with {self._key} as its unencrypted key: put the pair that belongs together"
            raise ConfigError(str(self._certificate), "", why) from None
        try:
            context.load_verify_locations(cadata=authorities.decode("ascii"))
        except (ssl.SSLError, ValueError):
            raise ConfigError(str(self._authorities), "", "is no PEM bundle of authorities") from None
