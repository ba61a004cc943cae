"""The way of a read, in the order in which data flows (design: a read).

Step 1, who calls, was taken at the edge. Nothing leaves `read` before its log entry is durable, and what left is in
that entry: one for each call, whatever the size of the batch.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from google.protobuf.message import DecodeError

from vault.crypto import envelope, fields
from vault.domain.audience import Custody
from vault.domain.names import RecordName
from vault.domain.secret import Secret
from vault.errors import DataLoss, InvalidArgument, NotFound, OpenError, VaultError
from vault.keyring.epochs import Epoch
from vault.keyring.keyring import Keyring
from vault.policy.decide import DENIED, Permit
from vault.service.call import Call
from vault.service.entries import Touched, new_subject, outcome_of, touched_entry
from vault.service.kinds import Kind, M, wanted
from vault.service.opening import Opened, Opening, Records, customer_facts, policy_facts
from vault.service.writing import Journal
from vault.store.v1.audit_entry_pb2 import OUTCOME_ALLOWED
from vault.v1.envelope_pb2 import Envelope

_SLICE = 64
"""Records of a batch between two breaths of the event loop: about 2 ms."""


@dataclass(frozen=True, slots=True)
class _EpochKeys:
    """What one call needs of the epochs of its records, by id; no cache can take it away."""

    epochs: Mapping[bytes, Epoch]
    secrets: Mapping[bytes, Secret]


class Reader:
    """Reads records of any kind, for one purpose."""

    def __init__(self, records: Records, keyring: Keyring, journal: Journal) -> None:
        self._records = records
        self._keyring = keyring
        self._journal = journal

    async def read(
        self, call: Call, permit: Permit, kind: Kind[M], names: Sequence[RecordName]
    ) -> list[M | VaultError]:
        """Read records, each with its own outcome, in the order asked for.

        `permit` is the policy's half of the decision; the customer's half is made here, with facts that come from
        under the record lock.

        Raises:
            Unavailable: the log entry could not be made durable; nothing leaves.
        """
        # (2) One query for the customers' and the named records, one for their keys. (3) The record locks open.
        customers: list[RecordName] = [RecordName("/".join(name.split("/", 2)[:2])) for name in names]
        opened = await self._records.open(list(dict.fromkeys([*customers, *names])), call.now)
        keys = await self._epoch_keys(permit, [opened.get(name) for name in names])
        # (4) The policy decides on each customer. (5) Boxes of other audiences are dropped, the rest are opened.
        touched = Touched()
        results: list[M | VaultError] = []
        decisions: dict[RecordName, tuple[bytes, VaultError | None]] = {}
        for at, (customer, name) in enumerate(zip(customers, names, strict=True), 1):
            decision = decisions.get(customer)
            if decision is None:
                decision = decisions[customer] = self._decide(permit, opened.get(customer))
            subject, refused = decision
            result = refused or self._release(permit, kind, keys, opened.get(name))
            outcome = outcome_of(result) if isinstance(result, VaultError) else OUTCOME_ALLOWED
            touched.read(subject, name, outcome)
            results.append(result)
            if at % _SLICE == 0:
                await asyncio.sleep(0)
        # (6) The entry is durable. (7) Only then does the answer leave.
        error = results[0] if len(results) == 1 and isinstance(results[0], VaultError) else None
        entry = touched_entry(call, touched, purpose=permit.purpose, fields=sorted(permit.fields), error=error)
        await self._journal.append(call, entry)
        return results

    async def _epoch_keys(self, permit: Permit, found: Sequence[Opening | None]) -> _EpochKeys:
        """The epochs of these records: their audiences, and their secrets if the vault opens."""
        epoch_ids = {e.epoch_id for o in found if isinstance(o, Opened) for e in o.record.envelopes}
        epochs = {}
        for epoch_id in epoch_ids:
            # One that is damaged is missing to its own records alone.
            with suppress(DataLoss):
                epoch = await self._keyring.epochs.get(epoch_id)
                if epoch is not None:
                    epochs[epoch_id] = epoch
        if permit.custody is not Custody.VAULT:
            return _EpochKeys(epochs, {})
        return _EpochKeys(epochs, await self._keyring.opening.secrets(permit.purpose, epochs.values()))

    @staticmethod
    def _decide(permit: Permit, customer: Opening | None) -> tuple[bytes, VaultError | None]:
        """The customer's pseudonym, and the refusal if there is one."""
        if isinstance(customer, DataLoss):
            return new_subject(), customer
        try:
            if customer is None:
                permit.admit(None)
                return new_subject(), NotFound(DENIED)
            facts = customer_facts(customer)
        except VaultError as error:
            return new_subject(), error
        try:
            permit.admit(policy_facts(facts))
        except VaultError as error:
            return facts.subject, error
        return facts.subject, None

    def _release(self, permit: Permit, kind: Kind[M], keys: _EpochKeys, opened: Opening | None) -> M | VaultError:
        if opened is None:
            return NotFound(DENIED)
        if isinstance(opened, DataLoss):
            return opened
        try:
            record = plain_part(kind, opened)
            owners = [self._take(permit, record, keys, kind, sealed) for sealed in opened.record.envelopes]
            if any(owner not in ("", self._keyring.owner) for owner in owners):
                # What somebody else sealed, its first reader checks; here that is the vault.
                kind.check(record)
        except (OpenError, DecodeError):
            return DataLoss("a stored record does not open; the entry in the log names it")
        except InvalidArgument:
            return DataLoss("a stored field is not what its name says; who sealed it must write it again")
        return record

    def _take(self, permit: Permit, record: M, keys: _EpochKeys, kind: Kind[M], sealed: Envelope) -> str:
        """Put into a record what the purpose may have of one envelope; who sealed it, if the vault opened it."""
        epoch = keys.epochs.get(sealed.epoch_id)
        if epoch is None:
            raise OpenError("the epoch is missing from the key store")
        if permit.purpose not in epoch.members:
            return ""
        chosen = wanted(kind, permit.fields)
        if permit.custody is not Custody.VAULT:
            kept = envelope.keep_boxes(sealed, chosen)
            if kept is not None:
                record.sealed.append(kept)
            return ""
        secret = keys.secrets.get(sealed.epoch_id)
        step = self._keyring.opening.step(permit.purpose, epoch, secret, sealed.step)
        vault_id, name = self._keyring.vault_id, record.record_name
        for field, plaintext in envelope.open_boxes(vault_id, step, name, sealed, chosen):
            fields.put(record, field, plaintext)
        return epoch.owner


def plain_part(kind: Kind[M], opened: Opened) -> M:
    """A record's message with its name, etag and times, and no protected field.

    Raises:
        OpenError: the unprotected part holds a protected field.
        DecodeError: it is no such message.
    """
    record = kind.message.FromString(opened.record.unprotected)
    for name in kind.by_name:
        if getattr(record, name):
            raise OpenError("the record does not open")
    row = opened.row
    record.record_name = row.record_name
    record.etag = row.key_id.hex()
    record.update_time.seconds, millis = divmod(row.written_at, 1000)
    record.update_time.nanos = millis * 1_000_000
    return record
