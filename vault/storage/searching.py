"""Looking something up in the log by bytes that its entries contain: a customer's pseudonym, a caller's name.

There is no index. It would be written with each read, which is the hot path, at a random place for each record of a
batch (a pseudonym is random), to be used a few times a day: when a customer asks who read its data, when one is erased,
when a certificate was stolen. Measured, a search is some 1.2 µs an entry, so a million entries take a bit more than a
second (an erasure, whose receipt says who had read, as well); and it looks at the bytes that the tree vouches for,
where an index could leave out a read without anybody noticing.
"""

from collections.abc import Sequence
from typing import Protocol

from vault.domain.names import RecordName


class LogSearch(Protocol):
    """Searches of the log, and of whom it is about."""

    async def customers(self, after: str, limit: int) -> Sequence[RecordName]:
        """Names of customer records, ascending, after the name `after`."""

    async def log_entries_with(self, log_id: str, needle: bytes, start: int, end: int) -> Sequence[tuple[int, bytes]]:
        """(index, entry) of the entries from index `start` to before `end` that contain these bytes, ascending.

        The bytes may stand anywhere in an entry; whoever asks parses it. A call occupies the reader for as long as it
        takes, so a long log is searched in windows.
        """
