"""The server's own log: JSON lines on standard error, which cannot hold a secret.

A list of forbidden words would be passed by the first secret that it does not know. So it is the other way round:
a line holds only keys from `ALLOWED`, and under them only short texts, numbers and lists of short texts. Anything
else (a message object, an exception, bytes) is replaced by the name of its type. An exception is logged as its type
and the places in our code that it came through; never its text, which may quote a value, and never local variables,
which structlog and Sentry-like tools take along by default.

Lines of libraries that use `logging` are not repeated either: of them this log says which library, how serious and
where in its code. gRPC's own lines are dropped, since it logs the text of exceptions.

Calls are in the audit log; this one has denials at the edge, errors, and the server's life.
"""

import asyncio
import logging
import sys
import threading
import traceback
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Final, TextIO

import structlog
from structlog.types import EventDict, FilteringBoundLogger

ALLOWED: Final = frozenset({
    # every line
    "event", "level", "timestamp",
    # which call
    "method", "caller", "correlation", "code", "reason",
    # which mistake
    "error", "at", "library",
    # whose turn it is: the operator's
    "file", "key", "why", "next",
    # the server's life
    "address", "signal", "seconds", "version", "log_id", "count", "purpose", "epoch", "job",
})  # fmt: skip

_LONGEST: Final = 300
_PLACES: Final = 12
_LEVELS: Final = {"debug": 10, "info": 20, "warning": 30, "error": 40}

log: FilteringBoundLogger = structlog.get_logger()
"""For this package; other layers call `structlog.get_logger()` themselves and get the same rules."""


def configure(level: str, *, out: TextIO | None = None) -> None:
    """Install the rules for the whole process; `out` is standard error unless a test looks."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            allowed_only,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(out or sys.stderr),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(handlers=[_Libraries()], level=logging.WARNING, force=True)
    grpc = logging.getLogger("grpc")
    grpc.handlers, grpc.propagate = [logging.NullHandler()], False


def catch_all(loop: asyncio.AbstractEventLoop) -> None:
    """Log what nobody else handles, in any thread, task or destructor; Python itself would print the text."""
    sys.excepthook = lambda _, error, __: _uncaught(error)
    sys.unraisablehook = lambda said: _uncaught(said.exc_value)
    threading.excepthook = lambda said: _uncaught(said.exc_value)
    loop.set_exception_handler(lambda _, said: _uncaught(said.get("exception")))


def _uncaught(error: BaseException | None) -> None:
    log.error("uncaught exception", **exception(error))


def exception(error: BaseException | None) -> dict[str, Any]:
    """Describe an exception by its type and the code that it came through, innermost last."""
    if error is None:
        return {"error": "unknown"}
    kind = type(error)
    places = [f"{place.filename}:{place.lineno} {place.name}" for place in _frames(error.__traceback__)]
    return {"error": f"{kind.__module__}.{kind.__qualname__}", "at": places[-_PLACES:]}


def allowed_only(_logger: object, _name: str, line: EventDict) -> Mapping[str, Any]:
    """Keep the keys that are known, and under them only what is small and plain."""
    return {key: _plain(value) for key, value in line.items() if key in ALLOWED}


def _plain(value: object) -> object:
    match value:
        case None | bool() | int() | float():
            return value
        case str():
            return value[:_LONGEST]
        case list() | tuple():
            return [_plain(item) for item in value[:_PLACES]]
        case _:
            return f"<{type(value).__name__}>"


def _frames(trace: TracebackType | None) -> Iterator[traceback.FrameSummary]:
    # Without look-up of lines and without locals: names and numbers only.
    yield from traceback.StackSummary.extract(traceback.walk_tb(trace), lookup_lines=False, capture_locals=False)


class _Libraries(logging.Handler):
    """Reduces what libraries say to where they said it."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log one line without the library's words."""
        place = f"{record.pathname}:{record.lineno} {record.funcName}"
        log.log(record.levelno, "a library has logged something", library=record.name, at=[place])
