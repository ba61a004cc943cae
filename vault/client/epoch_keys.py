"""Epoch secrets on the side that opens: fetched once, checked against the pins, kept in bounded number.

An envelope names its epoch. The vault gives for it a stanza, which only this caller's purpose key opens; what the vault
says beside it (the audience) is bound into the stanza and its epoch id, and is believed only if the pins list it.
Callers who want the same epoch at the same time share one request.
"""

import asyncio
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from vault.client.bounded import Bounded
from vault.client.connection import BATCH_DEADLINE, Connection
from vault.client.errors import PinMismatch
from vault.crypto.envelope import Step
from vault.crypto.epoch import EpochId, open_stanza, step_key
from vault.crypto.hpke import PurposeKeyPair
from vault.domain.secret import Secret
from vault.errors import ConfigError, OpenError
from vault.v1 import key_service_pb2 as api

EPOCHS = 8192
STEPS = 32768
"""Bounds of the two caches: some 2 and 10 MiB."""
_PER_CALL = 1000
_SLICE = 50
"""Stanzas opened before other tasks get a turn, 0.1 ms each."""


@dataclass(frozen=True, slots=True)
class OpenedEpoch:
    """One epoch's secret, and for whom it was sealed."""

    epoch_id: EpochId
    audience: str
    secret: Secret


class EpochKeys:
    """The epochs that one purpose of this caller can open."""

    def __init__(self, connection: Connection, purpose: str, pairs: Sequence[PurposeKeyPair]) -> None:
        """Open for one purpose.

        Args:
            connection: to the vault.
            purpose: whose stanzas are asked for.
            pairs: the purpose's key in use first, then older versions.

        Raises:
            ConfigError: there is no key.
        """
        if not pairs:
            raise ConfigError("client.toml", f"purpose_keys.{purpose}", "must name the key of this purpose")
        self.purpose = purpose
        self.pairs = tuple(pairs)
        self._connection = connection
        self._epochs: Bounded[bytes, OpenedEpoch] = Bounded(EPOCHS)
        self._steps: Bounded[tuple[bytes, int], Step] = Bounded(STEPS)
        self._fetches: dict[bytes, asyncio.Task[dict[bytes, OpenedEpoch]]] = {}

    async def get(self, epoch_ids: Collection[bytes]) -> dict[bytes, OpenedEpoch]:
        """The named epochs; those that the vault does not have, or that do not open, are left out.

        Raises:
            PinMismatch: the vault answered for another vault, purpose or key.
            VaultError: the vault cannot be asked.
        """
        found: dict[bytes, OpenedEpoch] = {}
        unknown = []
        for epoch_id in epoch_ids:
            if known := self._epochs.get(epoch_id):
                found[epoch_id] = known
            else:
                unknown.append(epoch_id)
        if unknown:
            self._fetch([e for e in unknown if e not in self._fetches])
            # Shielded, because the one who waits may be cancelled and the others not.
            for task in {self._fetches[e] for e in unknown}:
                fetched = await asyncio.shield(task)
                found.update((e, fetched[e]) for e in unknown if e in fetched)
        return found

    def step(self, epoch: OpenedEpoch, number: int) -> Step:
        """The key of one step.

        Raises:
            OpenError: the step is out of range.
        """
        known = self._steps.get((epoch.epoch_id, number))
        if known is None:
            known = Step(epoch.audience, epoch.epoch_id, number, step_key(epoch.secret, number))
            self._steps.put((epoch.epoch_id, number), known)
        return known

    def close(self) -> None:
        """Forget every key."""
        for task in self._fetches.values():
            task.cancel()
        self._epochs.clear()
        self._steps.clear()

    def _fetch(self, epoch_ids: Sequence[bytes]) -> None:
        for start in range(0, len(epoch_ids), _PER_CALL):
            some = epoch_ids[start : start + _PER_CALL]
            task = asyncio.create_task(self._fetched(some))
            self._fetches.update(dict.fromkeys(some, task))
            task.add_done_callback(self._finished)

    def _finished(self, task: "asyncio.Task[dict[bytes, OpenedEpoch]]") -> None:
        for epoch_id in [e for e, t in self._fetches.items() if t is task]:
            del self._fetches[epoch_id]
        if not task.cancelled():
            task.exception()  # those who wait have it; nobody may be waiting any more

    async def _fetched(self, epoch_ids: Sequence[bytes]) -> dict[bytes, OpenedEpoch]:
        """Ask for stanzas to the key in use, then for what is left to the older keys."""
        opened: dict[bytes, OpenedEpoch] = {}
        for pair in self.pairs:
            left = [e for e in epoch_ids if e not in opened]
            if left:
                request = api.GetEpochKeysRequest(epoch_ids=left, purpose=self.purpose, fingerprint=pair.fingerprint)
                answer = await self._connection.call(
                    self._connection.keys.GetEpochKeys, request, deadline=BATCH_DEADLINE
                )
                opened.update(await self._open(answer.epoch_keys, set(left), pair))
        return opened

    async def _open(
        self, answers: Iterable[api.EpochKey], asked: Collection[bytes], pair: PurposeKeyPair
    ) -> dict[bytes, OpenedEpoch]:
        opened = {}
        for count, answer in enumerate(answers, 1):
            if answer.epoch_id in asked:
                try:
                    epoch = self.open(answer, pair)
                except OpenError:
                    continue  # its records say so, each for itself
                opened[answer.epoch_id] = epoch
                self._epochs.put(answer.epoch_id, epoch)
            if count % _SLICE == 0:
                await asyncio.sleep(0)
        return opened

    def open(self, answer: api.EpochKey, pair: PurposeKeyPair) -> OpenedEpoch:
        """Open one stanza, after comparing what stands beside it with what is known here.

        Raises:
            PinMismatch: it is of another vault, purpose or key.
            OpenError: it does not open.
        """
        pins = self._connection.pins
        pins.check_vault(answer.vault_id)
        if answer.purpose != self.purpose or answer.fingerprint != pair.fingerprint:
            raise PinMismatch("the purpose or fingerprint of an epoch key")
        secret = open_stanza(answer.stanza, pins.vault_id, answer.audience, answer.epoch_id, self.purpose, pair)
        return OpenedEpoch(EpochId(answer.epoch_id), answer.audience, secret)
