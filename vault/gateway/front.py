"""The listener: takes connections up to a bound, and ends them in order.

It listens on the loopback alone. A mail server stands beside it, on this machine, and has TLS, users, rate limits and
filters; here they would be a second, worse copy of them.
"""

import asyncio
from typing import Final

import structlog

from vault.errors import ConfigError
from vault.gateway.counts import Counts
from vault.gateway.intake import Intake
from vault.gateway.reply import Reply
from vault.gateway.session import Limits, Session, Speech
from vault.gateway.wire import PIECE, Wire

log = structlog.get_logger()

_BUSY: Final = Reply(421, "4.3.2", "too many connections")


class Front:
    """One port, that speaks one protocol."""

    def __init__(
        self, speech: Speech, hostname: str, intake: Intake, limits: Limits, counts: Counts, *, most: int, idle: float
    ) -> None:
        """Make it.

        Args:
            speech: SMTP or LMTP.
            hostname: what it calls itself.
            intake: takes what comes.
            limits: of each message.
            counts: to be told of connections.
            most: connections at a time; who comes then is told to come again.
            idle: seconds for anything to come or to go.
        """
        self._speech = speech
        self._hostname = hostname
        self._intake = intake
        self._limits = limits
        self._counts = counts
        self._most = most
        self._idle = idle
        self._server: asyncio.Server | None = None
        self._sessions: dict[asyncio.Task[None], Session] = {}

    async def start(self, listen: str) -> str:
        """Listen; return where.

        Raises:
            ConfigError: the address cannot be had.
        """
        host, _, port = listen.rpartition(":")
        try:
            self._server = await asyncio.start_server(self._serve, host.strip("[]"), int(port), limit=PIECE)
        except OSError:
            why = "another process has it: choose another port"
            raise ConfigError("gateway.toml", f"front.{self._speech.value}", why) from None
        return f"{host}:{self._server.sockets[0].getsockname()[1]}"

    async def stop(self, grace: float) -> None:
        """Take no more connections, let texts that have begun come to their end, and close.

        Args:
            grace: seconds after which the rest is cut off; none of it has had its 250.
        """
        if self._server is None:
            return
        self._server.close()
        for task, session in self._sessions.items():
            if session.waiting:
                task.cancel()
        if self._sessions:
            _, late = await asyncio.wait(list(self._sessions), timeout=grace)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        wire = Wire(reader, writer, self._idle)
        if len(self._sessions) >= self._most:
            self._counts.add("connections", "refused")
            wire.write(bytes(_BUSY))
            await wire.close()
            return
        self._counts.add("connections", "served")
        session = Session(wire, self._speech, self._hostname, self._intake, self._limits)
        task = asyncio.current_task()
        if task is None:
            raise AssertionError("asyncio serves each connection in a task")
        self._sessions[task] = session
        try:
            await session.run()
        except asyncio.CancelledError:
            log.warning("a message was cut off by the stop; the mail server has it", count=1)
        finally:
            del self._sessions[task]
