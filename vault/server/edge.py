"""The gRPC server itself: its port, its limits, and what it serves.

The limits are constants and not settings, for each was measured against what it defends from; a number that an
operator can raise is a number that somebody will raise to make a symptom go away.
"""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NoReturn

import grpc
from grpc_health.v1 import health, health_pb2_grpc  # type: ignore[import-untyped]
from grpc_reflection.v1alpha import reflection, reflection_pb2_grpc  # type: ignore[import-untyped]

from vault.errors import ConfigError, Unavailable
from vault.server import handlers, status
from vault.server.boundary import Context, Guard, Handler, new_correlation
from vault.server.certificates import ServerCertificates
from vault.server.condition import Condition
from vault.server.identity import Callers
from vault.server.limits import Limiter
from vault.server.logs import log
from vault.server.memory import Trimmer
from vault.server.metrics.counts import Counts
from vault.server.port import Vault
from vault.server.reload import Watched, in_thread
from vault.server.streams import Streams
from vault.server.watch import Watch
from vault.service.settings import Settings

RECEIVE_BYTES: Final = 3 * 512 * 1024
"""The largest request that an SDK sends: 1,000 stanzas of 1.3 KiB, or 100 new customers with 15 KiB each. Not more, for
an empty message in a message takes 2 bytes on the wire and 140 in memory: 4 MiB of them were 300 MiB for a moment."""
SEND_BYTES: Final = 16 * 1024 * 1024

CLOSING_SECONDS: Final = 0.1
"""Between refusing what is new and stopping gRPC. Calls that have reached the core but not Python when it stops are cut
with CANCELLED, which tells a client nothing: 33 to 38 of 40 callers, each with its next request on the way, measured in
a process with the server. Refused first, all of them know that nothing was done, and pause before they repeat."""

CONNECTIONS: Final = 1_000
"""At a time; one more is closed before its handshake. A service has one or a few, so this is hundreds of services.
Without it whoever reaches the port can fill the memory: one that says nothing costs 40 to 90 KiB, with a certificate
and HTTP/2 most. Measured with 2,000 of those: 290 MiB instead of 196. Its price: strangers who hold a thousand keep new
callers out, 5 seconds for each; the remedy is a firewall that counts connections by address."""

STOPPING_SECONDS: Final = 5.0
"""After the grace, in which every call has been cancelled. Seen once in a dozen runs of floods: gRPC still waited two
minutes later. The stores are what must be closed in order, and they do not wait for it."""

_MINUTE_MS: Final = 60_000

OPTIONS: Final[tuple[tuple[str, int], ...]] = (
    # Measured: without it, connections that never say a word stay for 120 seconds.
    ("grpc.server_handshake_timeout_ms", 5_000),
    # Counts a call against max_concurrent_streams until Python has let go of it, not until the client has taken it
    # back, so that rapid resets cannot pile up work. Measured beside 12,000 resets a second with a limit of 64: 0 of
    # 5,655 calls of others failed with it, 60 of 133 without; at 20,000 a second none failed either way, but 1,270 were
    # served in three seconds with it and 218 without. Its price: a client that reaches the limit on one connection has
    # some calls refused with UNAVAILABLE before they reach us: with 64, 26 of 200 at once; with 1,000, none of 1,000.
    # The price of 1,000 is the wait beside resets: 0.3 to 0.5 s at worst, 0.1 s with 64.
    ("grpc.http.overload_protection", 1),
    ("grpc.max_allowed_incoming_connections", CONNECTIONS),
    ("grpc.max_receive_message_length", RECEIVE_BYTES),
    ("grpc.max_send_message_length", SEND_BYTES),
    ("grpc.max_metadata_size", 8 * 1024),
    ("grpc.absolute_max_metadata_size", 16 * 1024),
    # Off, what anybody may send on a stream before it is asked for stays at HTTP/2's own 64 KiB; on, it becomes 4 MiB.
    ("grpc.http2.bdp_probe", 0),
    # Identity only (bit 0), in both directions: compressing secrets beside what an attacker chose tells their length
    # and more (CRIME), and a request of 4 MiB that unpacks to gigabytes needs no defence if it is never unpacked.
    ("grpc.compression_enabled_algorithms_bitset", 1),
    # Dead peers are noticed; peers that ping more than every 10 seconds are not welcome.
    ("grpc.keepalive_time_ms", _MINUTE_MS),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.http2.max_ping_strikes", 2),
    # A connection is only as trustworthy as its handshake: after half an hour there is a new one.
    ("grpc.max_connection_age_ms", 30 * _MINUTE_MS),
    ("grpc.max_connection_age_grace_ms", _MINUTE_MS),
    ("grpc.max_connection_idle_ms", 10 * _MINUTE_MS),
    # With SQLite there is one process: a second one on the same port must fail at once instead of taking half of the
    # connections.
    ("grpc.so_reuseport", 0),
)


class Edge:
    """The gRPC server and what belongs to it."""

    def __init__(self, settings: Settings, vault: Vault) -> None:
        self._settings = settings.server
        self._callers = Callers(settings)
        self._certificates = ServerCertificates(settings.server)
        self._guard = Guard(self._callers.enter)
        self._health = health.aio.HealthServicer()
        self._closing = _Closing()
        self._vault = vault
        self._services = handlers.services(vault.methods)
        self._limiter = Limiter(vault.policy, Counts(), vault.log_refused)
        names = [*self._services, health.SERVICE_NAME]
        self._condition = Condition(vault, self._health, names, lambda: self._certificates.expiries["server"])
        self.watched = tuple(self._watched(settings.vault.policy))
        """The files that take effect when they change."""
        self._watch = Watch(vault, self._limiter, self._condition, self._certificates, self.watched)
        self._admin = settings.admin.listen if settings.admin else ""
        self._looking: list[asyncio.Task[None]] = []
        options = (*OPTIONS, ("grpc.max_concurrent_streams", self._settings.max_concurrent_streams))
        self._server = grpc.aio.server(options=options, compression=grpc.Compression.NoCompression)
        self._streams = Streams(vault, self._callers.identify, self._limiter)
        seconds = self._settings.default_deadline_seconds
        own = handlers.table(vault, self._callers.identify, self._limiter, seconds, self._streams)
        self._server.add_generic_rpc_handlers([self._closing, *own, *self._libraries()])

    async def start(self) -> str:
        """Listen; return where."""
        host, _, _ = self._settings.listen.rpartition(":")
        try:
            port = self._server.add_secure_port(self._settings.listen, self._certificates.credentials())
        except RuntimeError:
            await self._watch.admin.stop()
            why = f"cannot listen on {self._settings.listen}: taken by another process, or not an address of this host"
            raise ConfigError("vault.toml", "server.listen", why) from None
        await self._condition.begin()
        await self._server.start()
        self._looking = [
            asyncio.create_task(self._condition.keep(), name="condition"),
            asyncio.create_task(Trimmer().keep(), name="memory"),
        ]
        return f"{host}:{port}"

    async def start_admin(self) -> str:
        """Listen for whoever watches, before `start`; return where, or nothing if settings have no `[admin]`.

        Raises:
            ConfigError: the address cannot be had.
        """
        return await self._watch.admin.start(self._admin) if self._admin else ""

    def _watched(self, policy: Path) -> Iterator[Watched]:
        yield Watched("certificates", self._certificates.paths, in_thread(self._certificates.reload))
        if self._settings.deny_list is not None:
            yield Watched("deny_list", [self._settings.deny_list], in_thread(self._callers.reload))
        yield Watched("policy", [policy], self._reload_policy)

    async def _reload_policy(self) -> None:
        await self._vault.reload_policy()
        self._limiter.adopt(self._vault.policy)

    async def stop(self, *, drain_seconds: float, grace_seconds: float) -> None:
        """End: (1) say so, (2) let clients notice, (3) refuse what is new, (4) finish what is in flight."""
        await self._condition.stop()
        await asyncio.sleep(drain_seconds)
        self._guard.end_streams()
        self._streams.stop(grace_seconds)
        self._closing.closed = True
        await asyncio.sleep(CLOSING_SECONDS)
        try:
            async with asyncio.timeout(grace_seconds + STOPPING_SECONDS):
                await self._server.stop(grace_seconds)
        except TimeoutError:
            log.error("gRPC does not stop: going on without it", seconds=grace_seconds + STOPPING_SECONDS)
        for task in self._looking:
            task.cancel()
        await self._limiter.close()
        await self._watch.admin.stop()

    def _libraries(self) -> list[grpc.GenericRpcHandler]:
        """Health and, if switched on, reflection: open to every caller that we know, and behind the boundary."""
        taken = _Registrations(self._guard)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, taken)
        if self._settings.reflection:
            names = [*self._services, health.SERVICE_NAME, reflection.SERVICE_NAME]
            servicer = reflection.aio.ReflectionServicer(names)
            reflection_pb2_grpc.add_ServerReflectionServicer_to_server(servicer, taken)
        return taken.handlers


class _Closing(grpc.GenericRpcHandler):
    """Stands before all others; once closed, it refuses every call. Nobody has to act on that, so it is not logged."""

    def __init__(self) -> None:
        self.closed = False
        self._refusal: Handler = grpc.unary_unary_rpc_method_handler(self._refuse)

    def service(self, _details: grpc.HandlerCallDetails) -> "Handler | None":
        """Leave the call to the others, or refuse it."""
        return self._refusal if self.closed else None

    async def _refuse(self, _raw: bytes, context: Context) -> NoReturn:
        answer = status.of(Unavailable("the server is stopping, and nothing was done: call again"), new_correlation())
        details = (status.DETAILS_KEY, answer.SerializeToString())
        await context.abort(grpc.StatusCode.UNAVAILABLE, answer.message, (details,))


class _Registrations:
    """Stands in for a server while libraries register, so that their methods pass through the guard first."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self.handlers: list[grpc.GenericRpcHandler] = []

    def add_registered_method_handlers(self, service: str, methods: dict[str, Any]) -> None:
        """Take what generated code registers."""
        wrapped = {name: self._guard.wrap(f"{service}.{name}", handler) for name, handler in methods.items()}
        self.handlers.append(grpc.method_handlers_generic_handler(service, wrapped))

    def add_generic_rpc_handlers(self, handlers: object) -> None:
        """Ignore the same methods in another form."""
