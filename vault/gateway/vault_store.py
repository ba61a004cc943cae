"""The vault as the gateway's store: the port, filled in with the SDK.

Messages go in and come out through two clients, since each has a bound on the bodies that are under way: a relay whose
next hop is slow must not keep mail from coming in.
"""

import math
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Final

from vault.client.fetched import MailEnvelope
from vault.client.mail import MailClient
from vault.domain.names import Owner
from vault.errors import InvalidArgument
from vault.gateway.port import Claimed, Depth, Envelope, Fate, Fetched, Recipient, Result, Why
from vault.v1 import mail_service_pb2 as api
from vault.v1.records_pb2 import DeliveryParameters

_STATES: Final = {
    Fate.DELIVERED: api.RECIPIENT_STATE_DELIVERED,
    Fate.BOUNCED: api.RECIPIENT_STATE_BOUNCED,
    Fate.DROPPED: api.RECIPIENT_STATE_DROPPED,
}
_REASONS: Final = {
    Why.TEMPORARY: api.RELEASE_REASON_TEMPORARY_FAILURE,
    Why.UNREACHABLE: api.RELEASE_REASON_UNREACHABLE,
    Why.STOPPED: api.RELEASE_REASON_WORKER_STOPPED,
    Why.UNDELIVERABLE: api.RELEASE_REASON_UNDELIVERABLE,
}
_TOO_LARGE: Final = frozenset({"chunk", "header.stream.length"})
"""Fields of an upload that the vault names when its limit (mail.max_message_bytes) is passed."""
FETCH_S: Final = 3600.0
"""For one message, at the pace of the next hop."""


class VaultStore:
    """Messages in the vault."""

    def __init__(self, front: MailClient, relay: MailClient, *, lease: float, store_seconds: float) -> None:
        """Make it.

        Args:
            front: for what comes in.
            relay: for all else.
            lease: seconds that a message is a worker's.
            store_seconds: for a whole message, at the pace of who sends it.
        """
        self._front = front
        self._relay = relay
        self._lease = round(lease)
        self._store_seconds = store_seconds

    async def store(
        self, owner: Owner, envelope: Envelope, body: AsyncIterator[bytes], queue_id: Callable[[], str]
    ) -> None:
        """Seal and store; durable when it returns."""
        try:
            await self._front.store(owner, _sealed(envelope), body, queue_id=queue_id, deadline=self._store_seconds)
        except InvalidArgument as error:
            if error.field in _TOO_LARGE:
                raise InvalidArgument("size", error.rule) from None
            raise

    async def claim(self, *, dead: bool = False) -> tuple[Claimed | None, float]:
        """Lease what is due."""
        found = await self._relay.claim(lease_seconds=self._lease, dead_letters=dead)
        if found.messages:
            return _claimed(found.messages[0], dead=dead), 0.0
        if not found.HasField("next_due_time"):
            return None, math.inf
        return None, (found.next_due_time.ToDatetime(UTC) - datetime.now(UTC)).total_seconds()

    @asynccontextmanager
    async def fetch(self, message: Claimed) -> AsyncIterator[Fetched]:
        """Open."""
        async with self._relay.fetch(message.name, lease_id=message.lease, deadline=FETCH_S) as opened:
            waiting = tuple(
                each.recipient for each in opened.status.recipients if each.state == api.RECIPIENT_STATE_WAITING
            )
            yield Fetched(_opened(opened.envelope), waiting, opened.chunks())

    async def complete(self, message: Claimed, results: Mapping[int, Result]) -> None:
        """Note results; the last destroys the message's key."""
        each = [
            api.DeliveryResult(recipient=place, state=_STATES[result.fate], status=result.status)
            for place, result in results.items()
        ]
        await self._relay.complete(message.name, message.lease, each)

    async def release(self, message: Claimed, after: float, why: Why, status: str = "") -> None:
        """Give back."""
        due = datetime.now(UTC) + timedelta(seconds=after)
        await self._relay.release(message.name, message.lease, _REASONS[why], status=status, next_attempt=due)

    async def extend(self, message: Claimed) -> None:
        """Keep."""
        await self._relay.extend_lease(message.name, message.lease, self._lease)

    async def depth(self) -> Depth:
        """All that is not delivered: waiting, in a worker's hands, or to be told of."""
        depth = await self._relay.depth()
        messages = depth.waiting + depth.leased + depth.dead
        oldest = depth.oldest_create_time.ToDatetime(UTC) if messages else None
        age = (datetime.now(UTC) - oldest).total_seconds() if oldest else 0.0
        return Depth(messages, max(age, 0.0))


def _claimed(each: api.ClaimedMessage, *, dead: bool) -> Claimed:
    message = each.message
    return Claimed(
        name=message.record_name,
        size=message.size,
        arrived=message.create_time.ToDatetime(UTC).timestamp(),
        attempts=message.attempts,
        dead=dead,
        status=message.last_status,
        lease=each.lease_id,
    )


def _sealed(envelope: Envelope) -> MailEnvelope:
    recipients = envelope.recipients
    dsn = DeliveryParameters(
        ret=envelope.ret,
        envid=envelope.envid,
        notify=[each.notify for each in recipients],
        orcpt=[each.orcpt for each in recipients],
        body=envelope.body,
        smtputf8=envelope.smtputf8,
    )
    return MailEnvelope(tuple(each.address for each in recipients), envelope.sender, dsn)


def _opened(envelope: MailEnvelope) -> Envelope:
    dsn = envelope.dsn or DeliveryParameters()
    # Another program than ours may have stored it, and said less.
    notify, orcpt = (dict(enumerate(words)) for words in (dsn.notify, dsn.orcpt))
    recipients = tuple(
        Recipient(address, notify.get(place, ""), orcpt.get(place, ""))
        for place, address in enumerate(envelope.recipients)
    )
    return Envelope(envelope.sender, recipients, dsn.body, dsn.smtputf8, dsn.ret, dsn.envid)
