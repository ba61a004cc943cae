"""What SQLite's errors mean: which are definite, which leave the outcome open, which stop the process.

Only primary result codes are looked at (the low byte). The driver's texts are dropped, because some of them quote the
value that did not fit ("Could not decode to UTF-8 column … with text …").

| code | while writing | while reading |
|---|---|---|
| IOERR | nobody knows what is on the disk: `Fatal` | Unavailable |
| FULL | rolled back: ResourceExhausted | ResourceExhausted |
| CORRUPT, NOTADB, none (undecodable text) | DataLoss | DataLoss |
| ERROR (the schema is not the one that our statements were written for) | DataLoss | DataLoss |
| BUSY, LOCKED, NOMEM, CANTOPEN, READONLY, PROTOCOL, … | rolled back: Unavailable | Unavailable |
| CONSTRAINT, TOOBIG, MISMATCH, RANGE, a value that cannot be bound | a fault of ours: VaultError | the same |

An IOERR while *writing* is taken as the worst even before the COMMIT: after a failed fsync the kernel may have dropped
the dirty pages and the next fsync says that all is well, so the only safe thing is to go, and to recover from the file.
"""

from vault.errors import DataLoss, ResourceExhausted, Unavailable, VaultError
from vault.storage.engine import sqlite3

_ERROR = 1
_LOCKED = 6
_INTERRUPT = 9
_IOERR = 10
_CORRUPT = 11
_FULL = 13
_CANTOPEN = 14
_NOTADB = 26
_OURS = {18, 19, 20, 21, 25}
"""TOOBIG, CONSTRAINT, MISMATCH, MISUSE, RANGE: the statement or a value of it is wrong."""


class Fatal(Exception):  # noqa: N818 - a verdict about an error
    """The disk may or may not hold what was written last; nothing more may be written by this process."""


def code(error: BaseException) -> int | None:
    """SQLite's primary result code, if the error has one."""
    number = getattr(error, "sqlite_errorcode", None)
    return None if number is None else number & 0xFF


def is_busy(error: BaseException) -> bool:
    """Whether another connection holds a lock (BUSY, LOCKED)."""
    return code(error) in (5, _LOCKED)


def while_reading(error: BaseException) -> VaultError:
    """The error for the one call that read."""
    if isinstance(error, UnicodeDecodeError):  # of SQLite's own message, which quotes a schema that is no text
        return DataLoss("the store is damaged where it was read")
    if not isinstance(error, sqlite3.Error) or code(error) in _OURS:
        return VaultError("the store could not work with a value")
    match code(error):
        case None if not isinstance(error, sqlite3.OperationalError):
            return VaultError("the store could not work with a value")
        case None | 1 | 11 | 26:
            return DataLoss("the store is damaged where it was read")
        case 13:
            return ResourceExhausted("a disk of the store is full, and nothing was done: make room, then call again")
        case _:
            return Unavailable("the store cannot be read now")


def while_writing(error: BaseException) -> VaultError | Fatal:
    """The error for those whose work was rolled back, or `Fatal`."""
    if code(error) == _IOERR:
        return Fatal("I/O error in the store")
    if code(error) not in (None, _ERROR, _CORRUPT, _NOTADB, _FULL) and code(error) not in _OURS:
        return Unavailable("the store cannot be written now")
    return while_reading(error)


def for_caller(error: Exception) -> Exception:
    """What a caller is told after a failed write; what `finish` raised goes to its caller as it is.

    Raises:
        Fatal: the writer must stop.
    """
    if not isinstance(error, (sqlite3.Error, OverflowError, UnicodeError)):
        return error
    verdict = while_writing(error)
    if isinstance(verdict, Fatal):
        raise verdict from None
    return verdict
