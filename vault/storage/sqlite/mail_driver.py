"""The port's part for messages in transit, on SQLite: reads go to a reader of its own, all else to the writer."""

from collections.abc import Collection, Sequence

from vault.crypto.record_lock import KeyId
from vault.domain.names import Owner, RecordName
from vault.storage.queue import Chunk, Depth, DueQuery, ListQuery, Queued, Upload
from vault.storage.sqlite import uploads
from vault.storage.sqlite.mail_rows import Mark
from vault.storage.sqlite.queue_reader import QueueReader
from vault.storage.sqlite.writer import Writer


class MailTables:
    """A part of `SqliteStorage`."""

    def __init__(self, reader: QueueReader, writer: Writer) -> None:
        self._queue_reader = reader
        self._writer = writer
        self._running: set[KeyId] = set()
        """Key ids of uploads under way: theirs are the marks that the sweep leaves alone."""

    @property
    def _queue(self) -> QueueReader:
        self._writer.check()
        return self._queue_reader

    async def begin_upload(self, upload: Upload, n: int, wrapped: bytes, now: int) -> bool:
        """See the port."""
        self._running.add(upload.key_id)
        try:
            begun = await self._writer.run(uploads.begin(upload, n, wrapped, now))
        except BaseException:
            self._running.discard(upload.key_id)
            raise
        if not begun:
            self._running.discard(upload.key_id)
        return begun

    async def add_chunks(self, upload: Upload, chunks: Sequence[Chunk]) -> bool:
        """See the port."""
        return await self._writer.run(uploads.add(upload, chunks))

    async def discard_upload(self, upload: Upload) -> None:
        """See the port."""
        try:
            await self._discard(uploads.mark_of(upload))
        finally:
            self._running.discard(upload.key_id)

    def end_upload(self, upload: Upload) -> None:
        """See the port."""
        self._running.discard(upload.key_id)

    async def sweep_chunks(self) -> int:
        """See the port."""
        total = 0
        for mark in await self._writer.run(uploads.marks):
            if mark[2] not in self._running:
                total += await self._discard(mark)
        return total

    async def _discard(self, mark: Mark) -> int:
        total = 0
        while True:
            some, done = await self._writer.run(uploads.discard(mark))
            total += some
            if done:
                return total

    async def read_chunks(self, record: Upload, first: int, limit: int) -> Sequence[Chunk]:
        """See the port."""
        return self._queue.chunks(record, first, limit)

    async def queued(self, names: Collection[RecordName]) -> Sequence[Queued]:
        """See the port."""
        return self._queue.queued(names)

    async def due(self, query: DueQuery) -> Sequence[RecordName]:
        """See the port."""
        return self._queue.due(query)

    async def next_due(self, query: DueQuery) -> int:
        """See the port."""
        return self._queue.next_due(query)

    async def list_queue(self, query: ListQuery) -> Sequence[RecordName]:
        """See the port."""
        return self._queue.listed(query)

    async def depth(self, now: int) -> Depth:
        """See the port."""
        return self._queue.depth(now)

    async def duplicate(self, owner: Owner, token: bytes) -> RecordName | None:
        """See the port."""
        return self._queue.duplicate(owner, token)

    async def forget_dedupe(self, before: int) -> int:
        """See the port."""
        total = 0
        while gone := await self._writer.run(uploads.forget_dedupe(before)):
            total += gone
        return total
