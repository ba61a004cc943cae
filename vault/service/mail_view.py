"""A message in the queue as callers see it, and page tokens of lists."""

from collections.abc import Iterable

from google.protobuf.timestamp_pb2 import Timestamp

from vault.errors import InvalidArgument
from vault.service.mail_states import SHOWN, state_of
from vault.service.paging import name_after, token_after
from vault.storage.queue import Queued, QueueRow, RecipientRow
from vault.v1 import mail_service_pb2 as v1
from vault.v1.records_pb2 import MessageKind


def moment(milliseconds: int) -> Timestamp:
    """A time in milliseconds since 1970, as the API has it."""
    made = Timestamp()
    made.FromMilliseconds(milliseconds)
    return made


def milliseconds(given: Timestamp, field: str) -> int:
    """A time that a caller gave, in milliseconds since 1970.

    Raises:
        InvalidArgument: it is none that the API knows.
    """
    try:
        return given.ToMilliseconds()
    except ValueError:
        raise InvalidArgument(field, "must be a time between the years 1 and 9999") from None


def shown(queued: Queued, now: int) -> v1.QueuedMessage:
    """State, age, size, tokens."""
    row = queued.row
    return v1.QueuedMessage(
        record_name=row.record_name,
        etag=row.key_id.hex(),
        kind=MessageKind.ValueType(row.kind),
        state=SHOWN[state_of(row, now)],
        size=row.size,
        chunks=row.chunks,
        create_time=moment(row.stored_at),
        due_time=moment(row.due_at),
        dead_time=moment(row.dead_at),
        expire_time=moment(row.expires_at),
        attempts=row.attempts,
        last_reason=v1.ReleaseReason.ValueType(row.reason),
        last_status=row.status,
        recipients=recipients(queued.recipients),
    )


def recipients(rows: Iterable[RecipientRow]) -> list[v1.RecipientStatus]:
    """One of each."""
    return [
        v1.RecipientStatus(
            recipient=row.place,
            state=v1.RecipientState.ValueType(row.state),
            token=row.token,
            next_hop=row.next_hop,
            status=row.status,
            change_time=moment(row.changed_at) if row.changed_at else None,
        )
        for row in rows
    ]


def page_after(row: QueueRow, *, by_size: bool) -> str:
    """The token of the page after a message."""
    return token_after(f"{row.size if by_size else row.stored_at} {row.record_name}")


def place_after(token: str) -> tuple[int, str] | None:
    """What a page begins after; None for the first.

    Raises:
        InvalidArgument: the server gave no such token.
    """
    if not token:
        return None
    value, _, name = name_after(token).partition(" ")
    if not (value.isascii() and value.isdigit() and len(value) < 16):  # noqa: PLR2004 - fits into a column
        raise InvalidArgument("page_token", "must be one that the server gave")
    return int(value), name
