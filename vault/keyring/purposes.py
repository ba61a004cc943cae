"""Purpose key pairs: versions and NIST SP 800-57 states.

Under vault custody the seed is a sealed row and the public key is always recomputed from it. Under caller custody the
vault has the public key alone, accepted only if the policy names its fingerprint: `current` is active, `next` is
pre-active. A version that is no longer named is deactivated: nothing new is sealed to it, what was sealed stays.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from vault.crypto.hpke import Fingerprint, PurposeKeyPair, Recipient, fingerprint, new_seed
from vault.crypto.vault_key import RowName
from vault.domain.audience import Custody, Purpose, members
from vault.domain.secret import Secret
from vault.errors import ConfigError, DataLoss, FailedPrecondition
from vault.keyring.system_rows import SYSTEM, SystemRows
from vault.store.v1.system_pb2 import PurposeKeyVersion
from vault.v1 import key_service_pb2 as v1
from vault.v1 import status_pb2 as status

_SEED = "purpose-seed"
_EVENTS = {
    v1.KEY_STATE_ACTIVE: "ActivateKey",
    v1.KEY_STATE_PRE_ACTIVE: "PreActivateKey",
    v1.KEY_STATE_DEACTIVATED: "DeactivateKey",
}


@dataclass(frozen=True, slots=True)
class Pinned:
    """The fingerprints that the policy names for a caller-custody purpose."""

    current: Fingerprint
    next: Fingerprint | None = None


@dataclass(slots=True)
class KeyVersion:
    """One version of a purpose's key pair."""

    purpose: Purpose
    version: int
    custody: Custody
    recipient: Recipient
    created_at: int
    state: "v1.KeyState.ValueType"
    row_version: int
    pair: PurposeKeyPair | None = None
    """The private half, under vault custody."""


class PurposeKeys:
    """All versions of all purposes."""

    def __init__(self, rows: SystemRows) -> None:
        self._rows = rows
        self._versions: dict[Purpose, list[KeyVersion]] = {}
        self.changes = 0
        """Grows with each change of a version: who remembers what is active asks again when it has grown."""
        self.events: list[tuple[str, Purpose]] = []
        """What `load` and `create_vault_key` did, for the log: (`CreateKey` or the new state, purpose)."""

    async def load(self, custody: Mapping[Purpose, Custody], pinned: Mapping[Purpose, Pinned], now: int) -> None:
        """Read all versions, make keys of new vault-custody purposes, and bring the states in line with the policy.

        Raises:
            ConfigError: a registered key is not the one that the policy names.
            DataLoss: a row does not open, or a seed is missing.
        """
        self._versions = {}
        for name, plaintext in await self._rows.list(SYSTEM, "purpose-keys/"):
            _, purpose, version = name.row.split("/")
            await self._load_version(Purpose(purpose), int(version), name.version, plaintext)
        await self.adopt(custody, pinned, now)

    async def adopt(self, custody: Mapping[Purpose, Custody], pinned: Mapping[Purpose, Pinned], now: int) -> None:
        """Make keys of new vault-custody purposes, and bring the states in line with the policy. Raises as `refuse`."""
        self.refuse(custody, pinned)
        for purpose, who in custody.items():
            if who is Custody.VAULT and not self._versions.get(purpose):
                await self.create_vault_key(purpose, now)
            elif who is Custody.CALLER and purpose in self._versions:
                await self._align(purpose, pinned[purpose])

    def refuse(
        self, custody: Mapping[Purpose, Custody], pinned: Mapping[Purpose, Pinned], file: str = "policy.toml"
    ) -> None:
        """Refuse a policy that does not fit the keys that are there; nothing is changed.

        Raises:
            ConfigError: a key would change hands, or a pinned one is not registered.
        """
        for purpose, who in custody.items():
            versions = self._versions.get(purpose, ())
            if versions and who is not Custody.NONE and versions[-1].custody is not who:
                why = "cannot change: what was sealed for the purpose stays sealed to its key; add another purpose"
                raise ConfigError(file, f"purposes.{purpose}.custody", why)
            used = any(k.state != v1.KEY_STATE_PRE_ACTIVE for k in versions)
            if who is not Custody.CALLER or not used:
                continue
            if not any(k.recipient.fingerprint == pinned[purpose].current for k in versions):
                why = "is not the fingerprint of a registered key; register the key as `next` first, then name it"
                raise ConfigError(file, f"keys.{purpose}.current", f"{why} `current`")

    async def _load_version(self, purpose: Purpose, version: int, row_version: int, plaintext: bytes) -> None:
        row = PurposeKeyVersion.FromString(plaintext)
        if row.custody == v1.CUSTODY_VAULT:
            seed = await self._rows.get(_SEED, purpose, version)
            if seed is None:
                raise DataLoss("a purpose's seed is missing from the key store; restore the key store")
            pair = PurposeKeyPair(Secret(seed[1]))
            recipient, custody = Recipient(pair.public_key), Custody.VAULT
        else:
            pair, recipient, custody = None, Recipient(row.public_key), Custody.CALLER
        known = KeyVersion(purpose, version, custody, recipient, row.create_time, row.state, row_version, pair)
        self._versions.setdefault(purpose, []).append(known)
        self._versions[purpose].sort(key=lambda k: k.version)

    async def _align(self, purpose: Purpose, pinned: Pinned) -> None:
        for key in self._versions[purpose]:
            if key.recipient.fingerprint == pinned.current:
                await self._set_state(key, v1.KEY_STATE_ACTIVE)
            elif key.recipient.fingerprint == pinned.next:
                await self._set_state(key, v1.KEY_STATE_PRE_ACTIVE)
            elif key.state in (v1.KEY_STATE_ACTIVE, v1.KEY_STATE_PRE_ACTIVE):
                await self._set_state(key, v1.KEY_STATE_DEACTIVATED)

    async def _set_state(self, key: KeyVersion, state: "v1.KeyState.ValueType") -> None:
        if key.state != state:
            key.state = state
            self.changes += 1
            key.row_version += 1
            await self._rows.add([self._row(key)])
            self.events.append((_EVENTS[state], key.purpose))

    async def create_vault_key(self, purpose: Purpose, now: int) -> KeyVersion:
        """Make the next version of a vault-custody purpose's key and make it active; older ones go on opening."""
        seed = new_seed()
        pair = PurposeKeyPair(seed)
        versions = self._versions.setdefault(purpose, [])
        version = versions[-1].version + 1 if versions else 1
        key = KeyVersion(purpose, version, Custody.VAULT, Recipient(pair.public_key), now, v1.KEY_STATE_ACTIVE, 1, pair)
        await self._rows.add([(RowName(_SEED, purpose, version), seed.reveal()), self._row(key)])
        for older in versions:
            await self._set_state(older, v1.KEY_STATE_DEACTIVATED)
        versions.append(key)
        self.changes += 1
        self.events.append(("CreateKey", purpose))
        return key

    async def register(self, purpose: Purpose, public_key: bytes, pinned: Pinned, now: int) -> KeyVersion:
        """Accept a caller-custody public key that the policy names; repeating it changes nothing.

        Raises:
            InvalidArgument: it is no public key.
            FailedPrecondition: its fingerprint is not named by the policy.
        """
        if fingerprint(public_key) not in (pinned.current, pinned.next):
            raise FailedPrecondition(
                status.REASON_KEY_REFUSED, "policy.toml does not name this key's fingerprint: add it as keys next first"
            )
        versions = self._versions.setdefault(purpose, [])
        for key in versions:
            if key.recipient.fingerprint == fingerprint(public_key):
                return key
        recipient = Recipient(public_key)
        state = v1.KEY_STATE_ACTIVE if recipient.fingerprint == pinned.current else v1.KEY_STATE_PRE_ACTIVE
        key = KeyVersion(purpose, len(versions) + 1, Custody.CALLER, recipient, now, state, 1)
        await self._rows.add([self._row(key)])
        versions.append(key)
        self.changes += 1
        return key

    def active(self, purpose: Purpose) -> KeyVersion | None:
        """The version that is sealed to, if there is one: the newest, should a row have been put back."""
        return next((k for k in reversed(self._versions.get(purpose, ())) if k.state == v1.KEY_STATE_ACTIVE), None)

    def recipients(self, audience: str) -> list[KeyVersion]:
        """The active version of each member.

        Raises:
            FailedPrecondition: a member has no active key.
        """
        found = []
        for purpose in members(audience):
            key = self.active(purpose)
            if key is None:
                raise FailedPrecondition(
                    status.REASON_KEY_REFUSED, f"the purpose {purpose} has no active key: register its public key"
                )
            found.append(key)
        return found

    def private(self, purpose: Purpose) -> list[KeyVersion]:
        """Versions that the vault can open with, newest first; none under caller custody."""
        return [k for k in reversed(self._versions.get(purpose, ())) if k.pair is not None]

    def find(self, purpose: Purpose, key_fingerprint: bytes) -> KeyVersion | None:
        """The version with this fingerprint."""
        return next((k for k in self._versions.get(purpose, ()) if k.recipient.fingerprint == key_fingerprint), None)

    def all(self) -> list[KeyVersion]:
        """Every version of every purpose."""
        return [k for purpose in sorted(self._versions) for k in self._versions[purpose]]

    @staticmethod
    def _row(key: KeyVersion) -> tuple[RowName, bytes]:
        message = PurposeKeyVersion(
            custody=v1.CUSTODY_VAULT if key.custody is Custody.VAULT else v1.CUSTODY_CALLER,
            state=key.state,
            public_key=b"" if key.custody is Custody.VAULT else key.recipient.public_key,
            create_time=key.created_at,
        )
        name = RowName(SYSTEM, f"purpose-keys/{key.purpose}/{key.version}", key.row_version)
        return name, message.SerializeToString(deterministic=True)
