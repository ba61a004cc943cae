"""The custodian's work: giving the vault a new public key, and sealing old epochs to it.

Rotating a purpose's key touches stanzas, never records: each epoch's secret is opened with the old key and sealed to
the new one, 0.3 ms each, whatever the number of customers. The vault only ever adds, so the work can stop anywhere and
be begun again; it asks only for epochs that still lack a stanza for the new key.

The order of a rotation: the operator puts the new fingerprint as `next` into policy.toml and into every pins.json;
then `register_purpose_key`; new epochs are sealed to the new key as soon as the operator makes it current; then
`reseal_epochs`, by a client that holds both keys.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from vault.client.base import VaultClient
from vault.client.connection import BATCH_DEADLINE
from vault.client.epoch_keys import EpochKeys
from vault.client.paging import pages
from vault.crypto.epoch import seal_stanza
from vault.crypto.hpke import PurposeKeyPair, Recipient
from vault.domain.secret import Secret
from vault.errors import OpenError
from vault.v1 import key_service_pb2 as api

_SLICE = 50


@dataclass(frozen=True, slots=True)
class Resealed:
    """How far `reseal_epochs` has come."""

    added: int = 0
    """Stanzas that the vault took."""
    unopened: int = 0
    """Stanzas that do not open with the old key: nobody can read their epochs; find out why before it is destroyed."""


class Custodian(VaultClient):
    """Holds the private key of a purpose."""

    _epoch_keys: EpochKeys

    async def register_purpose_key(self, seed: Secret) -> api.PurposeKey:
        """Offer the public key of a new private key; the private key stays here.

        Args:
            seed: 32 bytes, as vault.crypto.hpke.new_seed makes them.

        Raises:
            PinMismatch: pins.json does not list its fingerprint, so nobody would seal to it.
            FailedPrecondition: policy.toml does not name its fingerprint.
        """
        pair = PurposeKeyPair(seed)
        self._connection.pins.check_recipient(self._epoch_keys.purpose, pair.public_key)
        request = api.RegisterPurposeKeyRequest(purpose=self._epoch_keys.purpose, public_key=pair.public_key)
        return (await self._connection.call(self._connection.keys.RegisterPurposeKey, request)).key

    async def reseal_epochs(self, seed: Secret, progress: Callable[[Resealed], None] | None = None) -> Resealed:
        """Seal all epochs of the purpose to a registered new key, from the keys of the settings.

        Args:
            seed: the new private key, 32 bytes.
            progress: called after each batch, with the sums so far.

        Raises:
            PinMismatch: pins.json does not list its fingerprint, or the vault answered for another key.
            VaultError: the vault cannot be asked, or refuses; what was added stays.
        """
        new = PurposeKeyPair(seed)
        recipient = self._connection.pins.check_recipient(self._epoch_keys.purpose, new.public_key)
        done = Resealed()
        for old in self._epoch_keys.pairs:
            if old.fingerprint == recipient.fingerprint:
                continue
            request = api.GetEpochKeysRequest(
                purpose=self._epoch_keys.purpose, fingerprint=old.fingerprint, missing_fingerprint=recipient.fingerprint
            )
            async for page in pages(self._connection, self._connection.keys.GetEpochKeys, request):
                done = await self._reseal(page, old, recipient, done)
                if progress:
                    progress(done)
        return done

    async def _reseal(
        self, page: api.GetEpochKeysResponse, old: PurposeKeyPair, new: Recipient, done: Resealed
    ) -> Resealed:
        request, unopened = api.ResealEpochsRequest(), 0
        for count, answer in enumerate(page.epoch_keys, 1):
            try:
                request.stanzas.append(self._resealed(answer, old, new))
            except OpenError:
                unopened += 1
            if count % _SLICE == 0:
                await asyncio.sleep(0)
        added = 0
        if request.stanzas:
            call = self._connection.keys.ResealEpochs
            added = (await self._connection.call(call, request, deadline=BATCH_DEADLINE)).added
        return Resealed(done.added + added, done.unopened + unopened)

    def _resealed(self, answer: api.EpochKey, old: PurposeKeyPair, new: Recipient) -> api.EpochStanza:
        epoch = self._epoch_keys.open(answer, old)
        purpose = self._epoch_keys.purpose
        sealed = seal_stanza(epoch.secret, self._connection.pins.vault_id, epoch.audience, purpose, new)
        stanza = api.Stanza(purpose=purpose, fingerprint=new.fingerprint, sealed=sealed)
        return api.EpochStanza(epoch_id=epoch.epoch_id, stanza=stanza)
