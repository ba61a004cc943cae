"""Which requests are sent again, and when.

A call that met a broken connection, or a vault that said "not now", is sent again: the same bytes, under the same
request_id, after a pause, until the time it has is used up. A vault that has answered this client before is waited for
until the deadline: most likely it restarts, and how long that takes is its machine's affair. One that never has is
given three seconds, since a wrong `target` should be told soon. A request that may have arrived is sent again only if
a second arrival is harmless: a read, or a write whose request has a `request_id`. A sealed card is not sealed again
for it, so it arrives under the same salt.

A vault that says RATE_LIMITED has done nothing, so its caller waits as long as it says and sends again, anything.

gRPC's own retries are not used: they know neither CANCELLED nor what has a `request_id`, and after ten failures they
stop for all callers of a channel, which are fewer than a service has calls under way when its vault restarts.
"""

import asyncio
import secrets
from collections.abc import Iterator
from itertools import chain, repeat

from google.protobuf.message import Message

from vault.client.unanswered import Failure
from vault.errors import RateLimited

PAUSES = (0.1, 0.3, 0.9, 0.9, 0.9)
"""Seconds before a request is sent again, give or take a fifth; the last one is repeated if the vault is known."""

_SHORTEST = 0.8
_LEAST = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32)
"""Seconds before a request that was over a limit is sent again, however short the vault says; then always the last.
Forty-eight calls that each come back every 10 ms would keep the vault busy with refusing them."""
_READS = ("Get", "BatchGet", "List", "Find", "Explain")


def is_read(request: type[Message] | Message) -> bool:
    """Whether a request, which is named after its method, changes nothing."""
    return request.DESCRIPTOR.name.startswith(_READS)


def has_request_id(request: type[Message] | Message) -> bool:
    """Whether the vault can tell that it has seen a request before."""
    return "request_id" in request.DESCRIPTOR.fields_by_name


def may_repeat(request: type[Message] | Message) -> bool:
    """Whether a second arrival of the same request is harmless."""
    return is_read(request) or has_request_id(request)


def pauses(*, known: bool) -> Iterator[float]:
    """The pauses of one call.

    Args:
        known: whether this vault has answered this client before; then only the deadline ends them.
    """
    return chain(PAUSES, repeat(PAUSES[-1])) if known else iter(PAUSES)


def limited() -> Iterator[float]:
    """The least pauses of one call whose caller is over a limit."""
    return chain(_LEAST, repeat(_LEAST[-1]))


def after(failure: Failure, left: Iterator[float], least: Iterator[float]) -> float | None:
    """Seconds until the next attempt: as long as the vault says to a caller over its limit, else the next pause.

    A limit takes no pause away: the vault is well, and the request has its turn as long as its deadline lasts.
    """
    if isinstance(failure.error, RateLimited):
        return max(next(least), failure.error.after) / _SHORTEST  # not before it, whichever way the pause is rounded
    return next(left, None)


async def paused(seconds: float | None, ends: float) -> bool:
    """Wait before another attempt; or say that there is no time for it.

    Args:
        seconds: None if there were pauses enough.
        ends: when the call must be over, by the loop's clock.
    """
    if seconds is None:
        return False
    seconds *= _SHORTEST + secrets.randbelow(400) / 1000  # not all callers at once
    if asyncio.get_running_loop().time() + seconds >= ends:
        return False
    await asyncio.sleep(seconds)
    return True
