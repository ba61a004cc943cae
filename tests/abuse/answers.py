"""What came back, in one form for whole calls and for items of a batch: kind, reason, text, and fields with values."""

from dataclasses import dataclass, field
from typing import Any

from tests.abuse.billing import Billing
from tests.abuse.oracle import Kind
from tests.vaults import OpenVault
from vault.domain.fields import protected_fields
from vault.errors import FailedPrecondition, InvalidArgument, NotFound, PermissionDenied, VaultError
from vault.v1 import status_pb2 as status

_ITEM_KINDS = {3: Kind.INVALID, 5: Kind.MISSING, 7: Kind.DENIED}


@dataclass(frozen=True, slots=True)
class Answer:
    """One record's answer."""

    kind: Kind
    reason: "status.Reason.ValueType" = status.REASON_UNSPECIFIED
    text: str = ""
    clause: str = ""
    detail: tuple[str, str] = ("", "")
    """Purpose and field that a denial names."""
    values: dict[str, str] = field(default_factory=dict)
    """Of the protected fields that came back, in plain or opened."""
    sealed: bool = False
    """Whether they came as envelopes, and none in plain."""


def of_error(error: VaultError) -> Answer:
    """A call's refusal; what is none of ours is raised."""
    match error:
        case PermissionDenied():
            detail = error.purpose, error.field
            return Answer(Kind.DENIED, error.reason, str(error), error.clause, detail)
        case NotFound():
            return Answer(Kind.MISSING, error.reason, str(error))
        case InvalidArgument() | FailedPrecondition():
            return Answer(Kind.INVALID, error.reason, str(error))
    raise error


def of_item(item: status.ItemStatus) -> Answer:
    """The refusal of one item."""
    return Answer(_ITEM_KINDS[item.code], item.reason, item.message)


async def of_record(vault: OpenVault, billing: Billing, record: Any) -> Answer:
    """A record: its fields in plain, or opened with billing's key."""
    plain = {name: text for name in protected_fields(type(record)) if (text := getattr(record, name))}
    if not record.sealed:
        return Answer(Kind.READ, values=plain)
    opened = await billing.open(vault, record.record_name, record)
    return Answer(Kind.READ, values={**plain, **opened}, sealed=not plain)
