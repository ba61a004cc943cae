"""The bare loop of storing a message: chunks locked and written as the vault's writer writes them, no more.

The storage's own jobs in a thread, half a mebibyte at a time, the next one locked meanwhile, and checkpoints when they
are due. No gRPC, no log, no record, no policy. What the vault stores goes through one such thread, so the rate of this
loop is what no change beside it can pass. The files are new ones, on the same disk.
"""

import os
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from vault.crypto.record_lock import RECORD_KEY_SIZE, WrappingKey
from vault.crypto.stream import SEALED_CHUNK_SIZE, MessageLock, chunks_of
from vault.domain.names import Owner, RecordName
from vault.service.mail_upload import AT_ONCE, BODY
from vault.storage.queue import Chunk, Upload
from vault.storage.sqlite import startup, uploads
from vault.storage.sqlite.house import House
from vault.storage.sqlite.mail_rows import Mark
from vault.storage.sqlite.stores import Stores

_OWNER: Final = Owner("domains/bench.example")
_CHUNK: Final = bytes(SEALED_CHUNK_SIZE)


class _Files:
    """Two stores of their own, in the thread that writes them."""

    def __init__(self, place: Path, thread: ThreadPoolExecutor) -> None:
        self._vault_id = os.urandom(startup.VAULT_ID_SIZE)
        self._wrapping = WrappingKey(self._vault_id, 1, os.urandom(RECORD_KEY_SIZE))
        self._thread = thread
        self._house = House()
        data, keys = place / "data.db", place / "keys.db"
        startup.create(data, keys, self._vault_id)
        self._stores = thread.submit(startup.open_stores, data, keys).result()

    def store(self, number: int, size: int) -> None:
        """One body, durable."""
        name = RecordName(f"{_OWNER}/messages/{number:032x}")
        lock = MessageLock(self._wrapping, name, BODY)
        upload = Upload(_OWNER, name, lock.key_id)
        under_way = self._do(uploads.begin(upload, 1, lock.wrapped, 1))
        left = chunks_of(size)
        while left:
            some = min(AT_ONCE, left)
            left -= some
            # As the service does: these are locked while those before them are written.
            locked = [Chunk(*lock.chunk(_CHUNK, last=not (left or rest))) for rest in reversed(range(some))]
            under_way.result()
            under_way = self._do(uploads.add(upload, locked))
        under_way.result()
        self._do(_end(uploads.mark_of(upload))).result()

    def leave(self) -> None:
        """Close them."""
        self._thread.submit(self._house.leave, self._stores).result()

    def _do(self, job: Callable[[Stores], object]) -> Future[None]:
        return self._thread.submit(self._run, job)

    def _run(self, job: Callable[[Stores], object]) -> None:
        job(self._stores)
        self._house.keep(self._stores)


def stored_per_s(folder: Path, size: int, seconds: float) -> float:
    """Bodies of so many bytes in a second, one after the other."""
    with TemporaryDirectory(prefix="bare-", dir=folder) as place, ThreadPoolExecutor(1, "bare-mail") as thread:
        files = _Files(Path(place), thread)
        files.store(0, size)  # the files' first pages, and the caches
        began, done = time.perf_counter(), 0
        while not done or time.perf_counter() - began < seconds:
            done += 1
            files.store(done, size)
        taken = time.perf_counter() - began
        files.leave()
    return done / taken


def _end(mark: Mark) -> Callable[[Stores], None]:
    """A commit that is synced, in the place of the record's."""

    def job(stores: Stores) -> None:
        with stores.data_transaction() as data:
            data.execute("DELETE FROM mail_loose WHERE owner = ? AND record_name = ? AND key_id = ?", mark)

    return job
