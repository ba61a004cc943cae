"""Every error that the vault raises, split by who must act.

    VaultError
    ├── CallerError               the caller changes its request
    │   ├── InvalidArgument       a field breaks a rule of form           INVALID_ARGUMENT
    │   ├── Unauthenticated       no acceptable certificate               UNAUTHENTICATED
    │   ├── PermissionDenied      the policy says no                      PERMISSION_DENIED
    │   ├── NotFound              nothing there that may be known         NOT_FOUND
    │   ├── AlreadyExists         the name is taken, or was erased        ALREADY_EXISTS
    │   ├── Conflict              lost a race; read again                 ABORTED
    │   ├── FailedPrecondition    another step must come first            FAILED_PRECONDITION
    │   ├── DeadlineExceeded      the caller's time is over               DEADLINE_EXCEEDED
    │   └── RateLimited           the caller asks too much; wait          RESOURCE_EXHAUSTED
    ├── OperatorError             the operator repairs something
    │   ├── Unavailable           cannot work now, nothing was done       UNAVAILABLE
    │   ├── OutcomeUnknown        may or may not have been done           UNAVAILABLE
    │   ├── ResourceExhausted     a disk, queue or limit is full          RESOURCE_EXHAUSTED
    │   └── ConfigError           refuses to start                        (never on the wire)
    ├── DataLoss                  stored bytes do not open                DATA_LOSS
    └── OpenError                 a box, lock or stanza does not open     (inside; becomes DataLoss or a refusal)

Kinds are types, never texts. The texts are fixed: they name a field, a rule or a next step and never carry a value,
so they may go to a log and to a client as they are. `reason` is a number of vault.v1.Reason.
"""

from vault.v1 import status_pb2 as status


class VaultError(Exception):
    """Base of all errors of the vault; `reason` says why, for machines."""

    reason: "status.Reason.ValueType" = status.REASON_INTERNAL


class CallerError(VaultError):
    """The request cannot be served as it is."""


class InvalidArgument(CallerError):  # noqa: N818 - the names are gRPC's
    """The value of `field` breaks `rule`; the value itself is never kept."""

    reason = status.REASON_INVALID_FIELD

    def __init__(self, field: str, rule: str, *, reason: "status.Reason.ValueType | None" = None) -> None:
        super().__init__(f"{field}: {rule}")
        self.field = field
        self.rule = rule
        if reason is not None:
            self.reason = reason


class Unauthenticated(CallerError):  # noqa: N818
    """The peer did not show an acceptable certificate."""

    reason = status.REASON_NOT_IDENTIFIED


class PermissionDenied(CallerError):  # noqa: N818
    """The policy says no.

    `purpose`, `field` and `clause` are set only where the policy alone decided; a denial that depends on the customer
    carries none of them, so that it reads the same whether or not the customer exists.
    """

    def __init__(
        self, reason: "status.Reason.ValueType", message: str, *, purpose: str = "", field: str = "", clause: str = ""
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.purpose = purpose
        self.field = field
        self.clause = clause


class NotFound(CallerError):  # noqa: N818
    """Nothing is there that this caller may know of."""

    reason = status.REASON_NOT_FOUND

    def __init__(self, message: str, *, reason: "status.Reason.ValueType | None" = None) -> None:
        super().__init__(message)
        if reason is not None:
            self.reason = reason


class AlreadyExists(CallerError):  # noqa: N818
    """The name is taken, or was used by a customer who was erased (`reason` tells)."""

    reason = status.REASON_ALREADY_EXISTS

    def __init__(self, message: str, *, reason: "status.Reason.ValueType | None" = None) -> None:
        super().__init__(message)
        if reason is not None:
            self.reason = reason


class Conflict(CallerError):  # noqa: N818
    """Another write came first: read again and repeat."""

    reason = status.REASON_ETAG_MISMATCH


class FailedPrecondition(CallerError):  # noqa: N818
    """Something else must be done first."""

    def __init__(self, reason: "status.Reason.ValueType", message: str) -> None:
        super().__init__(message)
        self.reason = reason


class DeadlineExceeded(CallerError):  # noqa: N818
    """The caller's deadline passed before the work was done."""

    reason = status.REASON_DEADLINE


class RateLimited(CallerError):  # noqa: N818
    """A limit that the policy gives the caller is reached, and nothing was done; in `after` seconds there is room."""

    reason = status.REASON_RATE_LIMITED

    def __init__(self, message: str, *, after: float, limit: str = "") -> None:
        super().__init__(message)
        self.after = after
        self.limit = limit
        """`records`, `searches`, `concurrent` or `streams`; known to the server alone."""


class OperatorError(VaultError):
    """Something outside of the request must be repaired."""

    reason = status.REASON_UNAVAILABLE


class Unavailable(OperatorError):  # noqa: N818
    """The work cannot be done now, and nothing was done."""


class OutcomeUnknown(OperatorError):  # noqa: N818
    """A write may or may not be durable; the same request under the same request_id settles it.

    A sealed card is never the same request again: there its name settles it, with AlreadyExists.
    """

    reason = status.REASON_OUTCOME_UNKNOWN


class ResourceExhausted(OperatorError):  # noqa: N818
    """A disk, a queue or a limit is full; nothing was done."""

    reason = status.REASON_EXHAUSTED


class ConfigError(OperatorError):
    """A file of the operator's is wrong: which file, which key, why, and so what to change."""

    def __init__(self, file: str, key: str, why: str) -> None:
        super().__init__(f"{file}: {key}: {why}" if key else f"{file}: {why}")
        self.file = file
        self.key = key
        self.why = why


class DataLoss(VaultError):  # noqa: N818
    """Stored bytes are not what was written."""

    reason = status.REASON_DATA_LOSS


class OpenError(VaultError):
    """A box, a lock, a stanza or a wrapped key does not open; it is not said why (no oracle)."""

    reason = status.REASON_DATA_LOSS
