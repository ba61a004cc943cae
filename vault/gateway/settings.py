"""gateway.toml: read once, typed, refused as a whole; nothing of it is a secret.

    hostname = "mail.example.org"        what the gateway calls itself; a full domain name

    [front]
    lmtp = "127.0.0.1:10024"             where the mail server hands messages over; smtp = … as well or instead
    max_size = 52428800                  bytes of a message
    connections = 64                     at a time, for each of the two
    idle_seconds = 300                   for anything to come or to go
    data_seconds = 1800                  for a whole text

    [owners]                             whose mail it is; without this table every message is its domain's
    file = "owners"                      or: command = ["/usr/local/bin/owner-of"]

    [relay]
    next_hop = "smtp:127.0.0.1:10026"    or lmtp:HOST:PORT
    workers = 4                          messages that are handed over at a time
    lease_seconds = 120                  after a crash, what was being handed over comes again after this
    retry_seconds = 30                   to the second attempt; then twice as long each time, up to an hour

    [metrics]
    listen = "127.0.0.1:9445"

    [vault]
    caller = "."                         the folder of the mail caller (client.toml); relative to this file's

All ports but the next hop's are on the loopback: the mail server is the one that talks to strangers, and it stands on
this machine. A next hop elsewhere would get mail in plain over the network, so that is refused as well.
"""

import re
import tomllib
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Final, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from vault.errors import ConfigError
from vault.gateway.next_hop import Address
from vault.gateway.session import Speech

_LISTEN: Final = re.compile(r"(\[[0-9a-fA-F:.]+\]|[0-9.]+):(\d{1,5})")
_HOP: Final = re.compile(r"(smtp|lmtp):(.+)")
_MAX_PORT: Final = 65_535
_MIB: Final = 1024 * 1024


def _loopback(text: str) -> str:
    found = _LISTEN.fullmatch(text)
    try:
        inside = found is not None and int(found[2]) <= _MAX_PORT and ip_address(found[1].strip("[]")).is_loopback
    except ValueError:
        inside = False
    if not inside:
        raise ValueError("must be a loopback address and a port, as 127.0.0.1:10024")
    return text


def _next_hop(text: str) -> str:
    found = _HOP.fullmatch(text)
    if found is None:
        raise ValueError("must be smtp:ADDRESS:PORT or lmtp:ADDRESS:PORT")
    _loopback(found[2])
    return text


Listen = Annotated[str, AfterValidator(_loopback)]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)


class FrontSettings(_Table):
    """`[front]`."""

    lmtp: Listen | None = None
    smtp: Listen | None = None
    max_size: int = Field(default=50 * _MIB, ge=64 * 1024, le=1024 * _MIB)
    connections: int = Field(default=64, ge=1, le=1000)
    idle_seconds: float = Field(default=300, gt=0, le=3600)
    data_seconds: float = Field(default=1800, gt=0, le=86_400)

    @model_validator(mode="after")
    def _somewhere(self) -> Self:
        if self.lmtp is None and self.smtp is None:
            raise ValueError("must have lmtp or smtp, or both: where messages come in")
        return self


class OwnersSettings(_Table):
    """`[owners]`."""

    file: str | None = None
    command: list[str] | None = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.file is None) == (self.command is None):
            raise ValueError("must have either file or command")
        return self


class RelaySettings(_Table):
    """`[relay]`."""

    next_hop: Annotated[str, AfterValidator(_next_hop)]
    workers: int = Field(default=4, ge=1, le=24)
    lease_seconds: float = Field(default=120, ge=1, le=3600)
    retry_seconds: float = Field(default=30, ge=0.1, le=3600)

    @property
    def address(self) -> Address:
        """The next hop."""
        speech, _, rest = self.next_hop.partition(":")
        host, _, port = rest.rpartition(":")
        return Address(host.strip("[]"), int(port), Speech(speech))


class MetricsSettings(_Table):
    """`[metrics]`."""

    listen: Listen


class VaultSettings(_Table):
    """`[vault]`."""

    caller: str = "."


class Settings(_Table):
    """The file."""

    hostname: str = Field(pattern=r"^[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})+$", max_length=253)
    front: FrontSettings
    relay: RelaySettings
    owners: OwnersSettings | None = None
    metrics: MetricsSettings | None = None
    vault: VaultSettings = VaultSettings()


def load(path: Path) -> Settings:
    """Read the file.

    Raises:
        ConfigError: which key is wrong, and why; its value is not repeated.
    """
    try:
        return Settings.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError:
        raise ConfigError(str(path), "", "cannot be read") from None
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise ConfigError(str(path), key, first["msg"].removeprefix("Value error, ")) from None
    except ValueError:
        raise ConfigError(str(path), "", "must be TOML, in UTF-8") from None
