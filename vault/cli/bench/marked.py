"""A process: the real server, with marks around the stages of a call; for `contact_read_time` alone.

The marks are put around functions when the process starts and before the vault opens; no line of the server knows of
them, and no other server has them. A function that a later change takes away is left out and named: its time is then
under "rest", and the table still sums up.

It answers each line on its standard input with the microseconds of CPU that were spent so far, by stage.
"""

import sys
import threading
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from google.protobuf.message import Message

from vault.cli.bench.child import say
from vault.cli.bench.stopwatch import Stopwatch
from vault.cli.deployment.layout import Layout
from vault.server import app
from vault.service.vault import Vault

WRITER: Final = "audit: commit (writer's thread)"
OUTSIDE: Final = "gRPC, event loop"
PROTOBUF: Final = "protobuf: parse, shape rules, serialize"
RECEIVING: Final = "gRPC: receive"
REST: Final = "rest of the vault"

STAGES: Final[dict[str, tuple[str, ...]]] = {
    "identity: certificate of the connection": ("vault.server.identity:Callers.identify",),
    PROTOBUF: ("vault.server.handlers:parse", "vault.service.validation:check"),
    "policy": (
        "vault.service.vault:permit_call",
        "vault.service.contacts:permit",
        "vault.service.reading:Reader._decide",
        "vault.policy.model:Policy.caller",
    ),
    "SQL": ("vault.storage.sqlite.reader:Reader.fetch_locked",),
    "record locks": ("vault.crypto.record_lock:WrappingKey.open",),
    "open: form, boxes": (
        "vault.service.opening:Records.open",
        "vault.service.opening:Records.unlock",
        "vault.service.reading:Reader._release",
        "vault.service.reading:Reader._way",
    ),
    "audit: entry": ("vault.service.reading:touched_entry",),
    "audit: hand-over": (
        "vault.service.writing:Journal.append",
        "vault.storage.sqlite.writer:Writer._hand_over",
        "vault.storage.sqlite.writer:Writer._end_turn",
    ),
    "audit: checkpoints": ("vault.audit.log:AuditLog._run",),
    RECEIVING: ("vault.server.receiving:Receiving.take",),
    REST: ("vault.server.handlers:_Served.serve", "vault.service.vault:Vault.call"),
}
"""Stage by stage, in the order of a call: where its functions are looked up when they are called."""


class _Answer:
    """An answer whose serialization is timed; that is all that the edge does with one."""

    __slots__ = ("_message", "_serialize")

    def __init__(self, message: Message, serialize: Callable[[Message], bytes]) -> None:
        self._message = message
        self._serialize = serialize

    def SerializeToString(self) -> bytes:  # noqa: N802 - protobuf's name
        """See protobuf."""
        return self._serialize(self._message)


def install(watch: Stopwatch) -> list[str]:
    """Put the marks on; the places that were not found."""
    missing = []
    for stage, places in STAGES.items():
        for place in places:
            try:
                holder, name = _find(place)
                wrapped: Any = watch.wrap(stage, getattr(holder, name))
                static = isinstance(vars(holder)[name], staticmethod)
                setattr(holder, name, staticmethod(wrapped) if static else wrapped)
            except (AttributeError, KeyError):
                missing.append(place)
    _mark_answer(watch)
    return missing


def _find(place: str) -> tuple[object, str]:
    """What holds a function, and its name there.

    Raises:
        AttributeError: there is no such function.
    """
    module, _, path = place.partition(":")
    *outer, name = path.split(".")
    holder: object = import_module(module)
    for each in outer:
        holder = getattr(holder, each)
    return holder, name


def _mark_answer(watch: Stopwatch) -> None:
    """The answer that comes out of the vault."""
    serialize = watch.wrap(PROTOBUF, lambda message: message.SerializeToString())
    called = Vault.call

    async def call(self: Vault, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as the vault's
        return _Answer(await called(self, *args, **kwargs), serialize)

    setattr(Vault, "call", call)  # noqa: B010 - a type checker would not have it


class Meter:
    """CPU of this process, by stage and thread."""

    def __init__(self, watch: Stopwatch, missing: list[str]) -> None:
        self._watch = watch
        self._missing = missing

    def read(self) -> dict[str, Any]:
        """Microseconds so far; "gRPC" is what is in no stage and not in the writer's thread."""
        by_stage = self._watch.nanoseconds()
        marked, beside = by_stage.pop("marked"), by_stage.pop("marks outside")
        process, writer = time.process_time_ns(), self._writer()
        by_stage[WRITER] = writer
        by_stage[OUTSIDE] = process - writer - marked - beside
        return {
            "stages": {name: spent / 1000 for name, spent in by_stage.items()},
            "process": process / 1000,
            "missing": self._missing,
        }

    @staticmethod
    def _writer() -> int:
        for thread in threading.enumerate():
            if thread.name == "vault-writer" and thread.ident is not None:
                return time.clock_gettime_ns(time.pthread_getcpuclockid(thread.ident))
        return 0


def _main(home: str) -> None:
    watch = Stopwatch()
    meter = Meter(watch, install(watch))

    def answer() -> None:
        for _ in sys.stdin:
            say(meter.read())

    threading.Thread(target=answer, daemon=True).start()
    sys.exit(app.run(Layout(Path(home)).config, Vault.open, ready=lambda address: say({"ready": address})))


if __name__ == "__main__":
    _main(*sys.argv[1:])
