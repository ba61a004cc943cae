"""Opening for purposes in vault custody: epoch secrets and step keys, each purpose under its own stanza.

The caches are bounded and keyed by purpose: an epoch that was opened for one purpose is opened again, with that
purpose's own key, for the next. `prepare` fetches and opens what is missing, `step` then answers without waiting.
"""

from collections import OrderedDict
from collections.abc import Iterable

from vault.crypto.envelope import Step
from vault.crypto.epoch import EpochId, open_stanza, step_key
from vault.domain.audience import Purpose
from vault.domain.secret import Secret
from vault.errors import OpenError
from vault.keyring.epochs import Epochs
from vault.keyring.purposes import PurposeKeys

_CACHED_EPOCHS = 8_192
_CACHED_STEPS = 32_768


class Opening:
    """Epoch secrets (E) and step keys (K_j), by purpose."""

    def __init__(self, vault_id: bytes, purposes: PurposeKeys, epochs: Epochs) -> None:
        self._vault_id = vault_id
        self._purposes = purposes
        self._epochs = epochs
        self._secrets: OrderedDict[tuple[Purpose, bytes], Secret] = OrderedDict()
        self._steps: OrderedDict[tuple[Purpose, bytes, int], Step] = OrderedDict()

    async def prepare(self, purpose: Purpose, epoch_ids: Iterable[bytes]) -> None:
        """Have these epochs' secrets at hand, where the purpose can open them; what does not open is left out.

        Raises:
            DataLoss: a row of the key store does not open.
        """
        for epoch_id in epoch_ids:
            if (purpose, epoch_id) not in self._secrets:
                await self._fetch(purpose, epoch_id)

    def step(self, purpose: Purpose, epoch_id: bytes, number: int) -> Step:
        """The step key.

        Raises:
            OpenError: the epoch does not open for this purpose, or the step is out of range.
        """
        at = (purpose, epoch_id, number)
        step = self._steps.get(at)
        if step is None:
            secret = self._secrets.get((purpose, epoch_id))
            epoch = self._epochs.cached(epoch_id)
            if secret is None or epoch is None:
                raise OpenError("the epoch does not open for this purpose")
            step = Step(epoch.audience, epoch.epoch_id, number, step_key(secret, number))
            self._steps[at] = step
            if len(self._steps) > _CACHED_STEPS:
                self._steps.popitem(last=False)
        return step

    async def _fetch(self, purpose: Purpose, epoch_id: bytes) -> None:
        epoch = await self._epochs.get(epoch_id)
        if epoch is None:
            return
        for key in self._purposes.private(purpose):
            stanza = await self._epochs.stanza(epoch_id, key.recipient.fingerprint)
            if stanza is None or key.pair is None:
                continue
            try:
                secret = open_stanza(stanza, self._vault_id, epoch.audience, EpochId(epoch_id), purpose, key.pair)
            except OpenError:
                continue
            self._secrets[purpose, epoch_id] = secret
            if len(self._secrets) > _CACHED_EPOCHS:
                self._secrets.popitem(last=False)
            return
