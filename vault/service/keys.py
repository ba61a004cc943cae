"""KeyService: public keys, epochs and stanzas for SDKs that seal and open on their own side.

Nothing here replaces anything: epochs and stanzas are insert-only, a key is accepted only if the policy names it.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from vault.crypto.epoch import EpochId, epoch_id, open_stanza
from vault.crypto.hpke import Fingerprint
from vault.domain.audience import Custody, Purpose, members
from vault.errors import FailedPrecondition, InvalidArgument, OpenError, PermissionDenied, VaultError
from vault.keyring.epochs import Epoch, Stanza
from vault.keyring.purposes import KeyVersion, Pinned
from vault.policy.decide import DENIED
from vault.service.call import Call
from vault.service.entries import Touched, touched_entry
from vault.service.paging import DEFAULT_SIZE, name_after, token_after
from vault.service.parts import Parts
from vault.v1 import key_service_pb2 as v1
from vault.v1 import status_pb2 as status


class Keys:
    """Recipients, epochs, stanzas and key versions."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def get_recipients(self, call: Call, request: v1.GetRecipientsRequest) -> v1.GetRecipientsResponse:
        """Audiences of fields, and the active public key of each of their purposes."""
        policy = self._parts.policy
        response = v1.GetRecipientsResponse(vault_id=self._parts.keyring.vault_id)
        purposes: set[Purpose] = set()
        for at, name in enumerate(request.fields or policy.fields):
            if name not in policy.fields:
                raise InvalidArgument(f"fields[{at}]", "must be a protected field, as payment.card_number")
            rule = policy.fields[name]
            response.audiences.add(field=name, audience=rule.audience)
            purposes |= rule.members
        for purpose in sorted(purposes):
            key = self._parts.keyring.purposes.active(purpose)
            if key is not None:
                response.recipients.add(
                    purpose=purpose,
                    version=key.version,
                    public_key=key.recipient.public_key,
                    fingerprint=key.recipient.fingerprint,
                )
        await self._log(call)
        return response

    async def publish_epoch(self, call: Call, request: v1.PublishEpochRequest) -> v1.PublishEpochResponse:
        """Make an epoch of the caller's known, with exactly one stanza for each member of a current audience.

        Raises:
            InvalidArgument: the stanzas are not those that the audience needs, or one that the vault can open differs.
            FailedPrecondition: no field has this audience now, or a member has no active key.
            AlreadyExists: the epoch is there.
        """
        known = {rule.audience for rule in self._parts.policy.fields.values()}
        members(request.audience)
        if request.audience not in known:
            raise FailedPrecondition(
                status.REASON_KEY_REFUSED, "audience: no field has this audience now; fetch the recipients again"
            )
        recipients = self._parts.keyring.purposes.recipients(request.audience)
        wanted = {(k.purpose, bytes(k.recipient.fingerprint)) for k in recipients}
        given = [(Purpose(s.purpose), s.fingerprint) for s in request.stanzas]
        if len(given) != len(wanted) or set(given) != wanted:
            raise InvalidArgument("stanzas", "must be one for each member of the audience, to its active key")
        for stanza, key in self._openable(request.stanzas, recipients):
            self._check_stanza(request, stanza, key)
        epoch = Epoch(EpochId(request.epoch_id), request.audience, call.caller.spiffe_id, call.now)
        stanzas = [Stanza(Purpose(s.purpose), Fingerprint(s.fingerprint), s.sealed) for s in request.stanzas]
        async with self._entry_first(call):
            await self._parts.keyring.epochs.publish(epoch, stanzas)
        return v1.PublishEpochResponse()

    @staticmethod
    def _openable(stanzas: Sequence[v1.Stanza], recipients: Sequence[KeyVersion]) -> list[tuple[v1.Stanza, KeyVersion]]:
        keys = {k.purpose: k for k in recipients if k.pair is not None}
        return [(s, keys[Purpose(s.purpose)]) for s in stanzas if s.purpose in keys]

    def _check_stanza(self, request: v1.PublishEpochRequest, stanza: v1.Stanza, key: KeyVersion) -> None:
        if key.pair is None:
            return
        vault_id = self._parts.keyring.vault_id
        try:
            secret = open_stanza(stanza.sealed, vault_id, request.audience, request.epoch_id, key.purpose, key.pair)
        except OpenError:
            raise InvalidArgument("stanzas", "must open, each to the secret that epoch_id commits to") from None
        if epoch_id(secret, vault_id, request.audience) != request.epoch_id:
            raise InvalidArgument("epoch_id", "must commit to the secret of the stanzas")

    async def get_epoch_keys(self, call: Call, request: v1.GetEpochKeysRequest) -> v1.GetEpochKeysResponse:
        """The stanzas of a purpose of the caller's: those asked for, or all epochs page by page."""
        purpose = self._own_purpose(call, request.purpose)
        response = v1.GetEpochKeysResponse()
        epochs = self._parts.keyring.epochs
        if request.epoch_ids:
            for epoch_id_ in request.epoch_ids:
                epoch = await epochs.get(epoch_id_)
                if epoch is not None:
                    await self._add(response, epoch, purpose, request.fingerprint)
        else:
            limit = request.page_size or DEFAULT_SIZE
            page = await epochs.page(name_after(request.page_token), limit)
            for _, epoch in page:
                missing = request.missing_fingerprint
                if not missing or await epochs.stanza(epoch.epoch_id, missing) is None:
                    await self._add(response, epoch, purpose, request.fingerprint)
            if len(page) == limit:
                response.next_page_token = token_after(page[-1][0])
        await self._log(call, purpose)
        return response

    async def _add(self, response: v1.GetEpochKeysResponse, epoch: Epoch, purpose: Purpose, fingerprint: bytes) -> None:
        if purpose not in epoch.members:
            return
        stanza = await self._parts.keyring.epochs.stanza(epoch.epoch_id, fingerprint)
        if stanza is not None:
            response.epoch_keys.add(
                vault_id=self._parts.keyring.vault_id,
                epoch_id=epoch.epoch_id,
                audience=epoch.audience,
                purpose=purpose,
                fingerprint=fingerprint,
                stanza=stanza,
            )

    async def register_purpose_key(
        self, call: Call, request: v1.RegisterPurposeKeyRequest
    ) -> v1.RegisterPurposeKeyResponse:
        """Accept a public key that the policy names."""
        purpose = self._own_purpose(call, request.purpose)
        rule = self._parts.policy.keys.get(purpose)
        if self._parts.policy.purposes[purpose].custody is not Custody.CALLER or rule is None:
            raise FailedPrecondition(status.REASON_KEY_REFUSED, "purpose: its key is not held by a caller")
        pinned = Pinned(Fingerprint(rule.current), Fingerprint(rule.next) if rule.next else None)
        async with self._entry_first(call, purpose):
            key = await self._parts.keyring.purposes.register(purpose, request.public_key, pinned, call.now)
        return v1.RegisterPurposeKeyResponse(key=_shown(key))

    async def reseal_epochs(self, call: Call, request: v1.ResealEpochsRequest) -> v1.ResealEpochsResponse:
        """Add stanzas for a newer key version of a purpose of the caller's."""
        adding = []
        for at, item in enumerate(request.stanzas):
            purpose = self._own_purpose(call, item.stanza.purpose)
            epoch = await self._parts.keyring.epochs.get(item.epoch_id)
            key = self._parts.keyring.purposes.find(purpose, item.stanza.fingerprint)
            if epoch is None or purpose not in epoch.members:
                raise InvalidArgument(f"stanzas[{at}].epoch_id", "must be an epoch whose audience has the purpose")
            if key is None or key.custody is not Custody.CALLER:
                raise InvalidArgument(f"stanzas[{at}].stanza.fingerprint", "must be a registered key of the purpose")
            if key.state not in (v1.KEY_STATE_ACTIVE, v1.KEY_STATE_PRE_ACTIVE):
                raise InvalidArgument(f"stanzas[{at}].stanza.fingerprint", "must be the current or the next key")
            stanza = Stanza(purpose, key.recipient.fingerprint, item.stanza.sealed)
            adding.append((epoch.epoch_id, stanza))
        async with self._entry_first(call, adding[0][1].purpose):
            added = await self._parts.keyring.epochs.add_stanzas(adding, call.now)
        return v1.ResealEpochsResponse(added=added, unchanged=len(adding) - added)

    async def list_keys(self, call: Call, _request: v1.ListKeysRequest) -> v1.ListKeysResponse:
        """Versions, states and ages."""
        keyring = self._parts.keyring
        response = v1.ListKeysResponse(vault_id=keyring.vault_id, epochs=await keyring.epochs.count())
        response.purpose_keys.extend(_shown(key) for key in keyring.purposes.all())
        for row in keyring.vault_keys.rows:
            known = v1.KeyState.keys()
            name = f"KEY_STATE_{row.state.upper()}"
            state = v1.KeyState.Value(name if name in known else "KEY_STATE_UNSPECIFIED")
            response.vault_keys.add(version=row.n, state=state, create_time_ms=row.created_at)
        response.log_keys.add(origin=self._parts.log.origin, version=1, public_key=self._parts.log.public_key)
        await self._log(call)
        return response

    def _own_purpose(self, call: Call, purpose: str) -> Purpose:
        """The purpose, if it is one of the caller's.

        Raises:
            PermissionDenied: it is not.
        """
        own = self._parts.policy.purposes_of(call.caller.roles)
        chosen = Purpose(purpose) if purpose else next(iter(own), Purpose("")) if len(own) == 1 else Purpose("")
        if chosen not in own:
            raise PermissionDenied(status.REASON_PURPOSE_NOT_ALLOWED, DENIED)
        return chosen

    @asynccontextmanager
    async def _entry_first(self, call: Call, purpose: str = "") -> AsyncIterator[None]:
        """Log a key event before it happens: the key store cannot commit the entry with it.

        If it then fails, a second entry says so.
        """
        await self._log(call, purpose)
        try:
            yield
        except VaultError:
            call.logged = False
            raise

    async def _log(self, call: Call, purpose: str = "") -> None:
        await self._parts.journal.append(call, touched_entry(call, Touched(), purpose=purpose))


def _shown(key: KeyVersion) -> v1.PurposeKey:
    return v1.PurposeKey(
        purpose=key.purpose,
        version=key.version,
        custody=v1.CUSTODY_VAULT if key.custody is Custody.VAULT else v1.CUSTODY_CALLER,
        state=key.state,
        fingerprint=key.recipient.fingerprint,
        create_time_ms=key.created_at,
    )
