"""An index of the log by topic: in which entries a pseudonym stands, without reading the others.

A topic is 16 bytes: a customer's pseudonym, or `ORDERS` for the entries that change an order of disclosure. Topics are
random, so their first byte is a fair hash: the entries of a stretch of the log are sorted into 256 buckets by it, and
who looks for a topic reads one bucket of each stretch. Of a topic a bucket keeps 6 bytes more, and of an entry its
distance from the start of the stretch: 8 bytes for each topic of each entry.

The index is a hint, never a witness. Whoever writes the store could take a read out of it, so each bucket, an empty one
too, is sealed with a MAC under a key that the vault alone has: over the log, the stretch and the number of the bucket.
What does not verify, and what no bucket covers, is looked up in the log itself (`vault.service.log_index`). A bucket
that names too much does no harm: an entry that it names is parsed and asked.

A stretch ends after so many topics, not after so many entries: an entry of a batch has a hundred.
"""

import hmac
from collections.abc import Iterator
from typing import Final

from vault.crypto.context import encode
from vault.domain.secret import Secret
from vault.store.v1.audit_entry_pb2 import AuditEntry

BUCKETS: Final = 256
FULL: Final = 16_384
"""Topics of a stretch, and entries: a distance has two bytes."""
ORDERS: Final = b"disclosure order"
"""The topic of entries that say which version of an order counts; 16 bytes that no random pseudonym is."""
_KEPT = slice(1, 7)
_PAIR: Final = 8
_MAC: Final = 16


def topics_of(entry: AuditEntry) -> set[bytes]:
    """What an entry is about."""
    topics = set(entry.subjects)
    if entry.order_row:
        topics.add(ORDERS)
    return topics


class Stretch:
    """Entries from `start` to before `end`, being sorted into buckets."""

    def __init__(self, start: int) -> None:
        self.start = self.end = start
        self._topics = 0
        self._buckets = [bytearray() for _ in range(BUCKETS)]

    def add(self, topics: set[bytes]) -> None:
        """Take the next entry in."""
        distance = (self.end - self.start).to_bytes(2, "big")
        for topic in topics:
            self._buckets[topic[0]] += topic[_KEPT] + distance
        self._topics += len(topics)
        self.end += 1

    @property
    def full(self) -> bool:
        """Whether the next entry belongs to the next stretch."""
        return self._topics >= FULL or self.end - self.start >= FULL

    def find(self, topic: bytes) -> Iterator[int]:
        """Entries that have the topic, and hardly any other."""
        return _places(bytes(self._buckets[topic[0]]), topic, self.start)

    def sealed(self, seal: "Seal") -> list[bytes]:
        """All buckets, as they are stored."""
        bounds = self.start, self.end
        return [seal.make(bounds, number, bytes(pairs)) for number, pairs in enumerate(self._buckets)]


class Seal:
    """Makes and checks the buckets of one log."""

    def __init__(self, key: Secret, vault_id: bytes, log_id: str) -> None:
        self._key = key
        self._context = encode("customer-vault/1 log-index", vault_id, log_id)

    def make(self, bounds: tuple[int, int], number: int, pairs: bytes) -> bytes:
        """A bucket as it is stored: MAC (16 bytes) and pairs."""
        text = self._context + encode(*bounds, number, pairs)
        return hmac.digest(self._key.reveal(), text, "sha256")[:_MAC] + pairs

    def holds(self, bounds: tuple[int, int], number: int, stored: bytes) -> bool:
        """Whether this vault made a bucket, for this stretch and number."""
        start, end = bounds
        return 0 <= start < end and hmac.compare_digest(self.make(bounds, number, stored[_MAC:]), stored)


def find_stored(stored: bytes, topic: bytes, start: int) -> Iterator[int]:
    """Entries of a stretch that have a topic, and hardly any other, from the topic's bucket, whose MAC was checked."""
    return _places(stored[_MAC:], topic, start)


def _places(pairs: bytes, topic: bytes, start: int) -> Iterator[int]:
    kept, at = topic[_KEPT], -1
    while (at := pairs.find(kept, at + 1)) >= 0:
        if at % _PAIR == 0:
            yield start + (pairs[at + 6] << 8 | pairs[at + 7])
