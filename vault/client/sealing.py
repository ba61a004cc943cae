"""Sealing on the caller's side: the vault stores what it never sees.

For every audience there is one epoch of this caller's own. Its secret is made here, sealed once to each member's
public key, and published *before* the first envelope, because an envelope of an unpublished epoch can be opened by
nobody. What the vault says about audiences and keys is compared with the pins (pins.py) before anything is sealed.

An envelope is sealed anew, under a fresh salt, whenever `seal` is called; what is sent again after a broken connection
are the bytes of the first attempt. Steps pass by a timer, not at the next seal, so that a thief who breaks in at night
finds no key of the evening: see vault.crypto.sealer. An epoch ends after 24 hours, with its last step, or when a
member's key changes, which is looked for every few minutes and when the vault refuses an epoch.
"""

import asyncio
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import partial

from vault.client.connection import Connection
from vault.client.errors import PinMismatch
from vault.crypto import epoch, fields
from vault.crypto.envelope import Step
from vault.crypto.hpke import Fingerprint, Recipient
from vault.crypto.sealer import EPOCH_SECONDS, STEP_SECONDS, EpochSealer
from vault.crypto.stream import Sealer
from vault.domain.audience import members
from vault.domain.fields import ProtectedField
from vault.errors import OutcomeUnknown, Unavailable
from vault.v1 import key_service_pb2 as api
from vault.v1.records_pb2 import Card, Contact, Message

RECIPIENTS_SECONDS = 300.0
"""How long the vault's word on recipients is taken without asking again."""


@dataclass(slots=True)
class _Live:
    """The epoch that an audience is sealed under now."""

    sealer: EpochSealer
    fingerprints: tuple[Fingerprint, ...]
    checked: float
    """When its recipients were last asked for, by the loop's clock."""
    timers: list[asyncio.TimerHandle]

    def close(self) -> None:
        for timer in self.timers:
            timer.cancel()
        self.sealer.close()


class Sealing:
    """This caller's epochs, one for each audience that it seals for."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._pins = connection.pins
        self._live: dict[str, _Live] = {}
        self._renewals: dict[str, asyncio.Task[None]] = {}

    async def seal(self, record_name: str, record: Card | Contact | Message) -> None:
        """Move a record's protected fields from plain into `sealed`, in place.

        Args:
            record_name: the full name under which the record will be stored; the envelopes open under no other.
            record: with its fields in plain.

        Raises:
            PinMismatch: a field or a member of its audience is not pinned, or the vault showed another key or audience.
            VaultError: the vault cannot be asked or refuses the epoch.
        """
        values = fields.plaintexts(record)
        audiences = {f.policy_name: self._pins.audience_to_seal(f.policy_name) for f, _ in values}
        await self._ready(set(audiences.values()))
        # No await from here on: the epochs stay usable.
        record.sealed.extend(fields.seal(self._pins.vault_id, record_name, values, audiences, self._take))
        fields.clear_protected(record)

    async def stream(self, record_name: str, field: ProtectedField) -> Sealer:
        """Begin to seal a body, under a fresh salt: it counts as one envelope, and keeps the step that it begins with.

        Args:
            record_name: as for `seal`.
            field: the body's.

        Raises:
            PinMismatch, VaultError: as `seal`.
        """
        audience = self._pins.audience_to_seal(field.policy_name)
        await self._ready({audience})
        return Sealer(self._pins.vault_id, self._take(audience), record_name, field)

    async def _ready(self, audiences: Collection[str]) -> None:
        while stale := [audience for audience in audiences if not self._usable(audience)]:
            await self._renew(stale)

    def forget(self) -> None:
        """Give up all epochs: the vault refused one, so its recipients or its age are in doubt."""
        for live in self._live.values():
            live.close()
        self._live.clear()

    def close(self) -> None:
        """Overwrite what is left of the epochs' keys."""
        for renewal in self._renewals.values():
            renewal.cancel()
        self.forget()

    def _usable(self, audience: str) -> bool:
        live = self._live.get(audience)
        now = _now()
        return live is not None and live.sealer.alive(now) and now - live.checked < RECIPIENTS_SECONDS

    def _take(self, audience: str) -> Step:
        live = self._live[audience]
        step, first = live.sealer.take()
        if first:
            self._at(live, STEP_SECONDS, step.number)
        return step

    def _at(self, live: _Live, seconds: float, step: int) -> None:
        loop = asyncio.get_running_loop()
        live.timers = [timer for timer in live.timers if timer.when() > loop.time()]
        live.timers.append(loop.call_later(seconds, live.sealer.pass_step, step))

    async def _renew(self, audiences: Iterable[str]) -> None:
        """Check or replace the epochs of audiences; callers who come meanwhile wait for the same attempt."""
        for audience in audiences:
            task = self._renewals.get(audience)
            if task is None:
                task = asyncio.create_task(self._renewed(audience))
                self._renewals[audience] = task
                task.add_done_callback(partial(self._finished, audience))
            # Shielded, because the one who waits may be cancelled and the others not.
            await asyncio.shield(task)

    def _finished(self, audience: str, task: "asyncio.Task[None]") -> None:
        del self._renewals[audience]
        if not task.cancelled():
            task.exception()  # those who wait have it; nobody may be waiting any more

    async def _renewed(self, audience: str) -> None:
        recipients = await self._recipients(audience)
        fingerprints = tuple(r.fingerprint for r in recipients.values())
        live = self._live.get(audience)
        if live is not None and live.fingerprints == fingerprints and live.sealer.alive(_now()):
            live.checked = _now()
            return
        fresh = await self._published(audience, recipients)
        if old := self._live.pop(audience, None):
            old.close()
        self._live[audience] = _Live(fresh, fingerprints, _now(), [])
        # An idle caller must not keep an epoch's keys for longer than the epoch lives.
        loop = asyncio.get_running_loop()
        self._live[audience].timers.append(loop.call_later(EPOCH_SECONDS, fresh.close))

    async def _published(self, audience: str, recipients: dict[str, Recipient]) -> EpochSealer:
        secret = epoch.new_epoch_secret()
        sealer = EpochSealer(secret, self._pins.vault_id, audience, _now())
        request = api.PublishEpochRequest(epoch_id=sealer.epoch_id, audience=audience)
        for purpose, recipient in recipients.items():
            sealed = epoch.seal_stanza(secret, self._pins.vault_id, audience, purpose, recipient)
            request.stanzas.add(purpose=purpose, fingerprint=recipient.fingerprint, sealed=sealed)
        try:
            await self._connection.call(self._connection.keys.PublishEpoch, request)
        except OutcomeUnknown as error:
            sealer.close()
            # Published or not, this epoch is given up: nothing was sealed under it, so nothing was written.
            raise Unavailable(f"nothing was sealed or written: {error}") from None
        except BaseException:
            sealer.close()
            raise
        return sealer

    async def _recipients(self, audience: str) -> dict[str, Recipient]:
        """The members of an audience with their keys, as the vault says and the pins allow."""
        names = [name for name, pin in self._pins.fields.items() if pin.current == audience]
        answer = await self._connection.call(
            self._connection.keys.GetRecipients, api.GetRecipientsRequest(fields=names)
        )
        # (1) the pinned deployment, and for each field the pinned audience
        self._pins.check_vault(answer.vault_id)
        shown = {each.field: each.audience for each in answer.audiences}
        for name in names:
            if shown.get(name) != audience:
                raise PinMismatch(f"the audience of {name}")
        # (2) one key for each member, under a pinned fingerprint; others' keys are not looked at
        keys: dict[str, bytes] = {}
        for each in answer.recipients:
            if keys.setdefault(each.purpose, each.public_key) != each.public_key:
                raise PinMismatch(f"the public key of {each.purpose}")
        return {member: self._pins.check_recipient(member, keys.get(member, b"")) for member in members(audience)}


def _now() -> float:
    return asyncio.get_running_loop().time()
