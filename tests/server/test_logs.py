"""The log cannot hold a secret: what is not known to be harmless does not come through."""

import io
import json
import logging
import subprocess
import sys

import structlog

from tests.server.running import CANARY
from vault.server import logs
from vault.v1.records_pb2 import Contact


def lines(log: io.StringIO) -> list[dict[str, object]]:
    """What was logged; each line is JSON by itself."""
    return [json.loads(line) for line in log.getvalue().splitlines()]


def test_unknown_keys_are_dropped(log: io.StringIO) -> None:
    """Also those that a colleague in another layer made up."""
    structlog.get_logger().info("stored", method="PutContact", email=CANARY, request={"name": CANARY})
    (line,) = lines(log)
    assert set(line) == {"event", "level", "timestamp", "method"}


def test_messages_bytes_and_exceptions_are_named_by_type_only(log: io.StringIO) -> None:
    """Even under a known key; protobuf prints values whatever `debug_redact` says."""
    logs.log.info(
        "odd", why=Contact(name=CANARY), method=CANARY.encode(), reason=ValueError(CANARY), at=[Contact(name=CANARY)]
    )
    (line,) = lines(log)
    assert line["why"] == "<Contact>"
    assert line["method"] == "<bytes>"
    assert line["reason"] == "<ValueError>"
    assert line["at"] == ["<Contact>"]


def test_texts_are_cut(log: io.StringIO) -> None:
    """A line has a size that somebody can reckon with."""
    logs.log.info("long", why="x" * 10_000, at=["y" * 10_000] * 100)
    assert len(log.getvalue()) < 5_000


def test_an_exception_is_its_type_and_places(log: io.StringIO) -> None:
    """No text, no local variables, no cause's text."""

    def fail(secret: str) -> None:
        try:
            int(secret)
        except ValueError as cause:
            raise RuntimeError(secret) from cause

    try:
        fail(CANARY)
    except RuntimeError as error:
        logs.log.error("failed", exc_info=True, stack_info=True, **logs.exception(error))
    (line,) = lines(log)
    assert line["error"] == "builtins.RuntimeError"
    assert "test_an_exception_is_its_type_and_places" in str(line["at"])
    assert CANARY not in log.getvalue()


def test_libraries_are_named_but_not_quoted(log: io.StringIO) -> None:
    """The lines of gRPC, which quote exceptions, are dropped altogether."""
    logging.getLogger("some.driver").error("query failed: %s", CANARY)
    logging.getLogger("grpc._cython.cygrpc").error("Unexpected %s", CANARY)
    (line,) = lines(log)
    assert line["library"] == "some.driver"
    assert line["level"] == "error"
    assert CANARY not in log.getvalue()


def test_lower_levels_are_quiet() -> None:
    """As `vault.toml` says."""
    out = io.StringIO()
    before = logging.root.handlers[:], logging.root.level
    try:
        logs.configure("error", out=out)
        logs.log.warning("not this")
        logs.log.error("but this")
    finally:
        logging.root.handlers, logging.root.level = before
        structlog.reset_defaults()
    assert [line["event"] for line in lines(out)] == ["but this"]


UNCAUGHT = f"""
import asyncio, sys, threading
from vault.server import logs
logs.configure("info")

class Leaky:
    def __del__(self): raise ValueError("{CANARY}")

async def main():
    logs.catch_all(asyncio.get_running_loop())
    async def forgotten(): raise KeyError("{CANARY}")
    task = asyncio.create_task(forgotten())
    await asyncio.sleep(0)
    del task
    thread = threading.Thread(target=lambda: int("{CANARY}"))
    thread.start()
    thread.join()
    Leaky()

asyncio.run(main())
raise OSError("{CANARY}")
"""


def test_what_nobody_handles_is_logged_without_its_text() -> None:
    """A forgotten task, a thread, a destructor, the main program: Python prints all four by default."""
    done = subprocess.run([sys.executable, "-c", UNCAUGHT], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    found = [json.loads(line) for line in done.stderr.splitlines()]
    kinds = sorted(line["error"].removeprefix("builtins.") for line in found)
    assert kinds == ["KeyError", "OSError", "ValueError", "ValueError"]
    assert CANARY not in done.stderr + done.stdout
