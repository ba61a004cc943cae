"""Looking something up in the log: by topic (a customer's pseudonym), or by bytes that its entries contain.

By topic there is an index, of buckets that the layer above makes and seals (`vault.audit.topics`); here they are bytes.
It is written in bulk, apart from the commits of reads, which are the hot path. By any other bytes, a caller's name, the
entries themselves are read: some 1.2 µs each, for a question that is asked when a certificate was stolen.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from vault.domain.names import RecordName


class StoredBucket(NamedTuple):
    """One bucket of the topics of the entries from `start` to before `end`."""

    start: int
    end: int
    stored: bytes


class LogSearch(Protocol):
    """Searches of the log, and of whom it is about."""

    async def customers(self, after: str, limit: int) -> Sequence[RecordName]:
        """Names of customer records, ascending, after the name `after`."""

    async def log_entries_with(self, log_id: str, needle: bytes, start: int, end: int) -> Sequence[tuple[int, bytes]]:
        """(index, entry) of the entries from index `start` to before `end` that contain these bytes, ascending.

        The bytes may stand anywhere in an entry; whoever asks parses it. A call occupies the reader for as long as it
        takes, so a long log is searched in windows.
        """

    async def log_topics(self, log_id: str, bucket: int) -> Sequence[StoredBucket]:
        """The buckets of one number, ascending by start."""

    async def add_log_topics(self, log_id: str, start: int, end: int, buckets: Sequence[bytes]) -> None:
        """Keep all buckets of a stretch, numbered from 0, in place of any that began at the same entry."""

    async def drop_log_topics(self, log_id: str, start: int) -> None:
        """Remove the buckets of the stretches that begin at an entry or after it."""
