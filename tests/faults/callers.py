"""Callers that send each request once, over mutual TLS, and say what they know of it afterwards.

The SDK repeats by itself what got no answer; here that is the test's business. So the stubs are called as they are, and
the SDK's own table says what a status means.
"""

import asyncio
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, Self

import grpc
from google.protobuf.message import Message

from vault.client import channel, settings
from vault.client.repeating import is_read
from vault.client.status import from_rpc
from vault.errors import DeadlineExceeded, OutcomeUnknown, VaultError
from vault.v1.contact_service_pb2_grpc import ContactServiceStub
from vault.v1.customer_service_pb2_grpc import CustomerServiceStub
from vault.v1.order_service_pb2_grpc import OrderServiceStub
from vault.v1.payment_service_pb2_grpc import PaymentServiceStub

_STUBS: dict[str, Any] = {
    "ContactService": ContactServiceStub,
    "CustomerService": CustomerServiceStub,
    "OrderService": OrderServiceStub,
    "PaymentService": PaymentServiceStub,
}
DEADLINE = 10.0


class Kind(Enum):
    """What a caller knows after a call."""

    DONE = "done"
    FAILED = "failed"
    """Nothing was done."""
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Answer:
    """How one call ended."""

    kind: Kind
    response: Any = None
    error: VaultError | None = None


@dataclass(slots=True)
class Callers:
    """A connection for each role; close them before the server that comes after a killed one is called."""

    home: Path
    _channels: dict[str, grpc.aio.Channel] = field(default_factory=dict)
    _methods: dict[tuple[str, str], Any] = field(default_factory=dict)

    async def send(self, role: str, method: str, request: Message, *, deadline: float = DEADLINE) -> Answer:
        """Send a request once; `method` is `ContactService.GetContact`."""
        try:
            response = await self._method(role, method)(request, timeout=deadline)
        except grpc.aio.AioRpcError as error:
            said = from_rpc(error, write=not is_read(request)).error
            # A write whose deadline passed may be in the storage's queue.
            unknown = isinstance(said, OutcomeUnknown | DeadlineExceeded)
            return Answer(Kind.UNKNOWN if unknown else Kind.FAILED, error=said)
        return Answer(Kind.DONE, response)

    async def close(self) -> None:
        """Close all connections."""
        await asyncio.gather(*(each.close() for each in self._channels.values()))
        self._channels.clear()
        self._methods.clear()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def _method(self, role: str, method: str) -> Any:
        if (role, method) not in self._methods:
            if role not in self._channels:
                self._channels[role] = channel.connect(settings.load(self.home / "callers" / role))
            service, _, name = method.partition(".")
            self._methods[role, method] = getattr(_STUBS[service](self._channels[role]), name)
        return self._methods[role, method]
