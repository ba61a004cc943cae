"""One call: a deadline, a request_id, the checkpoint that must come with the answer, and what to do if none comes.

Everything that the clients send goes through `call`, so that no method can forget one of them.

At most `MAX_CALLS` calls are under way on a connection, far below what a server takes from one; the rest wait here,
in their order. Waiting counts towards the deadline: a call ends within it, whatever it waited for, and a service whose
vault is away collects no queue without end. Who has thousands of records to read has the batch methods.
"""

import asyncio
import uuid
from collections.abc import Iterable, Sequence
from typing import TypeVar, cast

import grpc
from google.protobuf.message import Message

from vault.client.checkpoints import Floor, Witness
from vault.client.pins import Pins
from vault.client.repeating import after, has_request_id, is_read, limited, may_repeat, paused, pauses
from vault.client.status import from_rpc
from vault.client.unanswered import Failure
from vault.errors import OutcomeUnknown, RateLimited, Unavailable
from vault.v1.account_service_pb2_grpc import AccountServiceStub
from vault.v1.audit_service_pb2 import GetConsistencyProofRequest
from vault.v1.audit_service_pb2_grpc import AuditServiceStub
from vault.v1.contact_service_pb2_grpc import ContactServiceStub
from vault.v1.customer_service_pb2_grpc import CustomerServiceStub
from vault.v1.disclosure_service_pb2_grpc import DisclosureServiceStub
from vault.v1.key_service_pb2_grpc import KeyServiceStub
from vault.v1.mail_service_pb2_grpc import MailServiceStub
from vault.v1.order_service_pb2_grpc import OrderServiceStub
from vault.v1.payment_service_pb2_grpc import PaymentServiceStub
from vault.v1.policy_service_pb2_grpc import PolicyServiceStub
from vault.v1.retention_service_pb2_grpc import RetentionServiceStub
from vault.v1.visitor_service_pb2_grpc import VisitorServiceStub

DEADLINE = 10.0
"""Seconds for a call about one thing."""
BATCH_DEADLINE = 30.0
"""Seconds for a call about many."""

MAX_CALLS = 48
"""Calls at a time: enough to fill a group commit of the vault's, and a twentieth of what a server takes."""
MAX_STREAMS = 32
"""Bodies under way at a time, half of what a server lets one caller have open; the rest wait here."""
_NO_TURN = f"nothing was sent: {MAX_CALLS} other calls of this client took all of the time; use the batch methods"
CLOSED = "nothing was sent: this client is closed"

_LAST_PROOF = 2.0
"""Seconds that closing waits for a proof that is under way."""

CHECKPOINT_KEY = "vault-checkpoint-bin"

Request = TypeVar("Request", bound=Message)
Response = TypeVar("Response", bound=Message)


class Connection:
    """A channel to one vault, and what this caller believes of it."""

    def __init__(self, channel: grpc.aio.Channel, pins: Pins, witness: Witness) -> None:
        self.pins = pins
        self.witness = witness
        self._channel = channel
        self._closed = False
        self._known = False
        self._turns = asyncio.Semaphore(MAX_CALLS)
        self.streams = asyncio.Semaphore(MAX_STREAMS)
        self.customers = CustomerServiceStub(channel)
        self.contacts = ContactServiceStub(channel)
        self.payments = PaymentServiceStub(channel)
        self.disclosures = DisclosureServiceStub(channel)
        self.keys = KeyServiceStub(channel)
        self.mail = MailServiceStub(channel)
        self.audit = AuditServiceStub(channel)
        self.policy = PolicyServiceStub(channel)
        self.retention = RetentionServiceStub(channel)
        self.accounts = AccountServiceStub(channel)
        self.visitors = VisitorServiceStub(channel)
        self.orders = OrderServiceStub(channel)
        witness.watch(self._consistency)

    async def call(
        self,
        method: grpc.aio.UnaryUnaryMultiCallable[Request, Response],
        request: Request,
        *,
        deadline: float = DEADLINE,
    ) -> Response:
        """Make a call and check the checkpoint that its answer carries.

        A write that has no request_id gets a random one, so that it has one effect if it must be sent again.

        Raises:
            VaultError: as the vault answered.
            Unavailable: no answer came, and nothing was done; or the client is closed.
            RateLimited: the deadline left no time to wait until this caller is below its limit.
            OutcomeUnknown: no answer came to a write.
            Untrusted: the checkpoint is missing, or shows that the log was rolled back or rewritten.
        """
        if has_request_id(request) and not getattr(request, "request_id"):  # noqa: B009 - not every request has it
            setattr(request, "request_id", str(uuid.uuid4()))  # noqa: B010
        ends = asyncio.get_running_loop().time() + deadline
        left, least, sent = pauses(known=self._known), limited(), False
        while isinstance(answer := await self._attempt(method, request, ends), Failure):
            sent = sent or answer.sent
            again = answer.passing and (may_repeat(request) or not sent)
            if not (again and await paused(after(answer, left, least), ends)):
                if sent and not is_read(request) and isinstance(answer.error, (Unavailable, RateLimited)):
                    raise OutcomeUnknown(f"an earlier attempt may have been done: {answer.error}")
                raise answer.error
        return answer

    async def _attempt(
        self, method: grpc.aio.UnaryUnaryMultiCallable[Request, Response], request: Request, ends: float
    ) -> Response | Failure:
        """Send the request once, when it is its turn."""
        if self._turns.locked():
            try:
                async with asyncio.timeout_at(ends):
                    await self._turns.acquire()
            except TimeoutError:
                return Failure(Unavailable(_NO_TURN), sent=False, passing=False)
        else:
            await self._turns.acquire()
        try:
            return await self._sent(method, request, ends)
        finally:
            self._turns.release()

    async def _sent(
        self, method: grpc.aio.UnaryUnaryMultiCallable[Request, Response], request: Request, ends: float
    ) -> Response | Failure:
        write = not is_read(request)
        floor = self.witness.floor()
        try:
            call = method(request, timeout=ends - asyncio.get_running_loop().time())
        except grpc.aio.UsageError:
            return Failure(Unavailable(CLOSED), sent=False, passing=False)
        try:
            response = await call
        except grpc.aio.AioRpcError as error:
            return self.refused(error, floor, write=write)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if not self._closed or (task and task.cancelling()):
                raise
            kind = OutcomeUnknown if write else Unavailable
            return Failure(kind("this client was closed before the answer came"), sent=True, passing=False)
        self.answered(await call.trailing_metadata(), floor)
        return response

    def answered(self, trailing: object, floor: Floor) -> None:
        """Take the checkpoint that an answer must carry.

        Raises:
            Untrusted: it is missing, or shows that the log was rolled back or rewritten.
        """
        self.witness.accept(_checkpoint(trailing), floor)
        self._known = True

    def refused(self, error: grpc.aio.AioRpcError, floor: Floor, *, write: bool) -> Failure:
        """What a call failed of; a refusal is logged too, so it shows a checkpoint.

        Raises:
            Untrusted: as `answered`; but what never reached the vault shows none.
        """
        if note := _checkpoint(error.trailing_metadata()):
            self.witness.accept(note, floor)
            self._known = True
        return from_rpc(error, write=write)

    @property
    def closed(self) -> bool:
        """Whether `close` was called: what is under way then ends as if it were cancelled."""
        return self._closed

    @property
    def known(self) -> bool:
        """Whether this vault has answered this client before."""
        return self._known

    async def _consistency(self, origin: str, sizes: Sequence[int]) -> Sequence[Sequence[bytes]]:
        """Ask for the proofs between sizes of a log. It takes no turn: it must not wait behind a queue of calls."""
        request = GetConsistencyProofRequest(log_id=origin.rpartition("/")[2], tree_sizes=sizes)
        try:
            answer = await self.audit.GetConsistencyProof(request, timeout=DEADLINE)
        except grpc.aio.AioRpcError as error:
            raise from_rpc(error, write=False).error from None
        except grpc.aio.UsageError:
            raise Unavailable(CLOSED) from None
        return [proof.hashes for proof in answer.proofs]

    async def close(self) -> None:
        """Close the channel and write down what the witness saw; later calls raise `Unavailable`."""
        self._closed = True
        await self.witness.finish(_LAST_PROOF)
        await self._channel.close()
        self.witness.close()


def _checkpoint(metadata: object) -> bytes:
    for key, value in cast("Iterable[tuple[str, str | bytes]]", metadata or ()):
        if key == CHECKPOINT_KEY and isinstance(value, bytes):
            return value
    return b""
