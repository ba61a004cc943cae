"""The sweep: live keys that no row opens under are retired. It never deletes.

A crash leaves such keys: new ones whose data transaction never came, replaced ones that were not yet retired, keys of
rows already taken out. They may be wrong to miss (a replaced value stays readable to who has an old row), never wrong
to keep, so the sweep only retires; the purge looks again before it ends a key. Keys younger than an hour are left
alone: their write may be under way.

A row that is not found may stand behind a damaged place of its index. So before a key is called stale for want of a
row, the table is read from end to end, without the index; that is slow, and so rare as crashes are.
"""

import asyncio
from collections.abc import Callable

from vault.storage.port import YOUNG_MS, WrappedKey
from vault.storage.sqlite.owed import retire
from vault.storage.sqlite.plan import Retirement
from vault.storage.sqlite.reader import Reader
from vault.storage.sqlite.stores import Stores
from vault.storage.sqlite.writer import Writer

AT_ONCE = 200
"""Keys that one slice looks at, old enough or not: well under a millisecond of the event loop."""


async def sweep(reader: Reader, writer: Writer, now: int, retired_form: Callable[[WrappedKey], WrappedKey]) -> int:
    """Retire what is stale; how many keys were. `retired_form` wraps a key again under the other label."""
    retired = 0
    for within in reader.key_ranges(AT_ONCE):
        await asyncio.sleep(0)
        keys = reader.live_keys(within, now - YOUNG_MS)
        rows = reader.fetch([key.record_name for key in keys])
        stale = [key for key in keys if (row := rows.get(key.record_name)) is not None and row.key_id != key.key_id]
        if rowless := [key for key in keys if key.record_name not in rows]:
            hidden = await asyncio.to_thread(reader.scan, {key.key_id for key in rowless})
            stale += [key for key in rowless if key.key_id not in hidden]
        if stale:
            retired += await writer.run(_retire([Retirement(retired_form(key), now) for key in stale]))
    return retired


def _retire(stale: list[Retirement]) -> Callable[[Stores], int]:
    def job(stores: Stores) -> int:
        with stores.key_transaction() as keys:
            stores.destroyed = True
            return retire(keys, stale)

    return job
