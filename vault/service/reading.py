"""The way of a read, in the order in which data flows (design: a read).

Step 1, who calls, was taken at the edge. Nothing leaves `read` before its log entry is durable, and what left is in
that entry: one for each call, whatever the size of the batch.

A batch does all this a hundred times, so what is the same for all its records is found once (the fields that are
wanted, the decision on the usual customer), and a record is built in the place in the answer where it will leave: a
message that is built elsewhere and copied costs as much again.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from typing import Generic

from google.protobuf.message import DecodeError

from vault.crypto import envelope, fields
from vault.domain.audience import Custody
from vault.domain.fields import ProtectedField
from vault.domain.names import Owner, OwnerKind, RecordName, owner_kind, owner_of
from vault.domain.secret import Secret
from vault.errors import DataLoss, InvalidArgument, NotFound, OpenError, Unavailable, VaultError
from vault.keyring.epochs import Epoch
from vault.keyring.keyring import Keyring
from vault.policy.decide import DENIED, Permit
from vault.policy.facts import CustomerFacts
from vault.service.call import Call
from vault.service.entries import Subject, Touched, new_subject, outcome_of, touched_entry
from vault.service.freshness import StaleError
from vault.service.kinds import Kind, M, names_of, wanted
from vault.service.opening import Opened, Opening, Records, customer_facts, policy_facts
from vault.service.writing import Journal
from vault.store.v1.audit_entry_pb2 import OUTCOME_ALLOWED, Outcome
from vault.v1.envelope_pb2 import Envelope

_ATTEMPTS = 5
"""Readings of one call while its customers' facts change under it."""
_SLICE = 64
"""Records of a batch between two breaths of the event loop: about 2 ms."""


@dataclass(frozen=True, slots=True)
class _Way(Generic[M]):
    """What is the same for all records of one call."""

    permit: Permit
    kind: Kind[M]
    wanted: Mapping[int, ProtectedField]
    """The fields that may leave, by number."""
    epochs: Mapping[bytes, Epoch]
    """The epochs of its records, by id; no cache can take them away."""
    secrets: Mapping[bytes, Secret]
    """Of those that the vault opens."""
    usual: VaultError | None
    """The refusal of a customer without consent, objection and restriction; None if such a one is admitted."""


class Reader:
    """Reads records of any kind, for one purpose."""

    def __init__(self, records: Records, keyring: Keyring, journal: Journal) -> None:
        self._records = records
        self._keyring = keyring
        self._journal = journal

    async def read(
        self, call: Call, permit: Permit, kind: Kind[M], names: Sequence[RecordName], places: Iterator[M] | None = None
    ) -> list[M | VaultError]:
        """Read records, each with its own outcome, in the order asked for.

        Args:
            call: the call.
            permit: the policy's half of the decision; the customer's half is made here, with facts that come from
                under the record lock.
            kind: of the records.
            names: of the records.
            places: an empty message of the answer for each name, to be filled; new ones are made if it is left out.
                One whose record is refused or lost must not leave: it may be half filled.

        Raises:
            Unavailable: the log entry could not be made durable; nothing leaves.
        """
        rests_on = {*map(owner_of, names), *([f"orders/{permit.order.order_id}"] if permit.order else ())}
        given = list(islice(places, len(names))) if places else None
        shown = names_of(kind, permit.fields)
        order = permit.order
        for _ in range(_ATTEMPTS):
            since = self._journal.freshness.now()
            results, touched = await self._collect(call, permit, kind, names, given)
            # (6) The entry is durable. (7) Only then does the answer leave.
            error = results[0] if len(results) == 1 and isinstance(results[0], VaultError) else None
            entry = touched_entry(call, touched, purpose=permit.purpose, fields=shown, error=error)
            if order and self._journal.freshness.stale(call.since, [f"orders/{order.order_id}"]):
                # What changes about an approved order is that it ends.
                raise permit.not_available()
            with suppress(StaleError):
                await self._journal.append_fresh(call, entry, since, rests_on)
                return results
            for place in given or ():
                place.Clear()
        raise Unavailable("a customer's facts change faster than they can be read; try again")

    async def _collect(
        self, call: Call, permit: Permit, kind: Kind[M], names: Sequence[RecordName], places: Sequence[M] | None
    ) -> tuple[list[M | VaultError], Touched]:
        """Open, decide and build.

        What was opened for it is let go on return: dozens of batches wait for their entries at a time, and all that
        they hold meanwhile is memory that the next one cannot use while it is warm.
        """
        # (2) One query for the customers' and the named records, one for their keys. (3) The record locks open.
        customers: list[RecordName] = [RecordName(owner_of(name)) for name in names]
        # Visitors and domains have no record of their own: about them there are no facts.
        known: list[RecordName] = customers if kind.customers_only else [c for c in customers if _is_customer(c)]
        opened = await self._records.open(list(dict.fromkeys([*known, *names])), call.now)
        way = await self._way(permit, kind, [opened.get(name) for name in names])
        records = iter(places) if places else iter(kind.message, None)
        # (4) The policy decides on each customer. (5) Boxes of other audiences are dropped, the rest are opened.
        subjects: list[Subject] = []
        outcomes: list[Outcome.ValueType] = []
        results: list[M | VaultError] = []
        decisions: dict[RecordName, tuple[Subject, VaultError | None]] = {}
        for at, (customer, name, record) in enumerate(zip(customers, names, records, strict=False), 1):
            decision = decisions.get(customer)
            if decision is None:
                if kind.customers_only or _is_customer(customer):
                    decision = self._decide(way, opened.get(customer), call.now)
                else:
                    decision = new_subject(), _refusal_of_other(permit, Owner(customer))
                decisions[customer] = decision
            subject, refused = decision
            result = refused or self._release(way, opened.get(name), record)
            subjects.append(subject)
            outcomes.append(outcome_of(result) if isinstance(result, VaultError) else OUTCOME_ALLOWED)
            results.append(result)
            if at % _SLICE == 0:
                await asyncio.sleep(0)
        return results, Touched(subjects, list(names), outcomes)

    async def _way(self, permit: Permit, kind: Kind[M], found: Sequence[Opening | None]) -> _Way[M]:
        """Prepare for these records: the epochs' audiences, and their secrets if the vault opens."""
        epoch_ids = {e.epoch_id for o in found if isinstance(o, Opened) for e, _ in o.envelopes}
        epochs = {}
        for epoch_id in epoch_ids:
            # One that is damaged is missing to its own records alone.
            with suppress(DataLoss):
                epoch = await self._keyring.epochs.get(epoch_id)
                if epoch is not None:
                    epochs[epoch_id] = epoch
        secrets: Mapping[bytes, Secret] = {}
        if permit.custody is Custody.VAULT:
            secrets = await self._keyring.opening.secrets(permit.purpose, epochs.values())
        usual = _refusal(permit, CustomerFacts())
        return _Way(permit, kind, wanted(kind, permit.fields), epochs, secrets, usual)

    @staticmethod
    def _decide(way: _Way[M], customer: Opening | None, now: int) -> tuple[Subject, VaultError | None]:
        """The customer's pseudonym, and the refusal if there is one."""
        permit = way.permit
        if isinstance(customer, DataLoss):
            return new_subject(), customer
        try:
            if customer is None:
                permit.admit(None)
                return new_subject(), NotFound(DENIED)
            facts = customer_facts(customer)
        except VaultError as error:
            return new_subject(), error
        subject = Subject(facts.subject)
        if permit.order is not None:
            covered = permit.covers(customer.locked.record_name)
            return subject, _refusal(permit, replace(policy_facts(facts, now), ordered=covered))
        # Nearly all customers have nothing to consider; what that means is the same for each of them.
        if not (facts.restrictions or facts.consents or facts.objections):
            return subject, way.usual
        return subject, _refusal(permit, policy_facts(facts, now))

    def _release(self, way: _Way[M], opened: Opening | None, record: M) -> M | VaultError:
        if opened is None:
            return NotFound(DENIED)
        if isinstance(opened, DataLoss):
            return opened
        try:
            _plain_part(way.kind, opened, record)
            strange = False
            for sealed, numbers in opened.envelopes:
                strange |= self._take(way, record, sealed, numbers)
            if strange:
                # What somebody else sealed, its first reader checks; here that is the vault.
                way.kind.check(record)
        except (OpenError, DecodeError):
            return DataLoss("a stored record does not open; the entry in the log names it")
        except InvalidArgument:
            return DataLoss("a stored field is not what its name says; who sealed it must write it again")
        return record

    def _take(self, way: _Way[M], record: M, sealed: Envelope, numbers: frozenset[int]) -> bool:
        """Put into a record what the purpose may have of one envelope.

        Returns:
            Whether the vault opened something that somebody else sealed.
        """
        epoch_id = sealed.epoch_id
        epoch = way.epochs.get(epoch_id)
        if epoch is None:
            raise OpenError("the epoch is missing from the key store")
        permit = way.permit
        if permit.purpose not in epoch.members:
            return False
        if permit.custody is not Custody.VAULT:
            kept = sealed if way.wanted.keys() >= numbers else envelope.keep_boxes(sealed, way.wanted)
            if kept is not None:
                record.sealed.append(kept)
            return False
        step = self._keyring.opening.step(permit.purpose, epoch, way.secrets.get(epoch_id), sealed.step)
        vault_id, name = self._keyring.vault_id, record.record_name
        for field, plaintext in envelope.open_boxes(vault_id, step, name, sealed, way.wanted):
            fields.put(record, field, plaintext)
        return epoch.owner != self._keyring.owner


def _refusal(permit: Permit, facts: CustomerFacts) -> VaultError | None:
    try:
        permit.admit(facts)
    except VaultError as error:
        return error
    return None


def _is_customer(owner: str) -> bool:
    return owner_kind(Owner(owner)) is OwnerKind.CUSTOMER


def _refusal_of_other(permit: Permit, owner: Owner) -> VaultError | None:
    try:
        permit.admit_other(owner_kind(owner))
    except VaultError as error:
        return error
    return None


def _plain_part(kind: Kind[M], opened: Opened, record: M) -> None:
    """Put a record's name, etag and times into its message, and no protected field.

    Raises:
        OpenError: the unprotected part holds a protected field.
        DecodeError: it is no such message.
    """
    record.MergeFromString(opened.record.unprotected)
    for name in kind.texts:
        if getattr(record, name):
            raise OpenError("the record does not open")
    for name in kind.messages:
        if record.HasField(name):  # type: ignore[arg-type]  # of this kind's message
            raise OpenError("the record does not open")
    locked = opened.locked
    record.record_name = locked.record_name
    record.etag = locked.key_id.hex()
    seconds, millis = divmod(locked.written_at, 1000)
    update_time = record.update_time
    update_time.seconds = seconds
    update_time.nanos = millis * 1_000_000
