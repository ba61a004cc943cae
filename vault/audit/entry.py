"""Entries of the log: serialized AuditEntry messages, built once for each call.

An entry must hold no value, whatever a caller sends. Three rules keep it so. Record names come in full and lose their
first two segments here, so that no customer id can slip in; the subject, a random pseudonym, stands for the customer.
Texts that a caller chose (purpose, request, order, fields) are left out unless they have their exact form: left out and
not refused, because a denial must be logged whatever was asked for. Of stored bytes only digests are kept, with which a
verifier without keys finds rows that were rolled back or removed.
"""

import hashlib
import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from types import MappingProxyType
from typing import NewType

from google.protobuf.message import DecodeError

from vault.domain.audience import purpose as check_purpose
from vault.domain.fields import ALL_FIELDS
from vault.domain.names import RecordName, record_id, under_owner
from vault.domain.pan import is_pan_like
from vault.errors import DataLoss, InvalidArgument
from vault.store.v1.audit_entry_pb2 import AuditEntry, Outcome
from vault.v1.status_pb2 import Reason

Subject = NewType("Subject", bytes)
Digest = NewType("Digest", bytes)

SUBJECT_SIZE = 16
NO_DIGEST = Digest(b"")
_DIGEST_SIZES = frozenset({0, 32})
_FIELDS = frozenset(ALL_FIELDS)
_NO_COUNTS: Mapping[str, int] = MappingProxyType({})
_COUNT = re.compile(r"[a-z0-9][a-z0-9_./-]{0,79}", re.ASCII)
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)


def new_subject() -> Subject:
    """A pseudonym: for a new customer, or for a denial before the customer is known."""
    return Subject(secrets.token_bytes(SUBJECT_SIZE))


def digest_of(stored: bytes) -> Digest:
    """SHA-256 of a row's stored bytes."""
    return Digest(hashlib.sha256(stored).digest())


def entry_bytes(  # noqa: PLR0913 - the entry's fields
    time: int,
    caller: str,
    purpose: str,
    action: str,
    *,
    outcome: Outcome.ValueType,
    reason: Reason.ValueType = Reason.REASON_UNSPECIFIED,
    subjects: Sequence[Subject] = (),
    records: Sequence[RecordName] = (),
    fields: Iterable[str] = (),
    request: str = "",
    order: str = "",
    written: Sequence[Digest] = (),
    replaced: Sequence[Digest] = (),
    outcomes: Sequence[Outcome.ValueType] = (),
    counts: Mapping[str, int] = _NO_COUNTS,
    note: str = "",
    policy: bytes = b"",
    policy_before: bytes = b"",
    receipt: bytes = b"",
    order_row: bytes = b"",
) -> bytes:
    """The entry of one call, batch or not.

    Args:
        time: milliseconds since 1970, the request's one reading of the clock.
        caller: SPIFFE ID, from the certificate.
        purpose: as named by the caller.
        action: `ContactService.GetContact`.
        outcome: of the call.
        reason: why it was denied or failed.
        subjects: one pseudonym (16 bytes) for each record.
        records: names in full; what is logged is the part under their owner.
        fields: policy names of the fields that left, or that were refused.
        request: request_id, a UUID.
        order: id of a disclosure order.
        written: a digest for each record, `NO_DIGEST` where nothing was written; empty if nothing was written at all.
        replaced: the same, of what was there before.
        outcomes: one for each record, when they differ from `outcome`.
        counts: what a job of the vault's own did, in numbers; names of ours, never a record's.
        note: why, in an operator's words, which are checked where they are given.
        policy: digest of the policy file that is in force from here on, at a start or a change.
        policy_before: at a change, of the one before.
        receipt: digest of an erasure's statement.
        order_row: digest of an order's row, as this call wrote it.

    Raises:
        InvalidArgument: the lists are not parallel, or a pseudonym, a digest or the name of a count has another form
            (a mistake of ours).
    """
    entry = AuditEntry(
        time=time,
        caller=caller,
        purpose=_form_of_purpose(purpose),
        action=action,
        outcome=outcome,
        reason=reason,
        policy=policy,
        policy_before=policy_before,
        receipt=receipt,
        order_row=order_row,
    )
    entry.fields.extend([field for field in fields if field in _FIELDS])
    if records or subjects or written or replaced or outcomes:
        _check_parallel(len(records), subjects, written, replaced, outcomes)
        entry.subjects.extend(subjects)
        entry.records.extend(map(under_owner, records))
        entry.written.extend(written)
        entry.replaced.extend(replaced)
        entry.outcomes.extend(outcomes)
    if request and _UUID.fullmatch(request):
        entry.request = request
    if order:
        entry.order = _form_of_id(order)
    for name in sorted(counts):
        if not _COUNT.fullmatch(name):
            raise InvalidArgument("entry", "a count's name must be one of ours")
        entry.counts.add(name=name, value=counts[name])
    if note:
        entry.note = note
    return entry.SerializeToString()


def parse(entry: bytes) -> AuditEntry:
    """Read an entry as `entry_bytes` writes it: known fields only, each in its one encoding.

    Raises:
        DataLoss: these bytes are no entry, or were written by a newer version.
    """
    message = AuditEntry()
    try:
        message.ParseFromString(entry)
    except DecodeError:
        raise DataLoss("the entry does not parse") from None
    message.DiscardUnknownFields()
    if message.SerializeToString() != entry:
        raise DataLoss("the entry does not parse")
    return message


def describe(entry: bytes) -> dict[str, object]:
    """An entry for people and for `--json`: names for numbers, hex for bytes, absent fields left out.

    Raises:
        DataLoss: as `parse`.
    """
    message = parse(entry)
    plain: dict[str, object] = {
        "time": _time(message.time),
        "caller": message.caller,
        "purpose": message.purpose,
        "action": message.action,
        "outcome": _name(Outcome, message.outcome, "OUTCOME_"),
        "reason": _name(Reason, message.reason, "REASON_") if message.reason else "",
        "fields": list(message.fields),
        "records": [_record(message, i) for i in range(len(message.records))],
        "request": message.request,
        "order": message.order,
        "counts": {count.name: count.value for count in message.counts},
        "note": message.note,
        "policy": message.policy.hex(),
        "policy_before": message.policy_before.hex(),
        "receipt": message.receipt.hex(),
        "order_row": message.order_row.hex(),
    }
    return {key: value for key, value in plain.items() if value}


def _record(message: AuditEntry, i: int) -> dict[str, str]:
    plain = {
        "record": message.records[i],
        "subject": message.subjects[i].hex() if i < len(message.subjects) else "",
        "outcome": _name(Outcome, message.outcomes[i], "OUTCOME_") if i < len(message.outcomes) else "",
        "written": message.written[i].hex() if i < len(message.written) else "",
        "replaced": message.replaced[i].hex() if i < len(message.replaced) else "",
    }
    return {key: value for key, value in plain.items() if value or key == "record"}


def _time(milliseconds: int) -> str:
    """RFC 3339 in UTC, or the number itself if it is no time that a calendar has."""
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds")
    except (OverflowError, ValueError, OSError):
        return str(milliseconds)


def _name(enum: "type[Outcome | Reason]", number: int, prefix: str) -> str:
    """An enum value's name without its prefix; a number that a newer version added stays a number."""
    value = enum.DESCRIPTOR.values_by_number.get(number)
    return value.name.removeprefix(prefix) if value else str(number)


def _check_parallel(
    count: int, subjects: Sequence[bytes], written: Sequence[bytes], replaced: Sequence[bytes], outcomes: Sequence[int]
) -> None:
    if len(subjects) != count or any(each and len(each) != count for each in (written, replaced, outcomes)):
        raise InvalidArgument("entry", "subjects, digests and outcomes must be parallel to records")
    sizes = {SUBJECT_SIZE}.issuperset(map(len, subjects)), _DIGEST_SIZES.issuperset(map(len, (*written, *replaced)))
    if not all(sizes):
        raise InvalidArgument("entry", "pseudonyms must be 16 bytes and digests 32 or none")


@lru_cache(maxsize=256)
def _purpose(text: str) -> str:
    """Check a purpose; what is refused is raised and so not kept in the cache."""
    if is_pan_like(text):
        raise InvalidArgument("purpose", "must not look like a card number")
    return check_purpose(text)


def _form_of_purpose(text: str) -> str:
    """A purpose as it is, and nothing of any other text."""
    try:
        return _purpose(text) if text else ""
    except InvalidArgument:
        return ""


def _form_of_id(text: str) -> str:
    """A record id as it is, and nothing of any other text."""
    try:
        return record_id(text, "order")
    except InvalidArgument:
        return ""
