"""A real server on a free port, in front of a vault that does what the test says.

Everything between the client and `Vault.call` is real: sockets, TLS, gRPC's core, certificates on disk. Only the
work behind the edge is a fake.
"""

import asyncio
import ipaddress
import time
import urllib.error
import urllib.request
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeAlias

import grpc
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2  # type: ignore[import-untyped]

from tests.frames import GET_CONTACT
from vault.pki import spiffe
from vault.pki.authority import DevelopmentCA, IssuedCertificate
from vault.policy.load import DEFAULT, parse
from vault.policy.model import Policy
from vault.server.app import Stop, serve
from vault.service.gauges import Sample
from vault.service.settings import Settings
from vault.service.troubles import Trouble
from vault.v1 import contact_service_pb2 as contacts
from vault.v1.records_pb2 import Contact

DOMAIN = spiffe.parse_trust_domain("vault.example")
PROVISIONING = spiffe.parse("spiffe://vault.example/provisioning")

CANARY = "4111111111111111-canary"
"""Stands for any value: where it turns up, values can leak."""

Work = Callable[[Message], Awaitable[Message]]
Collect = Callable[[AsyncIterator[Message]], Awaitable[Message]]
Stream = Callable[[Message], AsyncGenerator[Message, None]]


def now() -> datetime:
    """The real time: the handshake reads the machine's clock."""
    return datetime.now(UTC).replace(microsecond=0)


async def hello(request: Message) -> Message:
    """Answer with the id that was asked for, so that mixed-up answers show."""
    assert isinstance(request, contacts.GetContactRequest)
    return contacts.GetContactResponse(contact=Contact(record_name=f"customers/{request.customer_id}/contact"))


class Slow:
    """Work that takes a while and notes when it is told to stop."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.started = asyncio.Event()
        self.stopped: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    async def work(self, request: Message) -> Message:
        """Wait, then answer."""
        start = time.monotonic()
        self.started.set()
        try:
            await asyncio.sleep(self.seconds)
        except asyncio.CancelledError:
            self.stopped.set_result(time.monotonic() - start)
            raise
        return await hello(request)


def policy(limits: str = "") -> Policy:
    """The shipped policy, with the callers that these tests have."""
    text = DEFAULT.read_text(encoding="utf-8")
    for role in ("provisioning", "care", "billing"):
        text += f'\n[callers."spiffe://vault.example/{role}"]\nroles = ["{role}"]\n'
    return parse(f"{text}\n{limits}", "policy.toml")


async def swallow(requests: AsyncIterator[Message]) -> Message:
    """Read all."""
    async for _ in requests:
        pass
    return Contact()


async def echo(request: Message) -> AsyncGenerator[Message, None]:
    """Answer once."""
    yield request


@dataclass
class FakeVault:
    """Serves one method by `work`, streams by `collecting` and `streaming`, and notes what the edge passes on."""

    work: Work = hello
    methods: Mapping[str, object] = field(default_factory=lambda: {"ContactService.GetContact": None})
    checkpoint: bytes = b"a signed checkpoint"
    calls: list[tuple[str, str, int, str]] = field(default_factory=list)
    finished: list[str] = field(default_factory=list)
    closed: bool = False
    policies: list[Policy] = field(default_factory=lambda: [policy()])
    policy_on_disk: Callable[[], Policy] | None = None
    refused: list[tuple[str, str, int]] = field(default_factory=list)
    wrong: Sequence[Trouble] = ()
    collecting: Collect = swallow
    streaming: Stream = echo

    async def call(self, method: str, peer: str, request: Message, *, now: int, correlation: str) -> Message:
        """As `vault.service`'s."""
        assert not self.closed
        self.calls.append((method, peer, now, correlation))
        response = await self.work(request)
        self.finished.append(correlation)
        return response

    async def collect(
        self, method: str, peer: str, requests: AsyncIterator[Message], *, now: int, correlation: str
    ) -> Message:
        """As `vault.service`'s."""
        self.calls.append((method, peer, now, correlation))
        response = await self.collecting(requests)
        self.finished.append(correlation)
        return response

    async def stream(
        self, method: str, peer: str, request: Message, *, now: int, correlation: str
    ) -> AsyncGenerator[Message, None]:
        """As `vault.service`'s."""
        self.calls.append((method, peer, now, correlation))
        async with aclosing(self.streaming(request)) as answers:
            async for answer in answers:
                yield answer
        self.finished.append(correlation)

    @property
    def policy(self) -> Policy:
        """One that knows the callers of these tests."""
        return self.policies[-1]

    async def log_refused(self, peer: str, method: str, count: int) -> None:
        """Note it."""
        self.refused.append((peer, method, count))

    async def gauges(self) -> Sequence[Sample]:
        """None of its own."""
        return ()

    async def troubles(self) -> Sequence[Trouble]:
        """What the test says."""
        return self.wrong

    async def reload_policy(self) -> None:
        """What the test says."""
        if self.policy_on_disk is not None:
            self.policies.append(self.policy_on_disk())

    async def close(self) -> None:
        """Note it."""
        self.closed = True


@dataclass
class Place:
    """A vault's folder: authority, server certificate and settings."""

    folder: Path
    ca: DevelopmentCA
    settings: Settings

    def caller(
        self, name: spiffe.SpiffeId = PROVISIONING, lifetime: timedelta = timedelta(days=1)
    ) -> IssuedCertificate:
        """A certificate as `init` makes it."""
        return self.ca.issue(name, now=now(), lifetime=lifetime)

    def channel(self, address: str, issued: IssuedCertificate | None = None, **options: int) -> grpc.aio.Channel:
        """A connection of a good caller, or with the certificate given."""
        issued = issued or self.caller()
        return self.connect(address, issued.cert_pem, issued.key_pem.reveal(), **options)

    def connect(self, address: str, cert_pem: bytes, key_pem: bytes, **options: int) -> grpc.aio.Channel:
        """A connection with any certificate."""
        credentials = grpc.ssl_channel_credentials(self.ca.ca_pem, key_pem, cert_pem)
        # A connection of its own: gRPC shares those with the same options among channels.
        own = [("grpc.use_local_subchannel_pool", 1), *((f"grpc.{key}", value) for key, value in options.items())]
        return grpc.aio.secure_channel(address, credentials, options=own)

    def server_certificate(self) -> IssuedCertificate:
        """Write a new one where the server looks for it."""
        name = spiffe.parse("spiffe://vault.example/vault")
        issued = self.ca.issue(name, now=now(), dns=["localhost"], ips=[ipaddress.ip_address("127.0.0.1")])
        issued.save(self.folder / "server")
        return issued


def place(folder: Path, server: str = "") -> Place:
    """Make a folder with what the edge needs; `server` is further lines of that table."""
    ca = DevelopmentCA.create(DOMAIN, now())
    ca.save(folder / "ca")
    config = folder / "vault.toml"
    config.write_text(
        f"""
        [server]
        listen = "127.0.0.1:0"
        certificate = "server/cert.pem"
        private_key = "server/key.pem"
        client_ca = "ca/ca.pem"
        {server or "drain_seconds = 0"}
        [vault]
        trust_domain = "vault.example"
        policy = "policy.toml"
        [storage]
        data = "data/vault.db"
        keys = "keys/keys.db"
        [root_key]
        path = "root.key"
        [admin]
        listen = "127.0.0.1:0"
        """,
        encoding="utf-8",
    )
    made = Place(folder, ca, Settings.load(config))
    made.server_certificate()
    return made


@dataclass
class Running:
    """A server that answers."""

    address: str
    place: Place
    vault: FakeVault
    stop: Stop
    task: asyncio.Task[None]
    admin: str
    """Where the admin port listens."""

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.address.rpartition(":")[2])

    def channel(self, issued: IssuedCertificate | None = None, **options: int) -> grpc.aio.Channel:
        """A connection of a good caller, or with the certificate given."""
        return self.place.channel(self.address, issued, **options)

    async def page(self, path: str) -> tuple[int, str]:
        """What the admin port answers: status and body."""
        return await asyncio.to_thread(_fetch, f"http://{self.admin}{path}")


def _fetch(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - the loopback
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


@asynccontextmanager
async def running(place: Place, vault: FakeVault | None = None) -> AsyncIterator[Running]:
    """Serve until the block ends, then stop in order."""
    vault = vault or FakeVault()
    address: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    admin: list[str] = []
    stop = Stop()
    serving = serve(place.settings, vault, ready=address.set_result, told_admin=admin.append, stop=stop)
    task = asyncio.create_task(serving)
    both: list[asyncio.Future[Any]] = [task, address]
    await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        task.result()
    try:
        yield Running(address.result(), place, vault, stop, task, admin[0])
    finally:
        stop.ask()
        await task


Get: TypeAlias = "grpc.aio.UnaryUnaryMultiCallable[contacts.GetContactRequest, contacts.GetContactResponse]"


def getter(channel: grpc.aio.Channel) -> Get:
    """The one method that the fake serves."""
    return channel.unary_unary(
        GET_CONTACT,
        request_serializer=contacts.GetContactRequest.SerializeToString,
        response_deserializer=contacts.GetContactResponse.FromString,
    )


async def get(
    channel: grpc.aio.Channel, customer: str = "42", seconds: float | None = 10
) -> contacts.GetContactResponse:
    """One call, with a deadline unless it is None."""
    return await getter(channel)(contacts.GetContactRequest(customer_id=customer), timeout=seconds)


async def call_bytes(channel: grpc.aio.Channel, method: str, request: bytes) -> bytes:
    """Call any method with any bytes."""
    call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(method)
    return await call(request, timeout=10)


async def ask_health(channel: grpc.aio.Channel, service: str = "") -> str:
    """What a load balancer asks."""
    request = health_pb2.HealthCheckRequest(service=service).SerializeToString()
    answer = health_pb2.HealthCheckResponse.FromString(
        await call_bytes(channel, "/grpc.health.v1.Health/Check", request)
    )
    name: str = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
    return name


async def failure(call: Awaitable[object]) -> grpc.aio.AioRpcError:
    """The error that the client gets; it is an error in the test if there is none."""
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return error
    raise AssertionError("the call should have failed")
