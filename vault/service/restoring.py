"""Restore: two stores of different times are brought to fit, what that costs is said first, and the log tells of it.

    1. the root key opens the vault key; the plan is made, and nothing is written before somebody agreed to it
    2. logs that were cut short are closed, and what goes on is begun (see `closing`)
    3. the entry `Vault.BeginRestore`: which log had how many entries, and how many are left
    4. keys that were retired since and that rows name again are made live
    5. live keys that open no row are retired; if the data is the newer store, those of records that have no row were
       deleted, and are destroyed
    6. rows without a key go: nothing opens them; each is named in an entry with its digest. Only now: a record that
       loses its row here was not deleted, and a key of an older version of it may still serve an older backup
    7. if the key store is the older one, requests are forgotten whose effect went with it
    8. what a longer copy of the log says was erased or deleted since is erased or deleted again
    9. the entry `Vault.Restore`, with the counts; then the stores are accepted, and open like any others
   10. the first opening takes each store's tombstones to the other: erased stays erased

All steps can be repeated. Until 9 the stores are refused as before, so what a kill cuts short is simply run again.
"""

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import cast

from vault.audit.entry import NO_DIGEST, digest_of
from vault.audit.log import origin_of
from vault.crypto.merkle import Frontier, leaf_hash
from vault.crypto.note import Checkpoint, LogKey, sign_checkpoint
from vault.domain.names import Owner, RecordName
from vault.errors import DataLoss, OpenError
from vault.keyring.keyring import log_seed
from vault.keyring.system_rows import SystemRows
from vault.keyring.vault_keys import VaultKeys
from vault.policy.model import Caller
from vault.service.call import Call
from vault.service.closing import Logs, close, decide
from vault.service.entries import Touched, new_subject, touched_entry
from vault.service.missing import LOST, Missing
from vault.service.opening import Records, customer_facts
from vault.service.root_key import root_key_provider
from vault.service.settings import Settings
from vault.service.starting import finish_erasures
from vault.storage.port import Locked, RecordStore, Row, WrappedKey
from vault.storage.sqlite import SqliteStorage
from vault.storage.sqlite.repair import Look, Repair
from vault.storage.sqlite.survey import Survey
from vault.storage.system import SystemStore


@dataclass(frozen=True, slots=True)
class Plan:
    """What a restore is going to do."""

    survey: Survey
    logs: Logs
    slot: str
    """The log_id of vault.toml."""

    @property
    def needed(self) -> bool:
        """Whether there is anything to do but to open the stores."""
        found = self.survey
        unfit = found.keys_behind or found.revivable or found.deleted or found.keyless
        return bool(unfit or self.logs.closing or self.logs.target != self.slot)


@dataclass(slots=True)
class Done:
    """What a restore did."""

    log_id: str
    origin: str
    public_key: bytes
    counts: dict[str, int] = field(default_factory=dict)


async def plan(
    settings: Settings,
    survey: Survey,
    data: Path,
    keys: Path,
    *,
    cut: bool,
    longer: Mapping[str, int] = MappingProxyType({}),
    pinned: Collection[str] = (),
) -> Plan:
    """Make the plan; nothing is written.

    Args:
        settings: of the vault.
        survey: of both files.
        data: the file that is, or is to be, the data store.
        keys: the same of the key store.
        cut: whether the operator says that the log was cut, though nothing here shows it.
        longer: logs that a copy elsewhere has more entries of, and how many: these were cut, whoever says so or not.
        pinned: logs that callers know: an earlier restore may have begun one that these stores know nothing of.

    Raises:
        ConfigError: the root key is not that of this key store.
        DataLoss: a row of the key store does not open.
    """
    look = Look(data, keys)
    try:
        rows, slot = await _rows(settings, look), settings.vault.log_id
        published = survey.short
        published |= {log: max(size, published.get(log, 0)) for log, size in longer.items()}
        return Plan(survey, await decide(rows, slot, survey.sizes, published, cut=cut, pinned=pinned), slot)
    finally:
        look.close()


async def run(settings: Settings, planned: Plan, missing: Missing) -> Done:
    """Do what was planned; the vault's lock is held by the caller.

    Raises:
        ConfigError: the root key is not that of this key store, or a file cannot be written.
        DataLoss: a row of the key store does not open.
    """
    repair = Repair(settings.storage.data, settings.storage.keys)
    try:
        return await _Run(settings, repair, planned, missing, await _rows(settings, repair)).run()
    finally:
        repair.close()


async def open_once(settings: Settings, log_id: str) -> int:
    """Open the stores as a server does, and finish the erasures that one of them lacks; how many these were."""
    store = await SqliteStorage.open(settings.storage.data, settings.storage.keys, fatal=lambda _: None)
    try:
        return await finish_erasures(store, log_id, _call(settings, "FinishErasure", _now()))
    finally:
        await store.close()


class _Run:
    """One run's steps."""

    def __init__(self, settings: Settings, repair: Repair, planned: Plan, missing: Missing, rows: SystemRows) -> None:
        self._settings = settings
        self._repair = repair
        self._plan = planned
        self._missing = missing
        self._rows = rows
        self._keys = rows.keys
        self._records = Records(cast(RecordStore, None), self._keys)  # it only unlocks what it is given
        self._now = _now()

    async def run(self) -> Done:
        for closing in self._plan.logs.closing:  # (2)
            await log_seed(self._rows, closing.next_log_id)
            await close(self._rows, closing, self._now)
        log_id = self._plan.logs.target
        key = LogKey((await log_seed(self._rows, log_id))[1])
        origin = origin_of(self._settings.vault.trust_domain, log_id)
        done = Done(log_id, origin, key.public_key)

        def first_checkpoint(entry: bytes) -> str:
            tree = Frontier()
            tree.extend([leaf_hash(entry)])
            return sign_checkpoint(Checkpoint(origin, 1, tree.root()), key)

        self._repair.append(log_id, self._entry("BeginRestore", self._found()), first_checkpoint)  # (3)
        self._steps(done)  # nobody else is on this loop
        self._repair.append(log_id, self._entry("Restore", done.counts))  # (9)
        self._repair.accept()
        return done

    def _steps(self, done: Done) -> None:
        repair, newer_data = self._repair, self._plan.survey.keys_behind and not self._plan.survey.short
        counts = done.counts
        counts["keys_revived"] = repair.revive(self._live_form)  # (4)
        retired, destroyed = repair.settle_loose(self._now, self._retired_form, destroy=newer_data)  # (5)
        counts["keys_retired"], counts["keys_destroyed"] = retired, destroyed
        keyless = self._lost if newer_data else self._dropped
        counts["rows_without_key"] = repair.drop_keyless(done.log_id, keyless)  # (6)
        if self._plan.survey.keys_behind:
            counts["requests_forgotten"] = repair.forget_requests_since_keys()  # (7)
        if self._missing:
            erased: dict[Owner, int] = {}  # (8)
            counts["deleted_again"] = repair.drop(
                done.log_id, lambda row, key: self._gone(row, key, erased), self._dropped
            )
            repair.bury(sorted(erased.items()))
            counts["erased_again"] = len(erased)

    def _found(self) -> dict[str, int]:
        found = {f"{c.log_id}/published": c.published for c in self._plan.logs.closing}
        found |= {f"{c.log_id}/restored": c.size for c in self._plan.logs.closing}
        return found | {"keys_behind": int(self._plan.survey.keys_behind)}

    def _entry(self, action: str, counts: Mapping[str, int], touched: Touched | None = None) -> bytes:
        return touched_entry(_call(self._settings, action, self._now), touched or Touched(), counts=counts)

    def _dropped(self, rows: Sequence[Row]) -> bytes:
        return self._went("RestoreDropped", rows)

    def _lost(self, rows: Sequence[Row]) -> bytes:
        """Nobody deleted these: if newer keys are found after all, a later restore must not take it for that."""
        return self._went(LOST, rows)

    def _went(self, action: str, rows: Sequence[Row]) -> bytes:
        """Whose pseudonyms these were nobody can tell without the keys; the digests say which rows went."""
        touched, subject = Touched(), new_subject()
        for row in rows:
            touched.wrote(subject, row.record_name, NO_DIGEST, digest_of(row.stored))
        return self._entry(action, {}, touched)

    def _live_form(self, key: WrappedKey) -> WrappedKey | None:
        try:
            wrapping = self._keys.version(key.n).wrapping
            record_key = wrapping.unwrap(key.wrapped, key.key_id, key.record_name, retired=True)
        except OpenError:
            return None  # its row does not open either way: a read reports it
        current = self._keys.current
        return key._replace(n=current.n, wrapped=current.wrapping.wrap(record_key, key.key_id, key.record_name))

    def _retired_form(self, key: WrappedKey) -> WrappedKey:
        try:
            return self._records.retire(key)
        except OpenError:
            return key

    def _gone(self, row: Row, key: WrappedKey, erased: dict[Owner, int]) -> bool:
        """Whether the missing entries say that the record was deleted; notes owners whom they say erased."""
        if RecordName(row.owner) == row.record_name and self._missing.erased:
            opened = self._records.unlock(Locked(*row, key.n, key.created_at, key.wrapped))
            if not isinstance(opened, DataLoss):
                at = self._missing.erased.get(bytes(customer_facts(opened).subject))
                if at is not None:
                    erased[row.owner] = at
        return self._missing.says_deleted(digest_of(row.stored))


def _call(settings: Settings, action: str, now: int) -> Call:
    owner = f"spiffe://{settings.vault.trust_domain}/vault"
    return Call(Caller(owner, frozenset()), f"Vault.{action}", now)


async def _rows(settings: Settings, look: Look) -> SystemRows:
    store = cast(SystemStore, look)  # of its methods these two use what `Look` has
    return SystemRows(store, await VaultKeys.open(store, root_key_provider(settings.root_key)))


def _now() -> int:
    return time.time_ns() // 1_000_000
