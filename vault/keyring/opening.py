"""Opening for purposes in vault custody: epoch secrets and step keys, each purpose under its own stanza.

The caches are bounded and keyed by purpose: an epoch that was opened for one purpose is opened again, with that
purpose's own key, for the next. `secrets` hands a call all that it needs, so what the caches drop meanwhile, for
other calls, takes nothing from it.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping

from vault.crypto.envelope import Step
from vault.crypto.epoch import open_stanza, step_key
from vault.domain.audience import Purpose
from vault.domain.secret import Secret
from vault.errors import DataLoss, OpenError
from vault.keyring.epochs import CacheUses, Epoch, Epochs
from vault.keyring.purposes import PurposeKeys

_CACHED_EPOCHS = 32_768
_CACHED_STEPS = 32_768


class Opening:
    """Epoch secrets (E) and step keys (K_j), by purpose."""

    def __init__(self, vault_id: bytes, purposes: PurposeKeys, epochs: Epochs) -> None:
        self._vault_id = vault_id
        self._purposes = purposes
        self._epochs = epochs
        self._secrets: OrderedDict[tuple[Purpose, bytes], Secret] = OrderedDict()
        self._steps: OrderedDict[tuple[Purpose, bytes, int], Step] = OrderedDict()
        self.secret_uses = CacheUses(_CACHED_EPOCHS)
        self.step_uses = CacheUses(_CACHED_STEPS)

    async def secrets(self, purpose: Purpose, epochs: Iterable[Epoch]) -> Mapping[bytes, Secret]:
        """The secrets of these epochs by id, where the purpose can open them; what does not open is left out."""
        found = {}
        for epoch in epochs:
            at = (purpose, bytes(epoch.epoch_id))
            secret = self._secrets.get(at)
            if secret is not None:
                self._secrets.move_to_end(at)
                self.secret_uses.hits += 1
            else:
                self.secret_uses.misses += 1
                secret = await self._fetch(purpose, epoch)
            if secret is not None:
                found[at[1]] = secret
        return found

    def step(self, purpose: Purpose, epoch: Epoch, secret: Secret | None, number: int) -> Step:
        """The step key.

        Raises:
            OpenError: the epoch does not open for this purpose, or the step is out of range.
        """
        if secret is None:
            raise OpenError("the epoch does not open for this purpose")
        at = (purpose, bytes(epoch.epoch_id), number)
        step = self._steps.get(at)
        if step is not None:
            self.step_uses.hits += 1
        else:
            self.step_uses.misses += 1
            step = Step(epoch.audience, epoch.epoch_id, number, step_key(secret, number))
            self._steps[at] = step
            if len(self._steps) > _CACHED_STEPS:
                self._steps.popitem(last=False)
        return step

    @property
    def kept(self) -> tuple[int, int]:
        """How many epoch secrets and step keys are in the caches."""
        return len(self._secrets), len(self._steps)

    async def _fetch(self, purpose: Purpose, epoch: Epoch) -> Secret | None:
        for key in self._purposes.private(purpose):
            try:
                stanza = await self._epochs.stanza(epoch.epoch_id, key.recipient.fingerprint)
                if stanza is None or key.pair is None:
                    continue
                secret = open_stanza(stanza, self._vault_id, epoch.audience, epoch.epoch_id, purpose, key.pair)
            except (OpenError, DataLoss):
                continue
            self._secrets[purpose, bytes(epoch.epoch_id)] = secret
            if len(self._secrets) > _CACHED_EPOCHS:
                self._secrets.popitem(last=False)
            return secret
        return None
