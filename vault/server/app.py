"""The server's life: refuse, open, listen, serve, stop in order.

Stopping is the part that loses data when it is done in another order: first health says NOT_SERVING, so that
balancers send nothing new; then, a while later, new calls are refused and those in flight finish; then the vault
closes. The one exception is a storage that has failed to sync: what it holds is unknown, an orderly close would
write to it, and the design wants the process gone. It gets a moment for the answers "outcome unknown" and then ends
with status 70.
"""

import asyncio
import contextlib
import gc
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Final, Protocol

import uvloop

from vault import __version__
from vault.server import hardening, logs, supervisor
from vault.server.edge import Edge
from vault.server.port import Vault
from vault.server.reload import keep_current
from vault.service.settings import Settings

EX_SOFTWARE: Final = 70
"""sysexits.h; a supervisor starts the server again, and recovery looks at what the storage holds."""

_FATAL_GRACE_SECONDS: Final = 0.5


class Opener(Protocol):
    """Opens the vault; `Vault.open` of the service is one."""

    async def __call__(self, settings: Settings, *, fatal: Callable[[str], None]) -> Vault:
        """Open everything; call `fatal`, from any thread, when the process must not go on."""


class Stop:
    """The wish that the server end; made inside of its event loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._asked = asyncio.Event()
        self.failed = False
        self.reload = asyncio.Event()
        """The wish that files be read again now."""

    def ask(self) -> None:
        """Stop in order."""
        self._asked.set()

    def fatal(self, reason: str) -> None:
        """Stop at once; from any thread. `reason` is a fixed text."""
        self.failed = True
        logs.log.error("cannot go on", why=reason)
        with contextlib.suppress(RuntimeError):  # the loop is closed: it has stopped already
            self._loop.call_soon_threadsafe(self._asked.set)

    async def wait(self) -> None:
        """Return when somebody asks."""
        await self._asked.wait()


async def serve(
    settings: Settings,
    vault: Vault,
    *,
    ready: Callable[[str], None] | None = None,
    told_admin: Callable[[str], None] | None = None,
    stop: Stop | None = None,
) -> None:
    """Serve until `stop` is asked or the task is cancelled; then stop in order and close the vault.

    Args:
        settings: of this vault.
        vault: open; closed at the end, unless its storage has failed.
        ready: called with ``host:port`` once calls are answered.
        told_admin: called before that with ``host:port`` of the admin port, if there is one.
        stop: where the end is asked for.

    Raises:
        ConfigError: certificates, deny-list or address are not usable; nothing was served.
    """
    stop, server = stop or Stop(), settings.server
    try:
        edge = Edge(settings, vault)
        admin = await edge.start_admin()
        address = await edge.start()
        watching = asyncio.create_task(keep_current(edge.watched, stop.reload))
        try:
            # What is there now stays until the end: looking through it again and again would stop every call for 60 ms.
            gc.collect()
            gc.freeze()
            logs.log.info("serving", address=address, version=__version__)
            if admin and told_admin is not None:
                told_admin(admin)
            if ready is not None:
                ready(address)
            supervisor.tell(supervisor.READY)
            await stop.wait()
        finally:
            supervisor.tell(supervisor.STOPPING)
            watching.cancel()
            # In order, nobody who left the deadline to us is cut.
            drain, grace = (
                (0.0, _FATAL_GRACE_SECONDS) if stop.failed else (server.drain_seconds, server.default_deadline_seconds)
            )
            await edge.stop(drain_seconds=drain, grace_seconds=grace)
    finally:
        if not stop.failed:
            await vault.close()
            logs.log.info("stopped")


def run(
    config: Path,
    open_vault: Opener,
    *,
    ready: Callable[[str], None] | None = None,
    told_admin: Callable[[str], None] | None = None,
) -> int:
    """Be the server process: from `vault.toml` to the end.

    Returns:
        0 after an orderly stop. After a storage failure it does not return: the process ends with status 70.

    Raises:
        VaultError: it could not start; mostly `ConfigError`.
    """
    hardening.refuse()
    hardening.confine()
    settings = Settings.load(config)
    logs.configure(settings.logging.level)
    # debug=False: asyncio's debug mode prints results of slow calls, whatever the environment says.
    with asyncio.Runner(debug=False, loop_factory=uvloop.new_event_loop) as runner:
        failed = runner.run(_main(settings, open_vault, ready, told_admin))
        if failed:
            # Not sys.exit: threads of the storage may hang in the kernel, and must not close in an orderly way.
            sys.stderr.flush()
            os._exit(EX_SOFTWARE)
    return 0


async def _main(
    settings: Settings,
    open_vault: Opener,
    ready: Callable[[str], None] | None,
    told_admin: Callable[[str], None] | None,
) -> bool:
    """Open and serve; say whether the storage has failed."""
    logs.catch_all(asyncio.get_running_loop())
    stop = Stop()
    async with _signals(stop):
        opened = await open_vault(settings, fatal=stop.fatal)
        await serve(settings, opened, ready=ready, told_admin=told_admin, stop=stop)
    return stop.failed


@contextlib.asynccontextmanager
async def _signals(stop: Stop) -> AsyncIterator[None]:
    """Stop in order on the first SIGTERM or SIGINT; a second one ends the process, which the storage survives.

    SIGHUP has the files read again that take effect when they change.
    """
    loop = asyncio.get_running_loop()
    both = (signal.SIGTERM, signal.SIGINT)

    def asked(number: signal.Signals) -> None:
        logs.log.info("stopping", signal=number.name)
        for each in both:
            loop.remove_signal_handler(each)
            signal.signal(each, signal.SIG_DFL)
        stop.ask()

    for number in both:
        loop.add_signal_handler(number, asked, number)
    loop.add_signal_handler(signal.SIGHUP, stop.reload.set)
    try:
        yield
    finally:
        for number in (*both, signal.SIGHUP):
            loop.remove_signal_handler(number)
