"""Orders in the order in which they came, and whose are no more: what somebody follows who keeps a copy.

The feed is written with the rows it is about, in their transactions, so nothing is in one and not in the other. It is
only a list of where to look: an order counts once its record opens, and an erasure once there is a tombstone.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from vault.domain.names import Owner, RecordName


class FeedItem(NamedTuple):
    """An order that was made; or, if the name is empty, that all orders of its owner are gone with it."""

    seq: int
    """Ascending, never used again."""
    owner: Owner
    record_name: RecordName


class OrderFeed(Protocol):
    """What is asked of it."""

    async def order_feed(self, after: int, limit: int) -> Sequence[FeedItem]:
        """The items after a number, ascending."""
