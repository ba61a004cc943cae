"""What each kind of error asks its reader to do next.

The texts of `VaultError`s are fixed and carry no value, so they are shown as they are; of any other error only its
kind and the place are.
"""

import json
import traceback
from pathlib import Path

import click

from vault import errors
from vault.v1 import status_pb2 as status

REFUSED = 1
CONFIGURATION = 2

_REASONS: dict["status.Reason.ValueType", str] = {
    status.REASON_METHOD_NOT_ALLOWED: "call as a role that may: --as ROLE; who may is in: customer-vault policy check",
    status.REASON_PURPOSE_NOT_ALLOWED: "see who has the purpose: customer-vault policy check",
    status.REASON_FIELD_NOT_ALLOWED: "see who may read the field: customer-vault policy check",
    status.REASON_CUSTOMER_NOT_AVAILABLE: "the customer may be unknown, or not have agreed: ask the privacy officer",
    status.REASON_ERASED: "an erased id is never used again: choose another",
    status.REASON_REQUEST_ID_REUSED: "run the command again",
}
# The first type that fits, so the narrow ones stand before the wide ones.
_KINDS: tuple[tuple[type[errors.VaultError], str], ...] = (
    (errors.InvalidArgument, "correct it, and run the command again"),
    (errors.Unauthenticated, "check the certificates: customer-vault doctor DIR"),
    (errors.PermissionDenied, "see why: customer-vault policy explain --help"),
    (errors.NotFound, "check the id; ids are case-sensitive"),
    (errors.AlreadyExists, "choose another id, or read what is there: customer-vault customer show ID"),
    (errors.Conflict, "somebody else wrote first: read again, and run the command again"),
    (errors.FailedPrecondition, "do that first, and run the command again"),
    (errors.DeadlineExceeded, "run the command again; if it stays, see the server's log"),
    (errors.OutcomeUnknown, "run the same command again: it takes effect once"),
    (errors.ResourceExhausted, "make room (disk), or wait, and run the command again"),
    (errors.Unavailable, "see that the server runs (customer-vault serve DIR), and run the command again"),
    (errors.ConfigError, "correct it, and run the command again"),
    (errors.DataLoss, "stored bytes were altered or lost: see the server's log, then restore from a backup"),
    (errors.OpenError, "check that pins and keys are those of this vault: customer-vault doctor DIR"),
)

_LOG = "see the server's log"
# These errors are known by name: their module brings gRPC along, which commands that need no server do without.
_UNTRUSTED = "stop, and tell whoever operates the vault; compare pins.json with the operator's"


def next_step(error: errors.VaultError) -> str:
    """What to do about it."""
    if any(kind.__name__ == "Untrusted" for kind in type(error).__mro__):
        return _UNTRUSTED
    by_reason = _REASONS.get(error.reason)
    if by_reason is not None:
        return by_reason
    return next((step for kind, step in _KINDS if isinstance(error, kind)), _LOG)


def exit_code(error: Exception) -> int:
    """2 for what the operator wrote or typed, 1 for all else."""
    return CONFIGURATION if isinstance(error, errors.ConfigError) else REFUSED


def report(error: Exception, *, as_json: bool) -> int:
    """Print an error to standard error; the exit code."""
    if isinstance(error, errors.VaultError):
        found = {
            "kind": type(error).__name__,
            "reason": status.Reason.Name(error.reason).removeprefix("REASON_"),
            "message": " ".join(str(error).split()),
            "next": next_step(error),
        }
        found |= {key: value for key in ("field", "purpose", "clause") if (value := getattr(error, key, ""))}
    else:
        found = {
            "kind": type(error).__name__,
            "reason": "INTERNAL",
            "message": f"a mistake of ours ({type(error).__name__} in {_where(error)})",
            "next": "please report it, with this line",
        }
    if as_json:
        click.echo(json.dumps({"error": found}, ensure_ascii=False), err=True)
    else:
        click.echo(f"error: {found['message']}", err=True)
        if found.get("clause") and found["clause"] not in found["message"]:
            click.echo(f"clause: {found['clause']}", err=True)
        click.echo(f"next: {found['next']}", err=True)
    return exit_code(error)


def _where(error: Exception) -> str:
    """File and line where it was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "?"
