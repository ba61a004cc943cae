"""What each kind of error asks its reader to do next.

The texts of `VaultError`s are fixed and carry no value, so they are shown as they are; of any other error only its
kind and the place are. Where a command knows better than this table what to do, it says so in a note on the error
(`add_note`).
"""

import json
import os
import traceback
from pathlib import Path

import click

from vault import errors
from vault.v1 import status_pb2 as status

REFUSED = 1
CONFIGURATION = 2
INTERRUPTED = 130
"""What a shell reports for a program that SIGINT ended: 128 + 2."""
PUT_BACK = (
    "stop the server, put back what is damaged or old from a backup, and make both stores fit: customer-vault restore "
    "--help; it says what is lost before it changes anything"
)
"""Two stores of two times are refused until that has run."""
PUT_BACK_ROOT_KEY = (
    "put back the root key file of this vault, and its passphrase, from where they are kept apart; nothing else opens "
    "what the vault holds keys of"
)

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
    (errors.RateLimited, "wait a moment, and run the command again; its limits: customer-vault policy check"),
    (errors.DeadlineExceeded, "run the command again; if it stays, see the server's log"),
    (
        errors.OutcomeUnknown,
        "see that the server runs, and run the same command again: what was done is not done twice",
    ),
    (errors.ResourceExhausted, "make room (disk), or wait, and run the command again"),
    (
        errors.Unavailable,
        "start the server (customer-vault serve DIR), or if it runs see customer-vault doctor DIR; then run it again",
    ),
    (errors.ConfigError, "correct it, and run the command again"),
    (
        errors.DataLoss,
        f"stored bytes were altered or lost: see customer-vault doctor DIR; if a store is damaged, {PUT_BACK}",
    ),
    (errors.OpenError, "check that pins and keys are those of this vault: customer-vault doctor DIR"),
)

_LOG = "see the server's log"
# These errors are known by name: their module brings gRPC along, which commands that need no server do without.
_UNTRUSTED = "stop, and tell whoever operates the vault; compare pins.json with the operator's"


def next_step(error: errors.VaultError) -> str:
    """What to do about it."""
    if note := _note(error):
        return note
    if any(kind.__name__ == "Untrusted" for kind in type(error).__mro__):
        return _UNTRUSTED
    by_reason = _REASONS.get(error.reason)
    if by_reason is not None:
        return by_reason
    return next((step for kind, step in _KINDS if isinstance(error, kind)), _LOG)


def exit_code(error: Exception) -> int:
    """2 for what the operator wrote or typed, 130 for Ctrl-C, 1 for all else."""
    match error:
        case click.ClickException():
            return error.exit_code
        case errors.ConfigError():
            return CONFIGURATION
        case click.Abort() if _interrupted(error):
            return INTERRUPTED
    return REFUSED


def report(error: Exception, *, as_json: bool) -> None:
    """Print an error to standard error."""
    if isinstance(error, click.ClickException) and not as_json:
        error.show()  # with the usage, as people know it
        return
    if isinstance(error.__context__, EOFError):
        click.echo(err=True)  # the question stands there without an answer, and without the end of its line
    found = _found(error)
    if as_json:
        click.echo(json.dumps({"error": found}, ensure_ascii=False), err=True)
        return
    click.echo(f"error: {found['message']}", err=True)
    if found.get("clause") and found["clause"] not in found["message"]:
        click.echo(f"clause: {found['clause']}", err=True)
    click.echo(f"next: {found['next']}", err=True)


def _found(error: Exception) -> dict[str, str]:
    """What is told of an error."""
    match error:
        case errors.VaultError():
            return _of_vault(error)
        case click.ClickException():
            help_ = f"see {error.ctx.command_path} --help" if isinstance(error, click.UsageError) and error.ctx else ""
            return _told(error, "USAGE", " ".join(error.format_message().split()), help_ or "correct it")
        case click.Abort() if _interrupted(error):
            return _told(error, "INTERRUPTED", "interrupted", _note(error) or "look at what was done, and run it again")
        case click.Abort():
            return _told(error, "NOT_CONFIRMED", "nothing was done, for nobody said yes", "answer y, or give --yes")
        case OSError() if _printing(error):
            what = f"cannot write the output: {os.strerror(error.errno or 0)}"
            return _told(error, "OUTPUT", what, "make room where it goes; what the command changes may be done already")
    mistake = f"a mistake of ours ({type(error).__name__} in {_where(error)})"
    return _told(error, "INTERNAL", mistake, "please report it, with this line")


def _of_vault(error: errors.VaultError) -> dict[str, str]:
    # No call is answered with a ConfigError, so the API has no reason for it; it would inherit "unavailable".
    configuration = isinstance(error, errors.ConfigError)
    reason = "CONFIGURATION" if configuration else status.Reason.Name(error.reason).removeprefix("REASON_")
    found = _told(error, reason, " ".join(str(error).split()), next_step(error))
    return found | {key: value for key in ("field", "purpose", "clause") if (value := getattr(error, key, ""))}


def _told(error: Exception, reason: str, message: str, following: str) -> dict[str, str]:
    return {"kind": type(error).__name__, "reason": reason, "message": message, "next": following}


def _note(error: BaseException) -> str:
    """What the command says to do; for a Ctrl-C it is on what click made its error of."""
    said = error.__context__ if isinstance(error, click.Abort) else error
    notes = getattr(said, "__notes__", None)
    return str(notes[0]) if notes else ""


def _interrupted(error: BaseException) -> bool:
    """Whether click made it of a Ctrl-C; the others are a "no", or the end of the input."""
    return isinstance(error.__context__, KeyboardInterrupt)


def _printing(error: Exception) -> bool:
    """Whether it came up while something was printed; no other writing of ours goes through click."""
    return any(frame.f_code is click.echo.__code__ for frame, _ in traceback.walk_tb(error.__traceback__))


def _where(error: Exception) -> str:
    """File and line where it was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "?"
