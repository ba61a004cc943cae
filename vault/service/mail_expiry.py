"""What goes with a message that has come to its end: its chunks, whose key the sweep of all records has destroyed.

Its place in the queue goes with the record's row. A dead letter needs no stay: its record's end is later than the end
of deliveries, by as long as its sender can be told (`mail_states.BOUNCE_MS`).
"""

from collections.abc import Collection, Sequence

from vault.domain.names import RecordName
from vault.service.call import Call
from vault.service.opening import Opened
from vault.storage.queue import MailStore


class Expired:
    """The companion of messages in the sweep."""

    def __init__(self, store: MailStore) -> None:
        self._store = store

    async def stay(self, _call: Call, _records: Sequence[Opened]) -> Collection[RecordName]:
        """None."""
        return ()

    async def gone(self, _call: Call, _records: Sequence[RecordName]) -> None:
        """Chunks follow."""
        await self._store.sweep_chunks()
