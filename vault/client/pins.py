"""Pins: what this caller accepts from a vault, from a file that the operator hands out by another way.

A vault that is taken over answers as it likes. What it must not be able to do is to slip in a key of its own or to
widen an audience, and so the SDK asks the vault for keys and audiences but believes only what stands here:

- `vault_id`: the deployment; it is in every key derivation,
- for each field the audience that is sealed for, and former ones that may still be opened,
- for each purpose the fingerprint of its key in use and of the next one,
- for each log its public key.

A mistake in this file could lock data up or open a door, so it is read strictly: no unknown or repeated key, one
spelling of each value. Fields that this release does not know are allowed, because pins are handed out before
callers are upgraded.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from vault.client import files
from vault.client.errors import PinMismatch
from vault.crypto.hpke import Fingerprint, Recipient
from vault.domain.audience import members, purpose
from vault.errors import ConfigError, InvalidArgument

VAULT_ID_SIZE = 16
_HASH_SIZE = 32
_FIELD = re.compile(r"[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*", re.ASCII)
_HEX = re.compile(r"(?:[0-9a-f]{2})*", re.ASCII)


@dataclass(frozen=True, slots=True)
class FieldPin:
    """Who may read a field: the audience sealed for, and those that may still be opened."""

    current: str
    former: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class PurposePin:
    """The fingerprints of a purpose's key in use and of the one that will replace it."""

    current: Fingerprint
    next: Fingerprint | None = None


@dataclass(frozen=True, slots=True)
class Pins:
    """What is accepted; everything else is refused."""

    vault_id: bytes
    fields: Mapping[str, FieldPin]
    purposes: Mapping[str, PurposePin]
    logs: Mapping[str, bytes]
    """Ed25519 public keys by origin."""

    def audience_to_seal(self, field: str) -> str:
        """The one audience that a field is sealed for.

        Raises:
            PinMismatch: the field is not pinned.
        """
        pin = self.fields.get(field)
        if pin is None:
            raise PinMismatch(f"the audience of {field}")
        return pin.current

    def may_open(self, field: str, audience: str) -> bool:
        """Whether a value of `field` may come sealed for `audience`."""
        pin = self.fields.get(field)
        return pin is not None and (audience == pin.current or audience in pin.former)

    def readable_by(self, field: str, reader: str) -> bool:
        """Whether any pinned audience of `field` holds the purpose `reader`."""
        pin = self.fields.get(field)
        return pin is not None and any(reader in a.split("+") for a in (pin.current, *pin.former))

    def check_recipient(self, to: str, public_key: bytes) -> Recipient:
        """The recipient behind a public key, if its fingerprint is pinned for the purpose `to`.

        Raises:
            PinMismatch: it is another key, or none at all.
        """
        pin = self.purposes.get(to)
        try:
            recipient = Recipient(public_key)
        except InvalidArgument:
            raise PinMismatch(f"the public key of {to}") from None
        if pin is None or recipient.fingerprint not in (pin.current, pin.next):
            raise PinMismatch(f"the public key of {to}")
        return recipient

    def check_vault(self, vault_id: bytes) -> None:
        """Accept this vault only.

        Raises:
            PinMismatch: it is another deployment.
        """
        if vault_id != self.vault_id:
            raise PinMismatch("vault_id")


def load(path: Path) -> Pins:
    """Read pins.json.

    Raises:
        ConfigError: the file cannot be read, or anything in it is missing, unknown, repeated or malformed.
    """
    return _Reader(str(path)).pins(files.read(path))


class _Reader:
    """Takes the file apart; knows its name, so that an error can say it."""

    def __init__(self, file: str) -> None:
        self._file = file

    def pins(self, content: bytes) -> Pins:
        try:
            top = json.loads(content, object_pairs_hook=self._no_key_twice)
        except ValueError:
            raise ConfigError(self._file, "", "must be JSON") from None
        self._keys(top, "", {"vault_id", "fields", "purposes", "logs"})
        return Pins(
            self._hex(top["vault_id"], "vault_id", VAULT_ID_SIZE),
            MappingProxyType({k: self._field(k, v) for k, v in self._table(top["fields"], "fields").items()}),
            MappingProxyType({k: self._purpose(k, v) for k, v in self._table(top["purposes"], "purposes").items()}),
            MappingProxyType(
                {k: self._hex(v, f"logs.{k}", _HASH_SIZE) for k, v in self._table(top["logs"], "logs").items()}
            ),
        )

    def _field(self, name: str, value: object) -> FieldPin:
        key = f"fields.{name}"
        if not _FIELD.fullmatch(name):
            raise ConfigError(self._file, key, "must be named category.field")
        table = self._keys(value, key, {"current", "former"})
        former = table["former"]
        if not isinstance(former, list):
            raise ConfigError(self._file, f"{key}.former", "must be a list of audiences")
        return FieldPin(
            self._audience(table["current"], f"{key}.current"),
            frozenset(self._audience(a, f"{key}.former") for a in former),
        )

    def _purpose(self, name: str, value: object) -> PurposePin:
        key = f"purposes.{name}"
        try:
            purpose(name)
        except InvalidArgument as error:
            raise ConfigError(self._file, key, error.rule) from None
        table = self._keys(value, key, {"current", "next"})
        following = table["next"]
        return PurposePin(
            Fingerprint(self._hex(table["current"], f"{key}.current", _HASH_SIZE)),
            None if following is None else Fingerprint(self._hex(following, f"{key}.next", _HASH_SIZE)),
        )

    def _audience(self, value: object, key: str) -> str:
        try:
            members(value if isinstance(value, str) else "")
        except InvalidArgument as error:
            raise ConfigError(self._file, key, error.rule) from None
        return str(value)

    def _hex(self, value: object, key: str, size: int) -> bytes:
        if not isinstance(value, str) or len(value) != 2 * size or not _HEX.fullmatch(value):
            raise ConfigError(self._file, key, f"must be {size} bytes in lower-case hex")
        return bytes.fromhex(value)

    def _table(self, value: object, key: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise ConfigError(self._file, key, "must be a table")
        return value

    def _keys(self, value: object, key: str, wanted: set[str]) -> dict[str, Any]:
        table = self._table(value, key)
        if table.keys() != wanted:
            raise ConfigError(self._file, key, "must have exactly the keys " + ", ".join(sorted(wanted)))
        return table

    def _no_key_twice(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        table = dict(pairs)
        if len(table) != len(pairs):
            raise ConfigError(self._file, "", "has a key twice")
        return table
