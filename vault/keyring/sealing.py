"""The vault's own epochs: how it seals what it is given in plain.

`prepare` makes sure, and waits until it is durable, that an epoch with room is published for each audience; `take` then
hands out steps without waiting. Steps end by a timer 90 s after their first seal, not at the next seal.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping

from vault.crypto.envelope import Step
from vault.crypto.epoch import new_epoch_secret, seal_stanza
from vault.crypto.sealer import STEP_SECONDS, EpochSealer
from vault.keyring.epochs import Epoch, Epochs, Stanza
from vault.keyring.purposes import PurposeKeys


class Sealing:
    """One live epoch for each audience that was sealed for."""

    def __init__(self, vault_id: bytes, owner: str, purposes: PurposeKeys, epochs: Epochs) -> None:
        self._vault_id = vault_id
        self._owner = owner
        self._purposes = purposes
        self._epochs = epochs
        self._sealers: dict[str, tuple[EpochSealer, tuple[bytes, ...]]] = {}
        self._checked: dict[str, int] = {}
        """For each audience, at which change of the keys its recipients were last found to be the active ones."""
        self._publishing = asyncio.Lock()
        self.announce: Callable[[str, int], Awaitable[None]] | None = None
        """Told of each epoch (its audience, and when) before it is published: the entry goes first."""

    async def prepare(self, envelopes: Mapping[str, int], now: int) -> None:
        """Make room for this many envelopes of each audience; `now` in milliseconds since 1970.

        No other task may come between this and the calls of `take`: do not await there.

        Raises:
            FailedPrecondition: a purpose of an audience has no active key.
        """
        while missing := [a for a, count in envelopes.items() if not self._ready(a, count)]:
            async with self._publishing:
                for audience in missing:
                    if not self._ready(audience, envelopes[audience]):
                        await self._begin(audience, now)

    def take(self, audience: str) -> Step:
        """The step for one more envelope."""
        step, first = self._sealers[audience][0].take()
        if first:
            asyncio.get_running_loop().call_later(STEP_SECONDS, self._sealers[audience][0].pass_step, step.number)
        return step

    def in_use(self) -> dict[str, tuple[float, int]]:
        """By audience: when its epoch began, in seconds of the monotonic clock, and the step that it is at."""
        return {audience: (sealer.started, sealer.step) for audience, (sealer, _) in self._sealers.items()}

    def close(self) -> None:
        """Overwrite what is left of all epochs."""
        for sealer, _ in self._sealers.values():
            sealer.close()
        self._sealers.clear()

    def _ready(self, audience: str, count: int) -> bool:
        found = self._sealers.get(audience)
        if found is None or not found[0].alive(time.monotonic(), count):
            return False
        if self._checked.get(audience) == self._purposes.changes:
            return True
        if found[1] != tuple(k.recipient.fingerprint for k in self._purposes.recipients(audience)):
            return False
        self._checked[audience] = self._purposes.changes
        return True

    async def _begin(self, audience: str, now: int) -> None:
        recipients = self._purposes.recipients(audience)
        secret = new_epoch_secret()
        sealer = EpochSealer(secret, self._vault_id, audience, time.monotonic())
        stanzas = [
            Stanza(
                k.purpose,
                k.recipient.fingerprint,
                seal_stanza(secret, self._vault_id, audience, k.purpose, k.recipient),
            )
            for k in recipients
        ]
        if self.announce:
            await self.announce(audience, now)
        await self._epochs.publish(Epoch(sealer.epoch_id, audience, self._owner, now), stanzas)
        old = self._sealers.get(audience)
        self._checked.pop(audience, None)
        self._sealers[audience] = (sealer, tuple(k.recipient.fingerprint for k in recipients))
        if old:
            old[0].close()
