"""The index of the log in SQLite: buckets of some 500 bytes, so that five lie in a page.

The number of the bucket comes before the stretch in the key: a search reads the buckets of one number, of all stretches
of a log, in one range of neighbouring rows.
"""

from collections.abc import Callable, Sequence
from typing import Final

from vault.storage.sqlite import rows
from vault.storage.sqlite.stores import Stores

TOPICS: Final = (
    """CREATE TABLE log_topics (
        log_id TEXT NOT NULL, bucket INTEGER NOT NULL, start INTEGER NOT NULL, until INTEGER NOT NULL,
        stored BLOB NOT NULL,
        PRIMARY KEY (log_id, bucket, start)
    ) STRICT, WITHOUT ROWID""",
)
BUCKETS_OF: Final = "SELECT start, until, stored FROM log_topics WHERE log_id = ? AND bucket = ? ORDER BY start"
_ADD = "INSERT OR REPLACE INTO log_topics (log_id, bucket, start, until, stored) {values}"


def add(log_id: str, start: int, end: int, buckets: Sequence[bytes]) -> Callable[[Stores], None]:
    """Keep all buckets of a stretch."""
    values = [(log_id, number, start, end, stored) for number, stored in enumerate(buckets)]

    def job(stores: Stores) -> None:
        with stores.data_transaction() as data:
            rows.execute(data, _ADD, values)
        stores.written += sum(map(len, buckets))

    return job


def drop(log_id: str, start: int) -> Callable[[Stores], None]:
    """Remove the buckets from a stretch on."""

    def job(stores: Stores) -> None:
        with stores.data_transaction() as data:
            data.execute("DELETE FROM log_topics WHERE log_id = ? AND start >= ?", (log_id, start))

    return job
