"""One call: a deadline, a request_id, and the checkpoint that must come with the answer.

Everything that the clients send goes through `call`, so that no method can forget one of the three.
"""

import uuid
from collections.abc import Iterable
from typing import TypeVar, cast

import grpc
from google.protobuf.message import Message

from vault.client.checkpoints import Witness
from vault.client.pins import Pins
from vault.client.status import from_rpc
from vault.v1.audit_service_pb2_grpc import AuditServiceStub
from vault.v1.contact_service_pb2_grpc import ContactServiceStub
from vault.v1.customer_service_pb2_grpc import CustomerServiceStub
from vault.v1.key_service_pb2_grpc import KeyServiceStub
from vault.v1.payment_service_pb2_grpc import PaymentServiceStub
from vault.v1.policy_service_pb2_grpc import PolicyServiceStub

DEADLINE = 10.0
"""Seconds for a call about one thing."""
BATCH_DEADLINE = 30.0
"""Seconds for a call about many."""

CHECKPOINT_KEY = "vault-checkpoint-bin"

Request = TypeVar("Request", bound=Message)
Response = TypeVar("Response", bound=Message)


class Connection:
    """A channel to one vault, and what this caller believes of it."""

    def __init__(self, channel: grpc.aio.Channel, pins: Pins, witness: Witness) -> None:
        self.pins = pins
        self.witness = witness
        self._channel = channel
        self.customers = CustomerServiceStub(channel)
        self.contacts = ContactServiceStub(channel)
        self.payments = PaymentServiceStub(channel)
        self.keys = KeyServiceStub(channel)
        self.audit = AuditServiceStub(channel)
        self.policy = PolicyServiceStub(channel)

    async def call(
        self,
        method: grpc.aio.UnaryUnaryMultiCallable[Request, Response],
        request: Request,
        *,
        deadline: float = DEADLINE,
    ) -> Response:
        """Make a call and check the checkpoint that its answer carries.

        A write that has no request_id gets a random one: gRPC may resend the request, and it must have one effect.

        Raises:
            VaultError: as the vault answered.
            Untrusted: the checkpoint is missing, or shows that the log was rolled back or rewritten.
        """
        write = "request_id" in request.DESCRIPTOR.fields_by_name
        if write and not getattr(request, "request_id"):  # noqa: B009 - not every request has it
            setattr(request, "request_id", str(uuid.uuid4()))  # noqa: B010
        floor = self.witness.floor()
        call = method(request, timeout=deadline)
        try:
            response = await call
        except grpc.aio.AioRpcError as error:
            # A refusal is logged too, so it shows a checkpoint; what never reached the vault shows none.
            if note := _checkpoint(error.trailing_metadata()):
                self.witness.accept(note, floor)
            raise from_rpc(error, write=write) from None
        self.witness.accept(_checkpoint(await call.trailing_metadata()), floor)
        return response

    async def close(self) -> None:
        """Close the channel and write down what the witness saw."""
        await self._channel.close()
        self.witness.close()


def _checkpoint(metadata: object) -> bytes:
    for key, value in cast("Iterable[tuple[str, str | bytes]]", metadata or ()):
        if key == CHECKPOINT_KEY and isinstance(value, bytes):
            return value
    return b""
