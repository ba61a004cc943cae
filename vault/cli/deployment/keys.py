"""The keys of a first vault.

Two kinds: those that the vault must never have are made first, written to their holder's folder and forgotten here but
for their public halves; all others are made by the keyring, in the key store, under the root key.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vault.audit.log import origin_of
from vault.cli.deployment.layout import LOG_ID, CallerPlan, Layout
from vault.crypto.hpke import Fingerprint, PurposeKeyPair, new_seed
from vault.crypto.note import LogKey
from vault.domain.audience import Custody, Purpose
from vault.domain.secret import Secret
from vault.errors import ConfigError, Unavailable
from vault.keyring.keyring import Keyring
from vault.keyring.purposes import Pinned
from vault.keyring.root import FileProvider
from vault.pki import files
from vault.pki.spiffe import TrustDomain
from vault.policy.model import Policy
from vault.storage.sqlite import SqliteStorage

VAULT_ID_SIZE: Final = 16
LEAST_PASSPHRASE: Final = 12
"""Whoever has root.key and the key store tries as many as the machines allow; Argon2id makes each cost a moment."""


@dataclass(frozen=True, slots=True)
class CallerKey:
    """The public half of a purpose key that only its caller holds."""

    purpose: Purpose
    holders: tuple[str, ...]
    """Names of the callers' folders that have the private half."""
    public_key: bytes
    fingerprint: Fingerprint

    @property
    def file(self) -> str:
        """Its name in a holder's folder."""
        return f"{self.purpose}.key"


@dataclass(frozen=True, slots=True)
class VaultFacts:
    """What pins say about a vault."""

    vault_id: bytes
    fingerprints: dict[str, bytes]
    """Of every purpose's key in use."""
    logs: dict[str, bytes]
    """Public keys by origin."""


def make_caller_keys(at: Layout, policy: Policy, callers: Sequence[CallerPlan]) -> list[CallerKey]:
    """Make the keys of purposes in custody of their callers, and write each to its holders' folders (0600).

    Raises:
        ConfigError: a file cannot be written.
    """
    made = []
    for rule in policy.purposes.values():
        if rule.custody is not Custody.CALLER:
            continue
        seed = new_seed()
        pair = PurposeKeyPair(seed)
        holders = tuple(caller.name for caller in callers if caller.role in rule.roles)
        key = CallerKey(rule.purpose, holders, pair.public_key, pair.fingerprint)
        for holder in holders:
            files.write_new(at.caller(holder) / key.file, seed.reveal().hex().encode() + b"\n", files.SECRET)
        made.append(key)
    return made


async def make_stores(
    at: Layout,
    policy: Policy,
    keys: Sequence[CallerKey],
    *,
    trust_domain: TrustDomain,
    passphrase: Secret | None,
    now: int,
) -> VaultFacts:
    """Make both stores, the root key and all keys that the vault holds; register the public halves of the others.

    Raises:
        ConfigError: a file cannot be written.
    """
    for store in (at.data, at.keys):
        files.make_directory(store.parent)
    vault_id = secrets.token_bytes(VAULT_ID_SIZE)
    await SqliteStorage.create(at.data, at.keys, vault_id)
    storage = await SqliteStorage.open(at.data, at.keys, fatal=_fatal)
    try:
        provider = FileProvider(at.root_key, passphrase)
        await Keyring.create(storage, provider, now)
        custody = {rule.purpose: rule.custody for rule in policy.purposes.values()}
        pinned = {purpose: Pinned(Fingerprint(rule.current)) for purpose, rule in policy.keys.items()}
        keyring = await Keyring.open(storage, provider, owner="", custody=custody, pinned=pinned, now=now)
        for key in keys:
            await keyring.purposes.register(key.purpose, key.public_key, pinned[key.purpose], now)
        _, seed = await keyring.log_seed(LOG_ID)
        facts = VaultFacts(
            vault_id,
            {key.purpose: key.recipient.fingerprint for key in keyring.purposes.all()},
            {origin_of(trust_domain, LOG_ID): LogKey(seed).public_key},
        )
        keyring.close()
    finally:
        await storage.close()
    return facts


def read_passphrase(path: Path) -> Secret:
    """The passphrase in a file of mode 0600, without the newline at its end.

    Raises:
        ConfigError: the file cannot be read, is open to others, or holds too little to protect anything.
    """
    passphrase = files.read_secret(path).rstrip(b"\r\n")
    if len(passphrase) < LEAST_PASSPHRASE:
        raise ConfigError(
            str(path),
            "",
            f"holds fewer than {LEAST_PASSPHRASE} bytes, which can be guessed; a good passphrase is drawn: "
            f"(umask 077; head -c 24 /dev/urandom | base64 > {path})",
        )
    return Secret(passphrase)


def _fatal(reason: str) -> None:
    raise Unavailable(f"the stores cannot be made: {reason}")
