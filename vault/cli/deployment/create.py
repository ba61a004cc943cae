"""All of a first vault, or nothing.

Everything is made in a folder beside the one that was asked for and appears under its name in one step, so a full disk
or a closed laptop leaves no half vault that starts and lacks a key.
"""

import asyncio
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from vault.cli.deployment import certificates, documents, keys
from vault.cli.deployment.keys import CallerKey, VaultFacts
from vault.cli.deployment.layout import MAIL, Address, CallerPlan, Layout, callers_of
from vault.domain.secret import Secret
from vault.errors import ConfigError
from vault.pki import files
from vault.pki.spiffe import TrustDomain
from vault.policy.load import DEFAULT, parse
from vault.policy.model import Policy


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked for."""

    trust_domain: TrustDomain
    listen: Address
    passphrase_file: Path | None = None
    admin: Address | None = None
    """Where figures and health are told; None for nowhere."""


@dataclass(frozen=True, slots=True)
class Made:
    """What was made."""

    home: Path
    vault_id: bytes
    callers: tuple[CallerPlan, ...]
    caller_keys: tuple[CallerKey, ...]


def create(home: Path, wish: Wish) -> Made:
    """Make a vault's folder.

    Raises:
        ConfigError: the folder is not empty, or something cannot be written; then nothing was made.
    """
    _refuse_existing(home)
    passphrase = keys.read_passphrase(wish.passphrase_file) if wish.passphrase_file else None
    with _all_or_nothing(home) as staging:
        return _fill(Layout(staging), home, wish, passphrase)


def _fill(at: Layout, home: Path, wish: Wish, passphrase: Secret | None) -> Made:
    shipped = DEFAULT.read_text(encoding="utf-8")
    roles = list(parse(shipped, str(DEFAULT)).roles)
    callers = callers_of(roles, wish.trust_domain)
    # (1) Certificates, which make the callers' folders.
    certificates.issue_all(at, wish.trust_domain, wish.listen, callers, datetime.now(UTC))
    # (2) The keys that the vault must not have.
    caller_keys = keys.make_caller_keys(at, parse(shipped, str(DEFAULT)), callers)
    # (3) The policy, which names them; read back as the server will read it.
    text = shipped + documents.policy_tables(callers, {key.purpose: key.fingerprint for key in caller_keys})
    policy = parse(text, "policy.toml", require_keys=True)
    _write(at.policy, text)
    # (4) The stores and the keys that the vault has.
    now = int(time.time() * 1000)
    making = keys.make_stores(at, policy, caller_keys, trust_domain=wish.trust_domain, passphrase=passphrase, now=now)
    facts = asyncio.run(making)
    # (5) What callers and the server are told.
    _write(at.config, _settings(wish))
    _write_for_callers(at, policy, facts, callers, caller_keys, wish.listen)
    return Made(home, facts.vault_id, tuple(callers), tuple(caller_keys))


def _settings(wish: Wish) -> str:
    return documents.vault_toml(wish.listen, wish.trust_domain, _absolute(wish.passphrase_file), wish.admin)


def _write_for_callers(
    at: Layout,
    policy: Policy,
    facts: VaultFacts,
    callers: Sequence[CallerPlan],
    caller_keys: Sequence[CallerKey],
    listen: Address,
) -> None:
    pins = documents.pins_json(facts.vault_id, policy, facts.fingerprints, facts.logs)
    _write(at.pins, pins)
    for caller in callers:
        folder = at.caller(caller.name)
        _write(folder / "pins.json", pins)
        held: dict[str, str] = {key.purpose: key.file for key in caller_keys if caller.name in key.holders}
        _write(folder / "client.toml", documents.client_toml(listen, held))
        if caller.role == MAIL:
            _write(folder / "gateway.toml", documents.gateway_toml())
            _write(folder / "owners", documents.owners())


@contextmanager
def _all_or_nothing(home: Path) -> Iterator[Path]:
    """A folder beside `home` that takes its name at the end, or is removed."""
    try:
        home.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=f".{home.name}.", suffix=".new", dir=home.parent))
    except OSError as error:
        raise ConfigError(str(home), "", f"cannot be made: {os.strerror(error.errno or 0)}") from None
    try:
        yield staging
        try:
            # Onto an empty folder this succeeds in one step; onto one that somebody filled meanwhile it fails.
            staging.rename(home)
        except OSError as error:
            raise ConfigError(str(home), "", f"cannot be made: {os.strerror(error.errno or 0)}") from None
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _refuse_existing(home: Path) -> None:
    if home.is_dir():
        if any(home.iterdir()):
            raise ConfigError(str(home), "", "is not empty: choose a new folder; init changes no vault")
    elif home.exists() or home.is_symlink():
        raise ConfigError(str(home), "", "is there already and no folder: choose a new one")


def _write(path: Path, text: str) -> None:
    files.write_new(path, text.encode(), files.SECRET)


def _absolute(path: Path | None) -> Path | None:
    return path.resolve() if path else None
