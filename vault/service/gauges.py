"""How the vault stands, as figures for whoever runs it: ages, due dates, sizes, lags.

Taken when somebody looks and never on the way of a call. What needs a walk through a store is kept for a while, however
often it is asked for. A figure has a name and labels of ours: roles, purposes, stores. No figure carries an id of a
customer, a card or a person; the names and their meaning stand in `vault.server.metrics.families`.
"""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vault.crypto.sealer import EPOCH_SECONDS
from vault.domain.histogram import Histogram
from vault.errors import Unavailable
from vault.keyring.keyring import Keyring
from vault.keyring.periods import PURPOSE_KEY_DAYS, VAULT_KEY_DAYS
from vault.service.parts import Parts
from vault.service.settings import StorageSettings
from vault.service.upkeep import Upkeep
from vault.storage.stats import StoreFigures
from vault.v1.key_service_pb2 import KEY_STATE_ACTIVE

KEPT_S: Final = 10.0
"""For so long a figure that needs a walk through a store is given again."""
_DAY_S: Final = 24 * 3600


@dataclass(frozen=True, slots=True)
class Sample:
    """One figure: of which family, with which values of its labels."""

    family: str
    value: "float | Histogram"
    labels: tuple[str, ...] = ()


class Gauges:
    """The figures of one open vault."""

    def __init__(self, parts: Parts, upkeep: Upkeep, storage: StorageSettings) -> None:
        self._parts = parts
        self._upkeep = upkeep
        self._files = {"data": storage.data, "keys": storage.keys}
        self._kept: tuple[float, StoreFigures, int] | None = None

    async def take(self) -> list[Sample]:
        """All figures, now.

        Raises:
            VaultError: a store cannot be read.
        """
        store, epochs = await self._walked()
        log = self._parts.log
        durable = await self._parts.store.log_size(log.log_id)
        return [
            *self._writer(store),
            Sample("vault_log_entries", durable),
            Sample("vault_log_unsigned_entries", max(0, durable - log.signed)),
            Sample("vault_log_lag_seconds", time.monotonic() - log.current_at),
            *self._witness(durable),
            *_keys(self._parts.keyring),
            Sample("vault_epochs_published", epochs),
            *_epochs(self._parts.keyring),
            *_caches(self._parts.keyring),
            *self._sizes(),
            *self._deletions(store),
            Sample("vault_upkeep_last_success_timestamp_seconds", self._upkeep.succeeded_at / 1000),
            Sample("vault_upkeep_failures_total", self._upkeep.failures),
        ]

    async def _walked(self) -> tuple[StoreFigures, int]:
        """What costs a query, at most as old as `KEPT_S`."""
        if self._kept is None or time.monotonic() - self._kept[0] > KEPT_S:
            store = await self._parts.store.figures()
            self._kept = (time.monotonic(), store, await self._parts.keyring.epochs.count())
        return self._kept[1], self._kept[2]

    def _witness(self, durable: int) -> Iterator[Sample]:
        """Absent without a witness."""
        if self._parts.witness is not None:
            figures = self._parts.witness.figures
            yield Sample("vault_witness_unseen_entries", max(0, durable - figures.size))
            yield Sample("vault_witness_failing", int(bool(figures.failing)))
            yield Sample("vault_witness_last_success_timestamp_seconds", figures.handed_at)
            yield Sample("vault_witness_failures_total", figures.failures)

    def _writer(self, store: StoreFigures) -> Iterator[Sample]:
        stats = self._parts.store.writer_stats
        yield Sample("vault_commit_seconds", stats.commit_seconds)
        yield Sample("vault_commit_calls", stats.commit_calls)
        yield Sample("vault_commit_failures_total", stats.failures)
        yield Sample("vault_writer_queue", store.queue)

    def _sizes(self) -> Iterator[Sample]:
        for store, path in self._files.items():
            for part, file in (("file", path), ("wal", path.with_name(f"{path.name}-wal"))):
                yield Sample("vault_store_bytes", _size(file), (store, part))
            yield Sample("vault_disk_free_bytes", free_bytes(path), (store,))

    @staticmethod
    def _deletions(store: StoreFigures) -> Iterator[Sample]:
        yield Sample("vault_keys_owed", store.owed)
        if store.retired is not None:
            count, oldest = store.retired
            yield Sample("vault_keys_retired", count)
            yield Sample("vault_keys_retired_oldest_age_seconds", time.time() - oldest / 1000 if count else 0.0)


def _keys(keyring: Keyring) -> Iterator[Sample]:
    vault_key = keyring.vault_keys.rows[-1]
    created = vault_key.created_at / 1000
    labels = (str(vault_key.n),)
    yield Sample("vault_vault_key_created_timestamp_seconds", created, labels)
    yield Sample("vault_vault_key_due_timestamp_seconds", created + VAULT_KEY_DAYS * _DAY_S, labels)
    for key in keyring.purposes.all():
        if key.state == KEY_STATE_ACTIVE:
            created, which = key.created_at / 1000, (key.purpose, key.custody.value, str(key.version))
            yield Sample("vault_purpose_key_created_timestamp_seconds", created, which)
            yield Sample("vault_purpose_key_due_timestamp_seconds", created + PURPOSE_KEY_DAYS * _DAY_S, which)


def _epochs(keyring: Keyring) -> Iterator[Sample]:
    now = time.monotonic()
    for audience, (started, step) in keyring.sealing.in_use().items():
        yield Sample("vault_epoch_age_seconds", now - started, (audience,))
        yield Sample("vault_epoch_due_seconds", started + EPOCH_SECONDS - now, (audience,))
        yield Sample("vault_epoch_step", step, (audience,))


def _caches(keyring: Keyring) -> Iterator[Sample]:
    opening, epochs = keyring.opening, keyring.epochs
    secrets, steps = opening.kept
    for cache, kept, uses in (
        ("epochs", epochs.kept, epochs.uses),
        ("epoch_secrets", secrets, opening.secret_uses),
        ("step_keys", steps, opening.step_uses),
    ):
        yield Sample("vault_cache_entries", kept, (cache,))
        yield Sample("vault_cache_capacity", uses.most, (cache,))
        yield Sample("vault_cache_hits_total", uses.hits, (cache,))
        yield Sample("vault_cache_misses_total", uses.misses, (cache,))


def free_bytes(path: Path) -> int:
    """Room for this user on the disk of a file.

    Raises:
        Unavailable: the disk cannot be asked.
    """
    try:
        found = os.statvfs(path.parent)
    except OSError:
        raise Unavailable("the folder of a store cannot be reached") from None
    return found.f_bavail * found.f_frsize


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0  # a WAL that is not there
