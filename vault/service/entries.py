"""Log entries of calls: which records, under which pseudonym, with what outcome."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from vault.audit.entry import NO_DIGEST, Digest, Subject, entry_bytes, new_subject
from vault.domain.names import RecordName
from vault.errors import PermissionDenied, RateLimited, VaultError
from vault.service.call import Call
from vault.store.v1.audit_entry_pb2 import OUTCOME_ALLOWED, OUTCOME_DENIED, OUTCOME_FAILED, Outcome
from vault.v1 import status_pb2 as status


@dataclass(slots=True)
class Touched:
    """The records that one call touched, as parallel columns."""

    subjects: list[Subject] = field(default_factory=list)
    records: list[RecordName] = field(default_factory=list)
    outcomes: list[Outcome.ValueType] = field(default_factory=list)
    written: list[Digest] = field(default_factory=list)
    replaced: list[Digest] = field(default_factory=list)

    def read(self, subject: bytes, name: RecordName, outcome: Outcome.ValueType = OUTCOME_ALLOWED) -> None:
        """Add a record that was read, or was refused."""
        self.subjects.append(Subject(subject))
        self.records.append(name)
        self.outcomes.append(outcome)

    def wrote(self, subject: bytes, name: RecordName, written: Digest, replaced: Digest) -> None:
        """Add a record that was written or removed."""
        self.read(subject, name)
        self.written.append(written)
        self.replaced.append(replaced)


def outcome_of(error: VaultError) -> Outcome.ValueType:
    """How the log calls what became of a call or item."""
    denied = isinstance(error, (PermissionDenied, RateLimited)) or error.reason == status.REASON_CUSTOMER_NOT_AVAILABLE
    return OUTCOME_DENIED if denied else OUTCOME_FAILED


def touched_entry(  # noqa: PLR0913 - the entry's fields
    call: Call,
    touched: Touched,
    *,
    purpose: str = "",
    fields: Sequence[str] = (),
    error: VaultError | None = None,
    request: str = "",
    counts: Mapping[str, int] | None = None,
    note: str = "",
    receipt: bytes = b"",
    order_row: bytes = b"",
) -> bytes:
    """The entry of a call that touched records."""
    outcome = outcome_of(error) if error else OUTCOME_ALLOWED
    mixed = any(o != outcome for o in touched.outcomes)
    return entry_bytes(
        call.now,
        call.caller.spiffe_id,
        purpose,
        call.method,
        subjects=touched.subjects,
        records=touched.records,
        fields=fields,
        outcome=outcome,
        reason=error.reason if error else status.REASON_UNSPECIFIED,
        request=request,
        written=touched.written,
        replaced=touched.replaced,
        outcomes=touched.outcomes if mixed else (),
        counts=counts or {},
        note=note,
        receipt=receipt,
        order=call.order,
        order_row=order_row,
    )


def refusal_entry(call: Call, error: VaultError, purpose: str, records: Sequence[RecordName]) -> bytes:
    """The entry of a call that was refused before a customer was known: each record under a random pseudonym."""
    touched = Touched()
    for name in records:
        touched.read(new_subject(), name, outcome_of(error))
    refused = (error.field,) if isinstance(error, PermissionDenied) and error.field else ()
    return touched_entry(call, touched, purpose=purpose, fields=refused, error=error)


__all__ = [
    "NO_DIGEST",
    "Digest",
    "Subject",
    "Touched",
    "new_subject",
    "outcome_of",
    "refusal_entry",
    "touched_entry",
]
