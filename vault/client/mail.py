"""The mail system: stores messages that it alone can open, leases them, reads them back, says what became of them.

Everything is sealed here: sender, recipients and delivery parameters as boxes, the body as a stream. The vault sees
sizes, times, states and tokens (`mail_tokens`). A body is an asynchronous iterator of bytes in any pieces; it is never
held whole, in either direction.

`store` returns when the message is durable. It goes over a broken connection again by itself as long as the body is
small, or begins it anew if `body` is a function. What cannot be repeated raises `Unavailable`, and nothing is stored,
or `OutcomeUnknown` if only the answer was lost. Then the mail server says 451 and sends the message again, and the
token made of `queue_id` lets the vault know it.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import aclosing, asynccontextmanager
from datetime import datetime
from typing import ClassVar

import grpc

from vault.client.bodies import Body
from vault.client.custodian import Custodian
from vault.client.epoch_keys import EpochKeys
from vault.client.fetched import FetchedMessage, MailEnvelope, Parts
from vault.client.mail_opening import BODY, MessageOpening
from vault.client.mail_tokens import Tokens
from vault.client.paging import pages
from vault.client.sealing import Sealing
from vault.client.settings import Settings
from vault.client.streams import STREAM_DEADLINE, download
from vault.client.uploads import Upload
from vault.domain import names
from vault.errors import InvalidArgument
from vault.v1 import mail_service_pb2 as api
from vault.v1.records_pb2 import MESSAGE_KIND_MAIL, Message, MessageKind

PURPOSE = "mail_delivery"


class MailClient(Custodian):
    """Stores messages and gets them out again."""

    purpose: ClassVar[str] = PURPOSE

    def __init__(self, settings: Settings, *, channel: grpc.aio.Channel | None = None) -> None:
        """Connect; the settings must hold the key of mail_delivery.

        Raises:
            ConfigError: they do not.
        """
        super().__init__(settings, channel=channel)
        self._epoch_keys = EpochKeys(self._connection, PURPOSE, settings.purpose_keys.get(PURPOSE, ()))
        self._opening = MessageOpening(settings.pins, self._epoch_keys)
        self._sealing = Sealing(self._connection)
        self._tokens = [Tokens(pair, settings.pins.vault_id) for pair in self._epoch_keys.pairs]

    async def close(self) -> None:
        """Close the connection and overwrite what is left of the epochs' keys."""
        self._sealing.close()
        self._epoch_keys.close()
        await super().close()

    async def store(  # noqa: PLR0913 - what there is to say of a message, mostly left out
        self,
        owner: str,
        envelope: MailEnvelope,
        body: Body,
        *,
        message_id: str = "",
        queue_id: Callable[[], str] = str,
        kind: MessageKind.ValueType = MESSAGE_KIND_MAIL,
        next_hop: str = "",
        due: datetime | None = None,
        deadline: float = STREAM_DEADLINE,
    ) -> api.StoreMessageResponse:
        """Store a message until it is delivered.

        Args:
            owner: `customers/{customer_id}` or `domains/{domain}`.
            envelope: for this owner's recipients.
            body: its pieces, or a function that begins them anew; if it raises, nothing is stored.
            message_id: the record's, chosen by the caller; the SDK's if empty.
            queue_id: asked after the last piece: the name that the mail server before us has for the message, so that
                the same one is not stored twice; empty if it told none.
            kind: mail, unless it is something else.
            next_hop: the way that it will go, if messages are claimed by that.
            due: not to be claimed before.
            deadline: seconds for all of it.

        Raises:
            InvalidArgument: an id or owner has a wrong form, or there is no recipient.
            Unavailable: nothing is stored.
            OutcomeUnknown: nobody knows; see the top.
        """
        if not envelope.recipients:
            raise InvalidArgument("recipients", "must be at least one")
        chosen = names.record_id(message_id or names.new_id(), "message_id")
        upload = Upload(self._connection, self._sealing, names.message_name(names.parse_owner(owner), chosen), BODY)
        header = api.StoreMessageHeader(record_name=upload.record_name, kind=kind)
        tokens = self._tokens[0]
        for address in envelope.recipients:
            header.recipients.add(token=tokens.recipient(address), next_hop=tokens.next_hop(next_hop))
        if due is not None:
            header.due_time.FromDatetime(due)

        def dedupe(digest: bytes) -> bytes:
            return tokens.dedupe(queue_id(), envelope.recipients, digest)

        async with self._connection.streams:
            return await upload.run(header, _record(envelope), body, dedupe, deadline)

    async def claim(
        self,
        max_messages: int = 1,
        *,
        lease_seconds: int = 0,
        dead_letters: bool = False,
        kinds: Iterable[MessageKind.ValueType] = (),
        next_hop: str = "",
    ) -> api.ClaimMessagesResponse:
        """Lease messages that are due, the longest due first; each with the lease_id that its worker shows.

        Args:
            max_messages: up to 100.
            lease_seconds: how long they are this worker's alone; the vault's default if 0.
            dead_letters: those whose time is over, and no others: their senders must be told.
            kinds: of these only; all if empty.
            next_hop: of this way only.
        """
        request = api.ClaimMessagesRequest(
            purpose=PURPOSE,
            max_messages=max_messages,
            lease_seconds=lease_seconds,
            dead_letters=dead_letters,
            kinds=list(kinds),
            next_hop=self._tokens[0].next_hop(next_hop),
        )
        return await self._connection.call(self._connection.mail.ClaimMessages, request)

    @asynccontextmanager
    async def fetch(
        self, record_name: str, *, lease_id: bytes = b"", first_chunk: int = 0, deadline: float = STREAM_DEADLINE
    ) -> AsyncIterator[FetchedMessage]:
        """A message, opened while the context lasts. Nobody acts on its body before it is `verified`.

        Args:
            record_name: of the message.
            lease_id: of a claim, which must be this worker's still; reading needs none.
            first_chunk: where an earlier fetch stopped (`next_chunk`); who joins both must have kept what came before.
            deadline: seconds for all of it.

        Raises:
            NotFound: nothing there that may be known.
            DataLoss: it does not open.
        """
        _, name = names.parse_message_name(record_name)

        def begin(at: int) -> AsyncIterator[object]:
            request = api.FetchMessageRequest(record_name=name, purpose=PURPOSE, first_chunk=at, lease_id=lease_id)
            return download(self._connection, self._connection.mail.FetchMessage, request, ends=ends)

        async with self._connection.streams:
            ends = asyncio.get_running_loop().time() + deadline
            parts = Parts(self._connection, begin, ends)  # type: ignore[arg-type]
            try:
                header = await parts.header(first_chunk)
                envelope = await self._opening.envelope(name, header.message)
                opener = await self._opening.body(name, header.stream, first_chunk)
                yield FetchedMessage(envelope, header, opener, parts)
            finally:
                await parts.close()

    async def complete(
        self, record_name: str, lease_id: bytes, results: Iterable[api.DeliveryResult], *, request_id: str = ""
    ) -> api.CompleteDeliveryResponse:
        """Say what became of recipients, by their places; with the last of them the message is gone."""
        request = api.CompleteDeliveryRequest(
            record_name=record_name, lease_id=lease_id, results=list(results), request_id=request_id
        )
        return await self._connection.call(self._connection.mail.CompleteDelivery, request)

    async def release(
        self,
        record_name: str,
        lease_id: bytes,
        reason: api.ReleaseReason.ValueType,
        *,
        status: str = "",
        next_attempt: datetime | None = None,
        request_id: str = "",
    ) -> api.ReleaseMessageResponse:
        """Give a message back, to be claimed again; at once if no time is given."""
        request = api.ReleaseMessageRequest(
            record_name=record_name, lease_id=lease_id, reason=reason, status=status, request_id=request_id
        )
        if next_attempt is not None:
            request.next_attempt_time.FromDatetime(next_attempt)
        return await self._connection.call(self._connection.mail.ReleaseMessage, request)

    async def extend_lease(self, record_name: str, lease_id: bytes, seconds: int = 0) -> api.ExtendLeaseResponse:
        """Keep a message for so many seconds from now; the vault's default if 0."""
        request = api.ExtendLeaseRequest(record_name=record_name, lease_id=lease_id, lease_seconds=seconds)
        return await self._connection.call(self._connection.mail.ExtendLease, request)

    async def get_message(self, record_name: str) -> api.QueuedMessage:
        """How a message stands in the queue; nothing is opened."""
        request = api.GetMessageRequest(record_name=record_name, purpose=PURPOSE)
        return (await self._connection.call(self._connection.mail.GetMessage, request)).message

    async def depth(self) -> api.QueueDepth:
        """How the whole queue stands."""
        request = api.ListMessagesRequest(purpose=PURPOSE, page_size=1)
        return (await self._connection.call(self._connection.mail.ListMessages, request)).depth

    async def list_messages(
        self,
        *,
        owner: str = "",
        recipient: str = "",
        next_hop: str = "",
        state: api.MessageState.ValueType = api.MESSAGE_STATE_UNSPECIFIED,
        order: api.MessageOrder.ValueType = api.MESSAGE_ORDER_UNSPECIFIED,
    ) -> AsyncIterator[api.QueuedMessage]:
        """What waits, in plain parts only: of an owner, a recipient, a way, a state; all if nothing is said.

        A recipient's or a way's token is made with each key that this client holds, so that messages which were stored
        before the key was changed are found as well.
        """
        for tokens in self._tokens if recipient or next_hop else self._tokens[:1]:
            request = api.ListMessagesRequest(
                purpose=PURPOSE,
                owner=owner,
                state=state,
                order=order,
                recipient_token=tokens.recipient(recipient) if recipient else b"",
                next_hop=tokens.next_hop(next_hop),
            )
            async with aclosing(pages(self._connection, self._connection.mail.ListMessages, request)) as found:  # type: ignore[type-var]
                async for page in found:
                    for message in page.messages:
                        yield message


def _record(envelope: MailEnvelope) -> Message:
    record = Message(sender=envelope.sender)
    record.recipients.addresses.extend(envelope.recipients)
    if envelope.dsn is not None:
        record.dsn.CopyFrom(envelope.dsn)
    return record
