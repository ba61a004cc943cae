"""client.toml: where the vault is, who this caller is, and what it holds and believes.

    target = "127.0.0.1:7443"       host and port
    server_name = "localhost"       the name in the vault's certificate
    certificate = "cert.pem"        of this caller, not expired
    private_key = "key.pem"         0600
    ca = "ca.pem"                   the authority that signed the vault's certificate
    pins = "pins.json"
    state = "witness.json"          optional: remembers the log's size across restarts

    [purpose_keys]                  only for purposes that this caller opens itself
    payment_processing = "payment_processing.key"       or a list: the key in use first, then older ones

Relative paths start at the file's folder. There are no other settings: deadlines, limits and retries are the SDK's,
and unknown keys are refused, because a misspelled `state` would silently watch less.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from vault.client import files, pins
from vault.client.pins import Pins
from vault.crypto.certificate import lifetime
from vault.crypto.hpke import PurposeKeyPair
from vault.domain.audience import purpose
from vault.domain.secret import Secret
from vault.errors import ConfigError, InvalidArgument

_TEXTS = ("target", "server_name", "certificate", "private_key", "ca", "pins")
_OPTIONAL = ("state", "purpose_keys")
_SEED = re.compile(rb"([0-9a-f]{64})\n?")

KeyRing = Mapping[str, tuple[PurposeKeyPair, ...]]
"""The purpose keys that a caller holds: the one in use first, then older versions."""


@dataclass(frozen=True, slots=True)
class Settings:
    """All that a client needs, read and checked."""

    target: str
    server_name: str
    certificate: bytes
    """PEM."""
    private_key: Secret
    """PEM."""
    ca: bytes
    """PEM."""
    pins: Pins
    purpose_keys: KeyRing = field(default_factory=dict)
    state: Path | None = None


def load(path: str | Path) -> Settings:
    """Read a caller's folder, or its client.toml.

    Raises:
        ConfigError: any of the files is missing, malformed, expired, or a key that others may read.
    """
    file = Path(path)
    if file.is_dir():
        file /= "client.toml"
    table = _table(file)
    folder = file.parent
    state = table.get("state")
    return Settings(
        target=table["target"],
        server_name=table["server_name"],
        certificate=_certificate(folder / table["certificate"]),
        private_key=files.read_secret(folder / table["private_key"]),
        ca=files.read(folder / table["ca"]),
        pins=pins.load(folder / table["pins"]),
        purpose_keys=_purpose_keys(file, table.get("purpose_keys", {})),
        state=None if state is None else folder / state,
    )


def _table(file: Path) -> dict[str, Any]:
    try:
        table = tomllib.loads(files.read(file).decode())
    except ValueError:
        raise ConfigError(str(file), "", "must be TOML") from None
    for key in _TEXTS:
        _check_text(file, key, table.get(key))
    if "state" in table:
        _check_text(file, "state", table["state"])
    for key in table.keys() - set(_TEXTS) - set(_OPTIONAL):
        raise ConfigError(str(file), key, "is not known")
    return table


def _check_text(file: Path, key: str, value: object) -> None:
    if not isinstance(value, str) or not value or "\0" in value:
        raise ConfigError(str(file), key, "must be given, in quotes")


def _certificate(path: Path) -> bytes:
    """This caller's certificate, which must be valid now: the vault hangs up on any other without a word."""
    pem = files.read(path)
    try:
        begins, ends = lifetime(pem)
    except InvalidArgument as error:
        raise ConfigError(str(path), "", error.rule) from None
    now = datetime.now(UTC)
    if now > ends:
        raise ConfigError(str(path), "", f"expired on {ends:%Y-%m-%d %H:%M} UTC: ask the operator for a new one")
    if now < begins:
        raise ConfigError(str(path), "", f"is not valid before {begins:%Y-%m-%d %H:%M} UTC: is the clock right?")
    return pem


def _purpose_keys(file: Path, table: object) -> KeyRing:
    if not isinstance(table, dict):
        raise ConfigError(str(file), "purpose_keys", "must be a table")
    ring = {}
    for name, value in table.items():
        key = f"purpose_keys.{name}"
        try:
            purpose(name)
        except InvalidArgument as error:
            raise ConfigError(str(file), key, error.rule) from None
        paths = value if isinstance(value, list) else [value]
        if not paths:
            raise ConfigError(str(file), key, "must name a file, or several")
        for path in paths:
            _check_text(file, key, path)
        ring[name] = tuple(PurposeKeyPair(read_seed(file.parent / path)) for path in paths)
    return ring


def read_seed(path: Path) -> Secret:
    """Read a purpose's private key: 64 hex digits, in a file that only its owner may open.

    Raises:
        ConfigError: the file is something else.
    """
    match = _SEED.fullmatch(files.read_secret(path).reveal())
    if match is None:
        raise ConfigError(str(path), "", "must be 32 bytes in lower-case hex")
    return Secret(bytes.fromhex(match[1].decode()))
