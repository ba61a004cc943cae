"""The port's methods on SQLite: reads go to the reader, all else to the writer."""

import asyncio
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from vault.crypto.record_lock import KeyId
from vault.domain.names import Owner, RecordName
from vault.errors import OutcomeUnknown, VaultError
from vault.storage.expiring import Place
from vault.storage.feed import FeedItem
from vault.storage.port import (
    ClockNote,
    Committed,
    Erased,
    EraseEntry,
    FinishEntry,
    Locked,
    Purged,
    Row,
    SeenRequest,
    Work,
    WrappedKey,
)
from vault.storage.searching import StoredBucket
from vault.storage.sqlite import startup, system, topics, visits
from vault.storage.sqlite.erase import Erasure, Unfinished
from vault.storage.sqlite.mail_driver import MailTables
from vault.storage.sqlite.purge import purge
from vault.storage.sqlite.queue_reader import QueueReader
from vault.storage.sqlite.reader import Reader, count_retired
from vault.storage.sqlite.sweep import sweep
from vault.storage.sqlite.writer import Writer
from vault.storage.stats import StoreFigures, WriterStats
from vault.storage.system import SystemRow, VaultKeyRow
from vault.storage.visits import CountedBy

ERASURE_WAITS_S = 15.0
"""For a backup of the key store; the writer serves others meanwhile."""
ERASURE_AGAIN_S = 0.5


class SqliteStorage(MailTables):
    """A vault's two stores in two SQLite files; to be used on the event loop that opened it."""

    def __init__(
        self, reader: Reader, queue: QueueReader, writer: Writer, lock: startup.Lock, data_path: Path, keys_path: Path
    ) -> None:
        super().__init__(queue, writer)
        self._data_path = data_path
        self._keys_path = keys_path
        self._reader = reader
        self._lock = lock

    @classmethod
    async def create(cls, data_path: Path, keys_path: Path, vault_id: bytes) -> None:
        """Make both files, for this user only.

        Raises:
            ConfigError: one is there already, or cannot be made.
        """
        await asyncio.to_thread(startup.create, data_path, keys_path, vault_id)

    @classmethod
    async def open(cls, data_path: Path, keys_path: Path, *, fatal: Callable[[str], None]) -> "SqliteStorage":
        """Open both files; `fatal` is called on the event loop if the process can no longer trust its disk.

        Raises:
            ConfigError: a file is missing, readable by others, in use, damaged or older than the other.
        """
        startup.check_files(data_path, keys_path)
        lock = startup.Lock(keys_path)
        writer = Writer(fatal)
        try:
            await writer.start(lambda: startup.open_stores(data_path, keys_path))
            reader = Reader(data_path, keys_path)
            queue = QueueReader(data_path)
        except BaseException:
            writer.stop()
            await writer.stopped()
            lock.release()
            raise
        return cls(reader, queue, writer, lock, data_path, keys_path)

    async def figures(self) -> StoreFigures:
        """See the port."""
        retired = await asyncio.to_thread(count_retired, self._keys_path)
        return StoreFigures(self._writer.queue, self._writer.owed, retired)

    @property
    def writer_stats(self) -> WriterStats:
        """See the port."""
        return self._writer.stats

    async def close(self) -> None:
        """Finish what is queued, checkpoint and close."""
        self._writer.stop()
        self._queue_reader.close()
        self._reader.close()  # before the writer's: the last to close takes the WAL away, if it may write
        await self._writer.stopped()
        self._lock.release()

    @property
    def _read(self) -> Reader:
        self._writer.check()
        return self._reader

    # RecordStore

    async def fetch(self, names: Sequence[RecordName]) -> Mapping[RecordName, Row]:
        """See the port."""
        return self._read.fetch(names)

    async def fetch_locked(self, names: Sequence[RecordName]) -> Sequence[Locked]:
        """See the port."""
        return self._read.fetch_locked(names)

    async def fetch_keys(self, rows: Sequence[Row]) -> Mapping[KeyId, WrappedKey]:
        """See the port."""
        return self._read.fetch_keys(rows)

    async def list_rows(self, owner: Owner, prefix: str, after: str, limit: int) -> Sequence[Row]:
        """See the port."""
        return self._read.list_rows(owner, prefix, after, limit)

    async def find(
        self, field: str, tokens: Sequence[tuple[int, bytes]], after: str, limit: int
    ) -> Sequence[RecordName]:
        """See the port."""
        return self._read.find(field, tokens, after, limit)

    async def seen_request(self, caller: str, request_id: str) -> SeenRequest | None:
        """See the port."""
        return self._read.seen_request(caller, request_id)

    async def erased(self, owner: Owner) -> bool:
        """See the port."""
        return self._read.erased(owner)

    async def hidden(self, names: Sequence[RecordName], created_before: int) -> Collection[RecordName]:
        """See the port."""
        # Mostly there is no key either. Where there is one, the writer looks again, between two turns.
        if not (keyed := self._read.keyed(names, created_before)):
            return ()
        return await self._writer.run(system.without_row(keyed))

    async def commit(self, work: Work) -> Committed:
        """See the port."""
        return await self._writer.commit(work)

    async def destroy_keys(self, owner: Owner, record_name: RecordName) -> int:
        """See the port."""
        return await self._writer.run(system.destroy_keys(owner, record_name))

    async def erase(self, owner: Owner, erased_at: int, log_id: str, finish: EraseEntry) -> Erased:
        """See the port."""
        erasure, until = Erasure(owner, erased_at, log_id, finish), time.monotonic() + ERASURE_WAITS_S
        while True:
            try:
                done = await self._writer.run(erasure.run)
            except OutcomeUnknown:
                if not erasure.in_the_way or time.monotonic() > until:
                    raise
            else:
                # Their keys are gone; what is left of them here goes in steps, now or with the next sweep.
                with suppress(VaultError):
                    await self.sweep_chunks()
                return done
            await asyncio.sleep(ERASURE_AGAIN_S)

    # SystemStore

    async def vault_id(self) -> bytes:
        """See the port."""
        return self._read.vault_id()

    async def vault_keys(self) -> Sequence[VaultKeyRow]:
        """See the port."""
        return self._read.vault_keys()

    async def add_vault_key(self, row: VaultKeyRow) -> None:
        """See the port."""
        await self._writer.run(system.add_vault_key(row))

    async def system_row(self, kind: str, row: str, version: int | None = None) -> SystemRow | None:
        """See the port."""
        return self._read.system_row(kind, row, version)

    async def system_rows(
        self, kind: str, prefix: str = "", after: str = "", limit: int = 1 << 31
    ) -> Sequence[SystemRow]:
        """See the port."""
        return self._read.system_rows(kind, prefix, after, limit)

    async def count_system_rows(self, kind: str, prefix: str) -> int:
        """See the port."""
        return self._read.count_system_rows(kind, prefix)

    async def add_system_rows(self, rows: Sequence[SystemRow], *, ignore_existing: bool = False) -> int:
        """See the port."""
        return await self._writer.run(system.add_system_rows(rows, ignore_existing=ignore_existing))

    async def remove_system_rows(self, kind: str, before: str) -> None:
        """See the port."""
        await self._writer.run(system.remove_system_rows(kind, before))

    # LogStore

    async def acquire_log(self, log_id: str, holder: str, now: int, lease_ms: int) -> bool:
        """See the port."""
        return await self._writer.run(system.acquire_log(log_id, holder, now, lease_ms))

    async def log_ids(self) -> Sequence[str]:
        """See the port."""
        return self._read.log_ids()

    async def log_size(self, log_id: str) -> int:
        """See the port."""
        return self._read.log_size(log_id)

    async def log_entries(self, log_id: str, start: int, limit: int) -> Sequence[tuple[int, bytes]]:
        """See the port."""
        return self._read.log_entries(log_id, start, limit)

    async def customers(self, after: str, limit: int) -> Sequence[RecordName]:
        """See the port."""
        return self._read.customers(after, limit)

    async def log_entries_with(self, log_id: str, needle: bytes, start: int, end: int) -> Sequence[tuple[int, bytes]]:
        """See the port."""
        return self._read.log_entries_with(log_id, needle, start, end)

    async def log_topics(self, log_id: str, bucket: int) -> Sequence[StoredBucket]:
        """See the port."""
        return self._read.log_topics(log_id, bucket)

    async def add_log_topics(self, log_id: str, start: int, end: int, buckets: Sequence[bytes]) -> None:
        """See the port."""
        await self._writer.run(topics.add(log_id, start, end, buckets))

    async def drop_log_topics(self, log_id: str, start: int) -> None:
        """See the port."""
        await self._writer.run(topics.drop(log_id, start))

    async def add_checkpoint(self, log_id: str, size: int, note: str) -> None:
        """See the port."""
        await self._writer.run(system.add_checkpoint(log_id, size, note))

    async def newest_checkpoint(self, log_id: str) -> tuple[int, str] | None:
        """See the port."""
        return self._read.newest_checkpoint(log_id)

    async def order_feed(self, after: int, limit: int) -> Sequence[FeedItem]:
        """See the port."""
        return self._read.order_feed(after, limit)

    # VisitStore

    async def visits_by_name(self, by: CountedBy, start: int, end: int) -> Sequence[tuple[str, int]]:
        """See the port."""
        self._writer.check()
        return await asyncio.to_thread(visits.by_name, self._data_path, by, start, end)

    async def visits_by_hour(self, start: int, end: int) -> Sequence[tuple[int, int]]:
        """See the port."""
        self._writer.check()
        return await asyncio.to_thread(visits.by_hour, self._data_path, start, end)

    async def forget_visits(self, before: int) -> int:
        """See the port."""
        total = 0
        while gone := await self._writer.run(visits.forget(before)):
            total += gone
        return total

    # Upkeep

    async def finish_erasures(self, log_id: str, finish: FinishEntry) -> Sequence[Owner]:
        """See the port."""
        return await self._writer.run(Unfinished(log_id, finish).run)

    async def forget_requests(self, before: int) -> int:
        """See the port."""
        total = 0
        while gone := await self._writer.run(system.forget_requests(before)):
            total += gone
        return total

    async def expired(self, now: int, after: Place, limit: int) -> Sequence[Place]:
        """See the port."""
        return self._read.expired(now, after, limit)

    async def clock_note(self) -> ClockNote | None:
        """See the port."""
        return self._read.clock_note()

    async def note_clock(self, note: ClockNote) -> None:
        """See the port."""
        await self._writer.run(system.note_clock(note))

    async def sweep(self, now: int, retired_form: Callable[[WrappedKey], WrappedKey]) -> int:
        """See the port."""
        return await sweep(self._read, self._writer, now, retired_form)

    async def purge(self, before: int) -> Purged:
        """See the port."""
        return await purge(self._read, self._writer, before)
