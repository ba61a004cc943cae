"""List key versions, their states and ages; never a key."""

from pathlib import Path

import click

from vault.cli import moments, options, output, profile
from vault.client import OperatorClient
from vault.v1.key_service_pb2 import Custody, KeyState, ListKeysResponse

_SHORT = 16
"""Hex digits of a fingerprint that people compare; --json has all."""


@click.command(name="list")
@options.client_options
def command(home: Path, role: str | None) -> None:
    """List the keys of a running vault: what for, version, who holds it, state and age. Never a key itself.

    Called as the operator, unless --as names another role.

    Example:
      customer-vault keys list
    """
    keys = profile.run(home, role or "operator", OperatorClient, lambda vault: vault.list_keys())
    output.emit(_document(keys), lambda: _tell(keys))


def _document(keys: ListKeysResponse) -> dict[str, object]:
    return {
        "vault_id": keys.vault_id.hex(),
        "epochs": keys.epochs,
        "purpose_keys": [
            {
                "purpose": key.purpose,
                "version": key.version,
                "custody": _custody(key.custody),
                "state": _state(key.state),
                "fingerprint": key.fingerprint.hex(),
                "create_time": moments.iso_ms(key.create_time_ms),
            }
            for key in keys.purpose_keys
        ],
        "vault_keys": [
            {"version": key.version, "state": _state(key.state), "create_time": moments.iso_ms(key.create_time_ms)}
            for key in keys.vault_keys
        ],
        "log_keys": [
            {"origin": key.origin, "version": key.version, "public_key": key.public_key.hex()} for key in keys.log_keys
        ],
    }


def _tell(keys: ListKeysResponse) -> None:
    rows = [
        ("vault key", str(k.version), "vault", _state(k.state), _age(k.create_time_ms), "") for k in keys.vault_keys
    ]
    rows += [
        (k.purpose, str(k.version), _custody(k.custody), _state(k.state), _age(k.create_time_ms), _short(k.fingerprint))
        for k in keys.purpose_keys
    ]
    rows += [(f"log {k.origin}", str(k.version), "vault", "active", "", _short(k.public_key)) for k in keys.log_keys]
    output.table(("key", "version", "held by", "state", "age", "fingerprint"), rows, empty="no keys")
    output.line(f"vault {keys.vault_id.hex()}, {keys.epochs} epochs")


def _state(state: KeyState.ValueType) -> str:
    return KeyState.Name(state).removeprefix("KEY_STATE_").lower().replace("_", "-")


def _custody(custody: Custody.ValueType) -> str:
    return Custody.Name(custody).removeprefix("CUSTODY_").lower()


def _age(create_time_ms: int) -> str:
    return f"{moments.days_since(create_time_ms)} d"


def _short(fingerprint: bytes) -> str:
    return fingerprint.hex()[:_SHORT]
