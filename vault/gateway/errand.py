"""One message on its way: fetched, handed over, and its recipients settled or given back.

What a reply of the next hop means for a recipient:

    2xx     delivered: completed at once, before anything else is done for the others
    4xx     given back, and tried again later
    5xx     the sender is told, unless there is none or it asked not to be; completed when the next hop has the report

A message whose time is over is not tried again, and all that are left of its recipients are told of. So is one whose
text must not be sent on: it was broken off in the middle, and with it the connection, so it is a dead letter from now
on, and whoever claims those tells the sender.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Final

import structlog

from vault.errors import OutcomeUnknown, RateLimited, ResourceExhausted, Unavailable, VaultError
from vault.gateway import backoff, trace
from vault.gateway.counts import Counts
from vault.gateway.next_hop import NextHop, Unfit, Unreachable
from vault.gateway.port import Claimed, Envelope, Fate, Fetched, MailStore, Recipient, Result, Why
from vault.gateway.reply import Reply
from vault.gateway.report import Failure, report, to_be_told

log = structlog.get_logger()

_PASSING: Final = (Unavailable, OutcomeUnknown, ResourceExhausted, RateLimited)
_SETTLE_TRIES: Final = 8
_SETTLE_FIRST_S, _SETTLE_LONGEST_S = 0.5, 20.0
_TOO_OLD: Final = "not delivered in the time that a message may be kept"


class Errand:
    """One message, once."""

    def __init__(
        self, store: MailStore, hostname: str, counts: Counts, message: Claimed, first_retry: float = backoff.FIRST_S
    ) -> None:
        self._store = store
        self._hostname = hostname
        self._counts = counts
        self._message = message
        self._first_retry = first_retry
        self._top = b""

    async def run(self, hop: NextHop) -> None:
        """Do what can be done now; raises nothing but a cancellation."""
        try:
            await self._run(hop)
        except Unreachable:
            self._counts.add("relayed", "tempfail")
            await self._give_back(Why.UNREACHABLE)
        except Unfit as unfit:
            self._counts.add("relayed", "unfit")
            await self._give_back(Why.UNDELIVERABLE, unfit.reply.status)
        except VaultError as error:
            hop.abort()
            self._counts.add("trouble", "deliver")
            log.warning("a message was not handed over", error=type(error).__name__)
            await self._give_back(Why.TEMPORARY)
        except asyncio.CancelledError:
            hop.abort()
            raise

    async def _run(self, hop: NextHop) -> None:
        async with self._store.fetch(self._message) as fetched:
            envelope, waiting = fetched.envelope, fetched.waiting
            replies = await self._replies(hop, fetched)
        taken = {place: reply for place, reply in zip(waiting, replies, strict=True) if reply.taken}
        refused = {p: r for p, r in zip(waiting, replies, strict=True) if not (r.taken or r.passing)}
        self._counts.add("relayed", "delivered", len(taken))
        await self._settle({place: Result(Fate.DELIVERED, reply.status) for place, reply in taken.items()})
        if refused:
            await self._settle(await self._refused(hop, envelope, refused))
        if len(taken) + len(refused) < len(waiting):
            self._counts.add("relayed", "tempfail", len(waiting) - len(taken) - len(refused))
            await self._give_back(Why.TEMPORARY, next(reply.status for reply in replies if reply.passing))

    async def _replies(self, hop: NextHop, fetched: Fetched) -> Sequence[Reply]:
        """The last word on each recipient who waits."""
        recipients = [fetched.envelope.recipients[place] for place in fetched.waiting]
        # The first piece is read before the next hop is asked: it has the headers, if there will be a report.
        self._top = await anext(fetched.body, b"")
        if self._message.dead:
            return [Reply(554, self._message.status or "4.4.7", _TOO_OLD)] * len(recipients)
        return await hop.deliver(fetched.envelope, recipients, self._text(fetched.body), self._message.size)

    async def _text(self, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        yield self._top
        async for piece in rest:
            yield piece

    async def _refused(self, hop: NextHop, envelope: Envelope, replies: Mapping[int, Reply]) -> dict[int, Result]:
        """Tell the sender; what became of the recipients by that."""
        failures = {
            place: Failure(envelope.recipients[place], reply.status or "5.0.0", str(reply))
            for place, reply in replies.items()
        }
        told = to_be_told(envelope, list(failures.values()))
        self._counts.add("relayed", "failed", len(failures))
        sent = bool(told) and await self._report(hop, envelope, told)
        return {
            place: Result(Fate.BOUNCED if sent and failure in told else Fate.DROPPED, failure.status)
            for place, failure in failures.items()
        }

    async def _report(self, hop: NextHop, envelope: Envelope, told: Sequence[Failure]) -> bool:
        """Hand over the report; whether the next hop takes it, or (False) never will.

        Raises:
            Unreachable: not now.
        """
        letter = report(self._hostname, envelope, told, self._message.arrived, trace.headers(self._top))
        # Only an address to which it goes needs SMTPUTF8: what the report quotes stands in parts of their own types
        # (RFC 6533). Asked for without need, a next hop that refused the message for it would refuse the report too.
        sender = Envelope("", (), body="8BITMIME", smtputf8=not envelope.sender.isascii())
        [reply] = await hop.deliver(sender, [Recipient(envelope.sender, "NEVER")], _once(letter), len(letter))
        if reply.passing:
            raise Unreachable
        self._counts.add("bounced", "sent" if reply.taken else "none")
        if not reply.taken:
            log.error("a report of non-delivery was refused for good: nobody is told", code=str(reply.code))
        return reply.taken

    async def _settle(self, results: Mapping[int, Result]) -> None:
        """Complete; while the vault is away for a moment, wait for it: else a recipient would get a second copy."""
        for tried in range(1, _SETTLE_TRIES + 1):
            if not results:
                return
            try:
                await self._store.complete(self._message, results)
                return  # noqa: TRY300 - the way out of the loop
            except _PASSING:
                self._counts.add("trouble", "settle")
                if tried == _SETTLE_TRIES:
                    raise
                await asyncio.sleep(backoff.wait(tried, _SETTLE_FIRST_S, _SETTLE_LONGEST_S))

    async def _give_back(self, why: Why, status: str = "") -> None:
        try:
            after = backoff.wait(self._message.attempts, self._first_retry)
            await self._store.release(self._message, after, why, status)
        except VaultError as error:
            # It is due again when the lease ends.
            self._counts.add("trouble", "settle")
            log.warning("a message could not be given back", error=type(error).__name__)


async def _once(letter: bytes) -> AsyncIterator[bytes]:
    yield letter
