"""Epochs as the key store has them: who published one, for which audience, and its stanzas.

Rows are insert-only. An epoch's rows and stanzas are written in one transaction, so an epoch that can be seen is whole.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

from vault.crypto.epoch import EpochId
from vault.crypto.hpke import Fingerprint
from vault.crypto.vault_key import RowName
from vault.domain.audience import Purpose
from vault.keyring.system_rows import SYSTEM, SystemRows
from vault.store.v1 import system_pb2 as store

_CACHED = 16_384


@dataclass(frozen=True, slots=True)
class Epoch:
    """A published epoch."""

    epoch_id: EpochId
    audience: str
    owner: str
    """SPIFFE ID of who seals under it; only the owner may write envelopes of it."""
    published_at: int
    members: frozenset[str] = field(init=False)
    """The purposes of the audience."""

    def __post_init__(self) -> None:
        """Take the audience apart once."""
        object.__setattr__(self, "members", frozenset(self.audience.split("+")))


@dataclass(slots=True)
class CacheUses:
    """How often a cache had what was asked for, and how much it may hold."""

    most: int
    hits: int = 0
    misses: int = 0


@dataclass(frozen=True, slots=True)
class Stanza:
    """E, sealed to one version of one purpose's key."""

    purpose: Purpose
    fingerprint: Fingerprint
    sealed: bytes


class Epochs:
    """Published epochs, with a bounded cache of their audiences (they never change)."""

    def __init__(self, rows: SystemRows) -> None:
        self._rows = rows
        self._cache: OrderedDict[bytes, Epoch] = OrderedDict()
        self.uses = CacheUses(_CACHED)

    async def publish(self, epoch: Epoch, stanzas: Sequence[Stanza]) -> None:
        """Insert an epoch with its stanzas, durable on return.

        Raises:
            AlreadyExists: the epoch is there already.
        """
        await self._rows.add(self.rows_of(epoch, stanzas))
        self._remember(epoch)

    @classmethod
    def rows_of(cls, epoch: Epoch, stanzas: Sequence[Stanza]) -> list[tuple[RowName, bytes]]:
        """The rows of an epoch and its stanzas, which belong into one transaction."""
        row = store.Epoch(audience=epoch.audience, owner=epoch.owner, publish_time=epoch.published_at)
        name = RowName(SYSTEM, f"epochs/{epoch.epoch_id.hex()}", 1)
        return [
            (name, row.SerializeToString(deterministic=True)),
            *(cls._stanza_row(epoch.epoch_id, s, epoch.published_at) for s in stanzas),
        ]

    async def add_stanzas(self, stanzas: Sequence[tuple[EpochId, Stanza]], now: int) -> int:
        """Insert stanzas that are not there yet; how many were added. Nothing is replaced."""
        return await self._rows.add(
            [self._stanza_row(epoch_id, s, now) for epoch_id, s in stanzas], ignore_existing=True
        )

    async def get(self, epoch_id: bytes) -> Epoch | None:
        """A published epoch.

        Raises:
            DataLoss: its row does not open.
        """
        known = self._cache.get(epoch_id)
        if known is not None:
            self._cache.move_to_end(epoch_id)
            self.uses.hits += 1
        else:
            self.uses.misses += 1
            found = await self._rows.get(SYSTEM, f"epochs/{epoch_id.hex()}")
            if found is None:
                return None
            row = store.Epoch.FromString(found[1])
            known = self._remember(Epoch(EpochId(epoch_id), row.audience, row.owner, row.publish_time))
        return known

    async def stanza(self, epoch_id: bytes, fingerprint: bytes) -> bytes | None:
        """The stanza of an epoch for one key, 1168 bytes."""
        found = await self._rows.get(SYSTEM, f"stanzas/{epoch_id.hex()}/{fingerprint.hex()}")
        return store.EpochStanza.FromString(found[1]).stanza if found else None

    async def count(self) -> int:
        """How many epochs were ever published."""
        return await self._rows.count(SYSTEM, "epochs/")

    async def page(self, after: str, limit: int) -> list[tuple[str, Epoch]]:
        """(row name, epoch) of published epochs after a row name, in an order that is stable."""
        found = await self._rows.list(SYSTEM, "epochs/", after=after, limit=limit)
        page = []
        for name, plaintext in found:
            row = store.Epoch.FromString(plaintext)
            epoch_id = EpochId(bytes.fromhex(name.row.removeprefix("epochs/")))
            page.append((name.row, Epoch(epoch_id, row.audience, row.owner, row.publish_time)))
        return page

    @property
    def kept(self) -> int:
        """How many are in the cache."""
        return len(self._cache)

    def _remember(self, epoch: Epoch) -> Epoch:
        self._cache[epoch.epoch_id] = epoch
        if len(self._cache) > _CACHED:
            self._cache.popitem(last=False)
        return epoch

    @staticmethod
    def _stanza_row(epoch_id: EpochId, stanza: Stanza, now: int) -> tuple[RowName, bytes]:
        row = store.EpochStanza(purpose=stanza.purpose, stanza=stanza.sealed, add_time=now)
        name = RowName(SYSTEM, f"stanzas/{epoch_id.hex()}/{stanza.fingerprint.hex()}", 1)
        return name, row.SerializeToString(deterministic=True)
