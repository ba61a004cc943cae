"""Where things stand in a vault's folder.

The folders under `callers` are meant to be handed out: each holds what one caller needs to reach the vault and to know
that it is the right one, and nothing of any other caller's.
"""

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

from vault.errors import InvalidArgument
from vault.pki import spiffe
from vault.pki.spiffe import SpiffeId, TrustDomain

_LISTEN = re.compile(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+):(\d{1,5})", re.ASCII)
_MAX_PORT = 65535
LOG_ID = "log-0"
SERVER_NAME = "localhost"
MAIL = "mail"
"""The role of the mail gateway, whose folder has its settings as well."""
APPROVER = "approver"
PERSONS = ("alice", "bob")
"""Who holds the role of an approver: people, each with a certificate of their own, since approving takes two."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths in a vault's folder."""

    home: Path

    @property
    def config(self) -> Path:
        """Settings of the server."""
        return self.home / "vault.toml"

    @property
    def policy(self) -> Path:
        """The policy, with this vault's callers and keys."""
        return self.home / "policy.toml"

    @property
    def pins(self) -> Path:
        """What SDKs trust, for the operator to distribute."""
        return self.home / "pins.json"

    @property
    def root_key(self) -> Path:
        """What wraps the vault key; in production, in a KMS or an HSM."""
        return self.home / "root.key"

    @property
    def authority(self) -> Path:
        """The development authority's certificate and key."""
        return self.home / "ca"

    @property
    def server(self) -> Path:
        """The server's certificate and key."""
        return self.home / "server"

    @property
    def data(self) -> Path:
        """The data store."""
        return self.home / "data" / "vault.db"

    @property
    def keys(self) -> Path:
        """The key store, in a folder of its own: it is backed up apart."""
        return self.home / "keys" / "keys.db"

    @property
    def callers(self) -> Path:
        """One folder for each caller."""
        return self.home / "callers"

    def caller(self, name: str) -> Path:
        """The folder of one caller."""
        return self.callers / name


@dataclass(frozen=True, slots=True)
class Address:
    """Where the server listens."""

    host: str
    """A name, or an address; IPv6 without brackets."""
    port: int

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Read `host:port` or `[IPv6]:port`.

        Raises:
            InvalidArgument: it is something else.
        """
        match = _LISTEN.fullmatch(text)
        if match is None or int(match[2]) > _MAX_PORT:
            raise InvalidArgument("listen", "must be host:port or [IPv6 address]:port")
        return cls(match[1].strip("[]"), int(match[2]))

    def __str__(self) -> str:
        """As gRPC takes it."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def ip(self) -> IPv4Address | IPv6Address | None:
        """The address, if the host is one."""
        try:
            return ip_address(self.host)
        except ValueError:
            return None

    @property
    def target(self) -> str:
        """What a caller on this machine connects to; who listens everywhere is reached on the loopback."""
        everywhere = self.ip is not None and self.ip.is_unspecified
        return str(Address(SERVER_NAME, self.port)) if everywhere else str(self)


@dataclass(frozen=True, slots=True)
class CallerPlan:
    """A caller to be made."""

    name: str
    """Of its folder: the role's, or the person's."""
    role: str
    spiffe_id: SpiffeId


def callers_of(roles: list[str], trust_domain: TrustDomain) -> list[CallerPlan]:
    """One caller for each role, and people where a role belongs to people."""
    plans = []
    for role in roles:
        if role == APPROVER:
            plans += [CallerPlan(p, role, spiffe.parse(f"spiffe://{trust_domain}/person/{p}")) for p in PERSONS]
        else:
            plans.append(CallerPlan(role, role, spiffe.parse(f"spiffe://{trust_domain}/{role}")))
    return plans
