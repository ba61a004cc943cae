"""The way of a write: sealed for the current audiences, locked under a fresh record key, committed once.

A request_id has one effect for at least 24 hours, whatever the clock says meanwhile: the answer of the first call is
kept (names, etags, times; no value) and given again. Only a call that did something is remembered, so a refused one can
be repaired and sent again.
"""

import asyncio
import hmac
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from google.protobuf.message import Message

from vault.audit.entry import NO_DIGEST, Digest, digest_of
from vault.crypto import fields, lookup, record_lock
from vault.crypto.vault_key import RowName
from vault.domain import contact as contact_rules
from vault.domain.names import Owner, RecordName, owner_of
from vault.errors import DataLoss, InvalidArgument, OpenError, VaultError
from vault.keyring.keyring import Keyring
from vault.keyring.vault_keys import VaultKeys
from vault.service.call import Call
from vault.service.drafts import Draft
from vault.service.entries import Touched, touched_entry
from vault.service.freshness import ANY_ORDER, Freshness, StaleError
from vault.service.kinds import CONTACT, RecordMessage
from vault.service.opening import Opened, Records
from vault.storage.port import (
    Committed,
    Item,
    Lookup,
    Put,
    RecordStore,
    Result,
    Row,
    SeenRequest,
    Work,
    WrappedKey,
)
from vault.storage.visits import Visits
from vault.store.v1.record_pb2 import CustomerFacts, StoredRecord
from vault.v1 import status_pb2 as status

R = TypeVar("R", bound=Message)


@dataclass(slots=True)
class Change:
    """What one item does, and what its log columns are if it does it."""

    item: Item
    subject: bytes
    digests: Sequence[tuple[RecordName, Digest, Digest]]
    """(record, digest of the stored bytes written, and of those replaced)."""


@dataclass(frozen=True, slots=True)
class Repeatable:
    """A request that carries a request_id, and its fingerprint."""

    request_id: str
    fingerprint: bytes


class Journal:
    """Commits work and its entries."""

    def __init__(self, store: RecordStore, log_id: str, keys: VaultKeys) -> None:
        self._store = store
        self.log_id = log_id
        self._keys = keys
        self.freshness = Freshness()

    def recall(self, call: Call, repeatable: Repeatable, remembered: bytes) -> bytes:
        """The response that was remembered for a request, serialized.

        Raises:
            DataLoss: it is not what was remembered for this caller, id and request.
        """
        try:
            return self._keys.open_sealed(_remembered(call, repeatable), remembered)
        except OpenError:
            raise DataLoss("the answer that was kept for this request_id does not open; use a new request_id") from None

    async def append(self, call: Call, entry: bytes) -> int:
        """Make one entry durable; its index."""
        committed = await self._store.commit(Work(self.log_id, lambda _: (entry, None)))
        call.logged = True
        return committed.log_index

    async def append_fresh(self, call: Call, entry: bytes, since: int, names: Collection[str]) -> None:
        """Make the entry of a read durable, unless facts that it rests on were changed since a moment.

        Args:
            call: the call.
            entry: its entry.
            since: `freshness.now()` from before the facts were fetched.
            names: of the customers (or orders) whose facts the read rests on.

        Raises:
            StaleError: they were; nothing was written, and nothing may leave.
        """

        def finish(_: object) -> tuple[bytes, None]:
            if self.freshness.stale(since, names):
                raise StaleError
            return entry, None

        await self._store.commit(Work(self.log_id, finish))
        call.logged = True

    async def decide_order(
        self,
        call: Call,
        digest: bytes,
        counts: Mapping[str, int],
        response: Message,
        repeatable: Repeatable | None,
    ) -> bytes | None:
        """Make the entry of a change of the call's order durable.

        Args:
            call: the call, with its order.
            digest: of the order's row as it was written.
            counts: what else the log must know of it.
            response: to remember.
            repeatable: the request_id, if there is one.

        Returns:
            The remembered response, serialized, if another call with this request_id came first.
        """
        marks: list[int] = []
        request = None
        if repeatable:
            request = SeenRequest(call.caller.spiffe_id, repeatable.request_id, repeatable.fingerprint, call.now, b"")

        def finish(_: object) -> tuple[bytes, bytes | None]:
            marks.extend(map(self.freshness.changing, (f"orders/{call.order}", ANY_ORDER)))
            used = repeatable.request_id if repeatable else ""
            entry = touched_entry(call, Touched(), request=used, counts=counts, order_row=digest)
            if repeatable is None:
                return entry, None
            return entry, self._keys.seal(_remembered(call, repeatable), response.SerializeToString())

        committed = await self._settled(Work(self.log_id, finish, (), request), marks)
        call.logged = committed.replay is None
        if committed.replay is None or repeatable is None:
            return None
        if not hmac.compare_digest(committed.replay.fingerprint, repeatable.fingerprint):
            raise _reused()
        await self.append(call, touched_entry(call, Touched(), request=repeatable.request_id))
        return self.recall(call, repeatable, committed.replay.response)

    async def commit(  # noqa: PLR0913 - what one transaction may carry
        self,
        call: Call,
        changes: Sequence[Change],
        respond: Callable[[Sequence[Result]], R | None],
        *,
        fields_changed: Sequence[str] = (),
        repeatable: Repeatable | None = None,
        purpose: str = "",
        facts_of: str = "",
        visits: Visits | None = None,
        counts: Mapping[str, int] | None = None,
        unless: tuple[int, Collection[str]] | None = None,
    ) -> tuple[Sequence[Result], bytes | None]:
        """Commit changes with their entry.

        Args:
            call: the call.
            changes: each is done whole or not at all.
            respond: makes the response to remember; None if there is nothing to remember.
            fields_changed: policy names, for the log.
            repeatable: the request_id, if there is one.
            purpose: which the change is about, for the log.
            facts_of: whose facts it changes, if it does: no read that rests on what was before gets an entry behind it.
            visits: to be counted with it.
            counts: for the log.
            unless: a moment (`freshness.now()`), and facts that must not have been changed since.

        Returns:
            The results; and the remembered response, serialized, if another call with this request_id came first.

        Raises:
            StaleError: they were; nothing was done.
        """

        def finish(results: tuple[Result, ...]) -> tuple[bytes, bytes | None]:
            self._check(unless)
            touched = Touched()
            for change, result in zip(changes, results, strict=True):
                for name, written, replaced in change.digests if result is Result.DONE else ():
                    touched.wrote(change.subject, name, written, replaced)
            failed = len(changes) == 1 and results[0] is not Result.DONE
            error = VaultError() if failed else None
            if error:
                error.reason = _REASONS[results[0]]
            if facts_of:
                marks.append(self.freshness.changing(facts_of))
            entry = touched_entry(
                call, touched, purpose=purpose, fields=fields_changed, error=error, request=request_id, counts=counts
            )
            response = respond(results)
            if response is None or repeatable is None:
                return entry, None
            return entry, self._keys.seal(_remembered(call, repeatable), response.SerializeToString())

        marks: list[int] = []
        request_id = repeatable.request_id if repeatable else ""
        request = None
        if repeatable:
            request = SeenRequest(call.caller.spiffe_id, request_id, repeatable.fingerprint, call.now, b"")
        work = Work(self.log_id, finish, tuple(c.item for c in changes), request, visits)
        committed = await (self._settled(work, marks) if facts_of else self._store.commit(work))
        call.logged = committed.replay is None
        if committed.replay is not None:
            if not repeatable or not hmac.compare_digest(committed.replay.fingerprint, repeatable.fingerprint):
                raise _reused()
            await self.append(call, touched_entry(call, Touched(), request=request_id))
            return (), self.recall(call, repeatable, committed.replay.response)
        return committed.results, None

    def _check(self, unless: tuple[int, Collection[str]] | None) -> None:
        if unless and self.freshness.stale(*unless):
            raise StaleError

    async def _settled(self, work: Work, marks: list[int]) -> Committed:
        """Commit, and settle the marks when that has ended, which a caller who goes away does not hasten."""
        under_way = asyncio.ensure_future(self._store.commit(work))
        under_way.add_done_callback(lambda _: self.freshness.settled(marks))
        return await asyncio.shield(under_way)


_REASONS = {
    Result.EXISTS: status.REASON_ALREADY_EXISTS,
    Result.CHANGED: status.REASON_ETAG_MISMATCH,
    Result.ERASED: status.REASON_ERASED,
    Result.DUPLICATE: status.REASON_ALREADY_EXISTS,
}


class Writer:
    """Makes rows of drafts."""

    def __init__(
        self, store: RecordStore, journal: "Journal", records: Records, keyring: Keyring, audiences: Mapping[str, str]
    ) -> None:
        """`audiences` gives each field's current audience by policy name."""
        self._store = store
        self._journal = journal
        self._records = records
        self._keyring = keyring
        self._audiences = audiences

    async def repeat(
        self, call: Call, request: Message, request_id: str, cards: Sequence[Message] = ()
    ) -> tuple[Repeatable | None, bytes | None]:
        """Look a request_id up: what to commit it with, or the response that was remembered, serialized.

        Args:
            call: the call.
            request: as it was received, before any normalization.
            request_id: may be empty.
            cards: those in the request; their text is left out of the fingerprint.

        Raises:
            InvalidArgument: the id was used for another request.
        """
        if not request_id:
            return None, None
        seen = await self._store.seen_request(call.caller.spiffe_id, request_id)
        at = seen.seen_at if seen else call.now
        content = _without_card_text(request, cards)
        fingerprint = await self._keyring.requests.fingerprint(call.caller.spiffe_id, call.method, content, at)
        if seen is None:
            return Repeatable(request_id, fingerprint), None
        if not hmac.compare_digest(seen.fingerprint, fingerprint):
            raise _reused()
        response = self._journal.recall(call, Repeatable(request_id, fingerprint), seen.response)
        await self._journal.append(call, touched_entry(call, Touched(), request=request_id))
        return None, response

    async def prepare(self, drafts: Sequence[Draft], now: int) -> None:
        """Have epochs at hand for everything that these drafts seal; do not await between this and `put`."""
        counts: Counter[str] = Counter()
        for draft in drafts:
            counts.update({self._audiences[f.policy_name] for f, _ in fields.plaintexts(draft.message)})
        if counts:
            await self._keyring.sealing.prepare(counts, now)

    def put(self, draft: Draft, now: int) -> tuple[Put, Digest, Digest]:
        """Seal and lock one draft: the row with its key, and the digests written and replaced.

        Raises:
            DataLoss: the version to be replaced does not open.
        """
        keyring, old = self._keyring, draft.replaces
        values = fields.plaintexts(draft.message)
        sealed = fields.seal(keyring.vault_id, draft.name, values, self._audiences, keyring.sealing.take)
        body = StoredRecord(
            unprotected=_unprotected(draft), envelopes=[*draft.kept, *draft.message.sealed, *sealed]
        ).SerializeToString(deterministic=True)
        version = old.row.version + 1 if old else 1
        current = keyring.vault_keys.current
        locked = record_lock.lock(current.wrapping, draft.name, version, now, draft.expires_at, body)
        owner, key_id = owner_of(draft.name), locked.header.key_id
        put = Put(
            row=Row(owner, draft.name, key_id, version, now, draft.expires_at, locked.stored),
            key=WrappedKey(owner, draft.name, key_id, current.n, now, locked.wrapped),
            replaces=old.row.key_id if old else None,
            lookups=self._lookups(draft, owner, key_id),
            carry=draft.carry,
            retire=self._retire(old) if old else None,
        )
        return put, digest_of(locked.stored), digest_of(old.row.stored) if old else NO_DIGEST

    def put_facts(
        self, name: RecordName, facts: CustomerFacts, now: int, old: Opened | None = None
    ) -> tuple[Put, Digest, Digest]:
        """Lock a version of a customer record: the first, or the one after `old`.

        Raises:
            DataLoss: the version to be replaced does not open.
        """
        body = StoredRecord(unprotected=facts.SerializeToString(deterministic=True)).SerializeToString(
            deterministic=True
        )
        current, version = self._keyring.vault_keys.current, old.locked.version + 1 if old else 1
        locked = record_lock.lock(current.wrapping, name, version, now, 0, body)
        owner, key_id = owner_of(name), locked.header.key_id
        row = Row(owner, name, key_id, version, now, 0, locked.stored)
        key = WrappedKey(owner, name, key_id, current.n, now, locked.wrapped)
        put = Put(row, key, old.locked.key_id if old else None, retire=self._retire(old) if old else None)
        return put, digest_of(row.stored), digest_of(old.locked.stored) if old else NO_DIGEST

    def tokens(self, field_name: str, value: str) -> list[tuple[int, bytes]]:
        """The (n, masked token) pairs under which a value may stand: one for each vault key version."""
        return self._tokens(field_name, contact_rules.lookup_form(field_name, value))

    def _tokens(self, field_name: str, form: str) -> list[tuple[int, bytes]]:
        keyring = self._keyring
        token = lookup.token(keyring.lookup_key, keyring.vault_id, f"contact.{field_name}", form)
        return [(row.n, keyring.vault_keys.version(row.n).mask.apply(token)) for row in keyring.vault_keys.rows]

    def _lookups(self, draft: Draft, owner: Owner, key_id: record_lock.KeyId) -> tuple[Lookup, ...]:
        if draft.kind is not CONTACT:
            return ()
        return tuple(
            Lookup(
                owner,
                key_id,
                f"contact.{name}",
                *self._tokens(name, contact_rules.lookup_form_of_stored(name, value))[-1],
            )
            for name in contact_rules.SEARCHABLE
            if (value := getattr(draft.message, name))
        )

    def _retire(self, old: Opened) -> WrappedKey:
        try:
            return self._records.retire(old.key)
        except OpenError:
            raise DataLoss("the record to be replaced does not open; delete it first") from None


def _unprotected(draft: Draft) -> bytes:
    plain: RecordMessage = draft.kind.message()
    if draft.beside is not None:
        plain.MergeFrom(draft.beside)  # type: ignore[arg-type]  # of the draft's kind, which no type says
        fields.clear_protected(plain)
    plain.create_time.FromMilliseconds(draft.create_time)
    return plain.SerializeToString(deterministic=True)


def _remembered(call: Call, repeatable: Repeatable) -> RowName:
    row = f"{call.caller.spiffe_id} {repeatable.request_id} {repeatable.fingerprint.hex()}"
    return RowName("seen-request", row, 1)


def _reused() -> InvalidArgument:
    return InvalidArgument(
        "request_id", "was used for another request; use a new one", reason=status.REASON_REQUEST_ID_REUSED
    )


def _without_card_text(request: Message, cards: Sequence[Message]) -> bytes:
    """The request's bytes with the text of plain cards left out: a fingerprint must not help to guess a number."""
    if not cards:
        return request.SerializeToString(deterministic=True)
    # The messages are the request's own parts: set the text aside, serialize, put it back.
    kept = [(card, type(card).FromString(card.SerializeToString())) for card in cards]
    for card in cards:
        fields.clear_protected(card)
    try:
        stripped: bytes = request.SerializeToString(deterministic=True)
        return stripped
    finally:
        for card, original in kept:
            card.CopyFrom(original)
