"""From a gRPC status, or the status of one item of a batch, to the errors of vault.errors: the one table.

The server's texts are fixed sentences without values, so they are passed on; still they come from the other side and
are cut and freed of control characters before they reach somebody's log. A status with no ErrorInfo is not the
vault's: the connection or gRPC itself made it, and `vault.client.unanswered` says what is known then.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2  # type: ignore[import-untyped]
from grpc_status import rpc_status  # type: ignore[import-untyped]

from vault import errors
from vault.client import unanswered
from vault.client.unanswered import Failure
from vault.errors import VaultError
from vault.v1 import status_pb2 as status

DOMAIN = "customer-vault"
_LONGEST = 300
MOST_AFTER = 3600.0


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a status says."""

    message: str
    reason: "status.Reason.ValueType | None" = None
    blamed: str = ""
    """The request's field to blame, for INVALID_ARGUMENT."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    after: float = 0.0
    """Seconds of RetryInfo."""


def _invalid(answer: _Answer) -> VaultError:
    # The server's message is "field: rule"; the error puts the field in front again.
    rule = answer.message.removeprefix(f"{answer.blamed}: ")
    return errors.InvalidArgument(answer.blamed or "request", rule, reason=answer.reason)


def _denied(answer: _Answer) -> VaultError:
    return errors.PermissionDenied(
        answer.reason or status.REASON_UNSPECIFIED,
        answer.message,
        purpose=answer.metadata.get("purpose", ""),
        field=answer.metadata.get("field", ""),
        clause=answer.metadata.get("clause", ""),
    )


def _precondition(answer: _Answer) -> VaultError:
    return errors.FailedPrecondition(answer.reason or status.REASON_UNSPECIFIED, answer.message)


def _unavailable(answer: _Answer) -> VaultError:
    if answer.reason == status.REASON_OUTCOME_UNKNOWN:
        return errors.OutcomeUnknown(answer.message)
    return errors.Unavailable(answer.message)


def _exhausted(answer: _Answer) -> VaultError:
    if answer.reason == status.REASON_RATE_LIMITED:
        return errors.RateLimited(answer.message, after=answer.after)
    return _plain(errors.ResourceExhausted)(answer)


def _plain(kind: type[VaultError]) -> Callable[[_Answer], VaultError]:
    """An error whose reason is settable and which takes a text alone."""

    def build(answer: _Answer) -> VaultError:
        error = kind(answer.message)
        if answer.reason is not None:
            error.reason = answer.reason
        return error

    return build


_TABLE: Mapping[int, Callable[[_Answer], VaultError]] = {
    code.value[0]: build
    for code, build in {
        grpc.StatusCode.INVALID_ARGUMENT: _invalid,
        grpc.StatusCode.UNAUTHENTICATED: _plain(errors.Unauthenticated),
        grpc.StatusCode.PERMISSION_DENIED: _denied,
        grpc.StatusCode.NOT_FOUND: _plain(errors.NotFound),
        grpc.StatusCode.ALREADY_EXISTS: _plain(errors.AlreadyExists),
        grpc.StatusCode.ABORTED: _plain(errors.Conflict),
        grpc.StatusCode.FAILED_PRECONDITION: _precondition,
        grpc.StatusCode.DEADLINE_EXCEEDED: _plain(errors.DeadlineExceeded),
        grpc.StatusCode.UNAVAILABLE: _unavailable,
        grpc.StatusCode.RESOURCE_EXHAUSTED: _exhausted,
        grpc.StatusCode.DATA_LOSS: _plain(errors.DataLoss),
    }.items()
}
# INTERNAL, UNIMPLEMENTED and the like are mistakes of somebody's: no caller can act on the kind.
_MISTAKE = _plain(VaultError)


def from_item(item: status.ItemStatus, path: str = "") -> VaultError:
    """The error of one item of a batch.

    Args:
        item: as the vault answered.
        path: of the item in the request, which its caller does not know; it is left out of the error.
    """
    blamed = item.field.removeprefix(path)
    message = item.message.removeprefix(path)
    return _TABLE.get(item.code, _MISTAKE)(_Answer(_clean(message), item.reason, _clean(blamed)))


def from_rpc(error: grpc.aio.AioRpcError, *, write: bool) -> Failure:
    """What a whole call failed of.

    Args:
        error: as grpc.aio raised it.
        write: whether the call could have changed something.
    """
    code, answer = error.code(), _details(error)
    if answer is None:
        text = _clean(error.details() or "")
        if failure := unanswered.failure_of(code, text, write=write):
            return failure
        answer = _Answer(text or "the vault did not answer")
    found = _TABLE.get(code.value[0], _MISTAKE)(answer)
    unknown = isinstance(found, errors.OutcomeUnknown)
    return Failure(found, sent=unknown, passing=unknown or isinstance(found, (errors.Unavailable, errors.RateLimited)))


def _seconds(retry: error_details_pb2.RetryInfo) -> float:
    """How long to wait; no server makes us wait longer than a call may take, or less than nothing."""
    seconds: float = retry.retry_delay.ToNanoseconds() / 1e9
    return max(0.0, min(MOST_AFTER, seconds))


def _details(error: grpc.aio.AioRpcError) -> _Answer | None:
    """What the vault itself says, or None if the status is not its own."""
    try:
        rich = rpc_status.from_call(error)
    except (ValueError, DecodeError):
        return None
    info, bad, retry = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest(), error_details_pb2.RetryInfo()
    for detail in rich.details if rich is not None else ():
        _unpack(detail, info)
        _unpack(detail, bad)
        _unpack(detail, retry)
    if info.domain != DOMAIN:
        return None
    blamed = bad.field_violations[0].field if bad.field_violations else ""
    metadata = {key: _clean(value) for key, value in info.metadata.items()}
    return _Answer(_clean(rich.message), _reason(info.reason), _clean(blamed), metadata, _seconds(retry))


def _unpack(detail: "error_details_pb2.Any", into: "error_details_pb2.ErrorInfo") -> None:
    try:
        detail.Unpack(into)
    except DecodeError:
        into.Clear()


def _reason(name: str) -> "status.Reason.ValueType | None":
    try:
        return status.Reason.Value(f"REASON_{name}")
    except ValueError:
        # A newer server may know more reasons; the kind of the error still says who must act.
        return None


def _clean(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text[:_LONGEST])
