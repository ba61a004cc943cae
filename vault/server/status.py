"""Errors to status codes: one table, and the google.rpc.Status that a client gets.

A client decides from the code whether to repeat a call, and from `ErrorInfo.reason` what to do; the message is for
people. Messages are the fixed texts of `vault.errors`. Two kinds do not send theirs: `ConfigError` names files of
the server's, and `OpenError` is meant to be caught below; both would be our mistake, and so read as any other.
"""

from typing import Final

from google.protobuf.message import Message
from google.rpc import error_details_pb2 as details  # type: ignore[import-untyped]
from google.rpc import status_pb2 as rpc
from grpc import StatusCode

from vault import errors
from vault.v1 import status_pb2 as v1

DOMAIN: Final = "customer-vault"
DETAILS_KEY: Final = "grpc-status-details-bin"
"""Where gRPC carries google.rpc.Status (the gRPC guide, "Error handling: Richer error model")."""

CODES: Final[dict[type[errors.VaultError], StatusCode]] = {
    errors.InvalidArgument: StatusCode.INVALID_ARGUMENT,
    errors.Unauthenticated: StatusCode.UNAUTHENTICATED,
    errors.PermissionDenied: StatusCode.PERMISSION_DENIED,
    errors.NotFound: StatusCode.NOT_FOUND,
    errors.AlreadyExists: StatusCode.ALREADY_EXISTS,
    errors.Conflict: StatusCode.ABORTED,
    errors.FailedPrecondition: StatusCode.FAILED_PRECONDITION,
    errors.DeadlineExceeded: StatusCode.DEADLINE_EXCEEDED,
    errors.RateLimited: StatusCode.RESOURCE_EXHAUSTED,
    errors.Unavailable: StatusCode.UNAVAILABLE,
    errors.OutcomeUnknown: StatusCode.UNAVAILABLE,
    errors.ResourceExhausted: StatusCode.RESOURCE_EXHAUSTED,
    errors.DataLoss: StatusCode.DATA_LOSS,
    errors.OpenError: StatusCode.INTERNAL,
    errors.ConfigError: StatusCode.INTERNAL,
    # Roots of the tree are never raised; they stand here so that the table is whole.
    errors.VaultError: StatusCode.INTERNAL,
    errors.CallerError: StatusCode.INTERNAL,
    errors.OperatorError: StatusCode.INTERNAL,
}


def code(error: BaseException) -> StatusCode:
    """Look the error's own type up; what the table does not name is a mistake of ours, so INTERNAL."""
    return CODES.get(type(error), StatusCode.INTERNAL) if isinstance(error, errors.VaultError) else StatusCode.INTERNAL


def words(error: BaseException) -> tuple[str, str]:
    """The code's name and the reason's, as figures have them."""
    found = code(error)
    if found is StatusCode.INTERNAL or not isinstance(error, errors.VaultError):
        return found.name, "INTERNAL"
    return found.name, v1.Reason.Name(error.reason).removeprefix("REASON_")


def of(error: BaseException, correlation: str) -> rpc.Status:
    """Say what went wrong, in a way that repeats nothing of the request or the data.

    Args:
        error: anything that was raised.
        correlation: finds the line in our log that belongs to this answer.
    """
    found = code(error)
    if found is StatusCode.INTERNAL or not isinstance(error, errors.VaultError):
        message, reason = f"internal error, see the server's log at {correlation}", v1.REASON_INTERNAL
    else:
        message, reason = str(error), error.reason
    info = details.ErrorInfo(
        reason=v1.Reason.Name(reason).removeprefix("REASON_"),
        domain=DOMAIN,
        metadata={"correlation": correlation, **_policy(error)},
    )
    number: int = found.value[0]
    status = rpc.Status(code=number, message=message)
    _attach(status, info)
    if isinstance(error, errors.InvalidArgument):
        violation = details.BadRequest.FieldViolation(field=error.field, description=error.rule)
        _attach(status, details.BadRequest(field_violations=[violation]))
    elif isinstance(error, errors.RateLimited):
        retry = details.RetryInfo()
        retry.retry_delay.FromNanoseconds(int(error.after * 1e9))
        _attach(status, retry)
    return status


def _policy(error: BaseException) -> dict[str, str]:
    """Tell which rule denied; a denial that depends on the customer carries none, and so shows none."""
    if not isinstance(error, errors.PermissionDenied):
        return {}
    said = {"purpose": error.purpose, "field": error.field, "clause": error.clause}
    return {key: text for key, text in said.items() if text}


def _attach(status: rpc.Status, detail: Message) -> None:
    status.details.add().Pack(detail)
