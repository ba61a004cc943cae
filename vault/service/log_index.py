"""The index of the log by topic, kept by the process that serves, and asked by who looks a customer up in the log.

It is made from entries that are durable, a second behind them, and not in the commits that make them so: a read's
commit is one statement, and rows at random places beside each would cost more than the read. What has not been taken
in yet is taken in when somebody asks. The stretch that is growing is kept in memory (some 130 KB) and stored when it is
full; a start reads it again from the log. The same way the index of a log from before there was one is made.

`places` says which entries may have a topic, and which ranges the index does not speak of: those must be searched
entry by entry. They are there while a long log is taken in after an upgrade, if a full disk takes no more of the index,
and where stored buckets were altered or taken out: then what is missing is not believed to be nothing. An entry that
does not parse ends the index; all behind it is searched.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import structlog
from google.protobuf.message import DecodeError

from vault.audit.topics import FULL, Seal, Stretch, find_stored, topics_of
from vault.domain.secret import Secret
from vault.errors import DataLoss, OperatorError, VaultError
from vault.storage.port import Storage
from vault.storage.searching import StoredBucket
from vault.store.v1.audit_entry_pb2 import AuditEntry

EVERY_S: Final = 1.0
_PAGE = 64
"""Entries that are taken in between two steps of the event loop: a fifth of a millisecond, for batches 3."""
_FIRST = 0
"""The bucket by which a start finds the stretches that are there; every stretch has all."""

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Places:
    """Where in a log a topic may stand: in these entries, and anywhere in these ranges; both ascending."""

    entries: Sequence[int]
    unknown: Sequence[range]


class LogIndex:
    """The index of every log of the store; `start` before it is to follow by itself, `close` before the store is."""

    def __init__(self, store: Storage, key: Secret, vault_id: bytes) -> None:
        self._store = store
        self._key = key
        self._vault_id = vault_id
        self._growing: dict[str, Stretch] = {}
        self._turn = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Follow the logs from now on."""
        self._task = asyncio.create_task(self._run(), name="log index")

    async def close(self) -> None:
        """Follow no more; what is not stored is made again by the next start."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def follow(self) -> None:
        """Take in what has become durable in any log.

        Raises:
            OperatorError: the store cannot take more of the index now.
        """
        for log_id in await self._store.log_ids():
            size, before, end = await self._store.log_size(log_id), -1, 0
            while before < end < size:
                async with self._turn:
                    before, end = end, await self._take_in(log_id, end + FULL)

    async def places(self, log_id: str, topic: bytes) -> Places:
        """Where a topic may stand in what is durable now; answered whatever state the index is in."""
        size = await self._store.log_size(log_id)
        async with self._turn:
            growing = await self._growing_of(log_id)
            if size - growing.end <= FULL:  # if it is much more, to search it is quicker
                with suppress(OperatorError):
                    await self._take_in(log_id, size)
            growing = await self._growing_of(log_id)
            return self._places(log_id, topic, await self._stored(log_id, topic[0]), growing, size)

    def _places(
        self, log_id: str, topic: bytes, buckets: Sequence[StoredBucket], growing: Stretch, size: int
    ) -> Places:
        seal, found, unknown, known = self._seal(log_id), set(growing.find(topic)), list[range](), 0
        for start, end, stored in buckets:
            if not seal.holds((start, end), topic[0], stored):
                continue
            if start > known:
                unknown.append(range(known, start))
            found.update(find_stored(stored, topic, start))
            known = max(known, end)
        if growing.start > known:
            unknown.append(range(known, growing.start))
        if unknown:
            _log.warning("log index does not verify", log=log_id)
        if size > growing.end:
            unknown.append(range(growing.end, size))
        return Places(sorted(found), unknown)

    def _seal(self, log_id: str) -> Seal:
        return Seal(self._key, self._vault_id, log_id)

    async def _stored(self, log_id: str, bucket: int) -> Sequence[StoredBucket]:
        try:
            return await self._store.log_topics(log_id, bucket)
        except DataLoss:  # a damaged page: as if nothing were there
            return ()

    async def _run(self) -> None:
        while True:
            # A full disk, a damaged page: who asks meanwhile has the log itself searched.
            with suppress(VaultError):
                await self.follow()
            await asyncio.sleep(EVERY_S)

    async def _take_in(self, log_id: str, size: int) -> int:
        """Take in entries up to a size of the log, as far as they are there; how many are taken in."""
        growing = await self._growing_of(log_id)
        while growing.end < size:
            if growing.full:
                buckets = growing.sealed(self._seal(log_id))
                await self._store.add_log_topics(log_id, growing.start, growing.end, buckets)
                growing = self._growing[log_id] = Stretch(growing.end)
            page = await self._store.log_entries(log_id, growing.end, min(_PAGE, size - growing.end))
            if not page or not _add(growing, page):
                break
            await asyncio.sleep(0)
        return growing.end

    async def _growing_of(self, log_id: str) -> Stretch:
        if log_id not in self._growing:
            self._growing[log_id] = Stretch(await self._resume(log_id))
        return self._growing[log_id]

    async def _resume(self, log_id: str) -> int:
        """Where the stored stretches end; what stands behind a gap, or behind the log's end, is dropped."""
        seal, end, size = self._seal(log_id), 0, await self._store.log_size(log_id)
        for start, until, stored in await self._stored(log_id, _FIRST):
            if start != end or until > size or not seal.holds((start, until), _FIRST, stored):
                _log.warning("log index is made again", log=log_id, entry=end)
                with suppress(OperatorError):
                    await self._store.drop_log_topics(log_id, end)
                break
            end = until
        return end


def _add(growing: Stretch, page: Sequence[tuple[int, bytes]]) -> bool:
    """Take entries in, until the stretch is full; False if the next one is not there, or does not parse."""
    for index, raw in page:
        if growing.full:
            return True
        if index != growing.end:
            return False
        try:
            growing.add(topics_of(AuditEntry.FromString(raw)))
        except DecodeError:
            return False
    return True
