"""What a sweep asks of a database: which rows say that their time is over.

A row's own `expires_at` is only a hint of where to look. Whoever may write in the database may write another time
there; what counts is the one under the record lock, so the sweep opens each record before it acts.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

from vault.domain.names import Owner, RecordName


class Place(NamedTuple):
    """Where a row stands in the order of their ends."""

    expires_at: int
    owner: Owner
    record_name: RecordName


FIRST: Final = Place(0, Owner(""), RecordName(""))
"""Before every row that ends: those have an end of at least 1."""


class ExpiryStore(Protocol):
    """Rows by their end."""

    async def expired(self, now: int, after: Place, limit: int) -> Sequence[Place]:
        """Rows with an end from 1 to `now`, by end, owner and name, after a place."""
