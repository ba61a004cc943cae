"""Jobs of the writer for chunks: each is a commit that stores or deletes a mebibyte at most.

The loose mark is durable before the key is, and the key before the first chunk. So whatever a kill leaves behind has a
mark, and the next start finds it. Chunks alone are nothing that anybody was promised: they are written as they come,
and durable with the commit of their record, whose fsync is one of all that stands before it. A mark is no proof: before
anything is destroyed by one, the job looks whether the record is there after all, and then takes only the mark away.
"""

from collections.abc import Callable, Sequence
from typing import Final

from vault.storage.port import WrappedKey
from vault.storage.queue import Chunk, Upload
from vault.storage.sqlite import mail_rows, rows, slots
from vault.storage.sqlite.mail_rows import AT_ONCE, Mark
from vault.storage.sqlite.stores import Stores

_MARK: Final = "INSERT OR IGNORE INTO mail_loose (owner, record_name, key_id) VALUES (?, ?, ?)"
_MARKED: Final = "SELECT 1 FROM mail_loose WHERE owner = ? AND record_name = ? AND key_id = ?"
_MARKS: Final = "SELECT owner, record_name, key_id FROM mail_loose ORDER BY owner, record_name, key_id"
_CHUNKS: Final = "INSERT INTO mail_chunks (owner, record_name, key_id, idx, stored) {values}"
_NAMED: Final = "SELECT 1 FROM records WHERE owner = ? AND record_name = ? AND key_id = ?"
_ERASED: Final = "SELECT 1 FROM tombstones WHERE owner = ?"
_FORGET: Final = """DELETE FROM mail_dedupe WHERE (owner, token) IN (SELECT d.owner, d.token FROM mail_dedupe d
    WHERE d.stored_at < ? AND NOT EXISTS (SELECT 1 FROM mail_queue q
        WHERE q.owner = d.owner AND q.record_name = d.record_name)
    ORDER BY d.stored_at LIMIT ?)"""
FORGOTTEN_AT_ONCE: Final = 1000


def mark_of(upload: Upload) -> Mark:
    """The columns of an upload's mark."""
    return upload.owner, upload.record_name, upload.key_id


def begin(upload: Upload, n: int, wrapped: bytes, now: int) -> Callable[[Stores], bool]:
    """Mark, then key; False if the owner was erased."""

    def job(stores: Stores) -> bool:
        if any(store.execute(_ERASED, (upload.owner,)).fetchone() for store in (stores.keys, stores.data)):
            return False
        with stores.data_transaction() as data:
            data.execute(_MARK, mark_of(upload))
        with stores.key_transaction() as keys:
            slots.add(keys, [WrappedKey(*mark_of(upload)[:2], upload.key_id, n, now, wrapped)])
        return True

    return job


def add(upload: Upload, chunks: Sequence[Chunk]) -> Callable[[Stores], bool]:
    """Store chunks of an upload; False if its mark is gone."""
    mark = mark_of(upload)

    def job(stores: Stores) -> bool:
        with stores.riding(), stores.data_transaction() as data:
            if data.execute(_MARKED, mark).fetchone() is None:
                return False
            rows.execute(data, _CHUNKS, [(*mark, *chunk) for chunk in chunks])
        stores.written += sum(len(chunk.stored) for chunk in chunks)
        return True

    return job


def marks(stores: Stores) -> list[Mark]:
    """All marks."""
    found: list[Mark] = stores.data.execute(_MARKS).fetchall()
    return found


def discard(mark: Mark) -> Callable[[Stores], tuple[int, bool]]:
    """A step of destroying what a mark says: the key, then so many chunks; how many, and whether that was all."""
    owner, name, key_id = mark

    def job(stores: Stores) -> tuple[int, bool]:
        if stores.data.execute(_NAMED, mark).fetchone():
            with stores.data_transaction() as data:
                data.execute("DELETE FROM mail_loose WHERE owner = ? AND record_name = ? AND key_id = ?", mark)
            return 0, True
        if any(place.key_id == key_id for place in slots.of_records(stores.keys, [(owner, name)])):
            with stores.key_transaction() as keys:
                slots.destroy(keys, [p for p in slots.of_records(keys, [(owner, name)]) if p.key_id == key_id])
            stores.destroyed = True
        with stores.data_transaction() as data:
            done = mail_rows.delete_some(data, mark)
        stores.written += AT_ONCE * 4096
        return done

    return job


def forget_dedupe(before: int) -> Callable[[Stores], int]:
    """Forget tokens of messages that are gone, so many at a time."""

    def job(stores: Stores) -> int:
        with stores.data_transaction() as data:
            return data.execute(_FORGET, (before, FORGOTTEN_AT_ONCE)).rowcount

    return job
