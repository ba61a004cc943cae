"""The purge: retired keys are destroyed when the restore window is over.

Until then a replaced value can be opened again by a restore; from then on by nobody. Before a key ends, two looks make
sure that no row opens under it: at the rows by name, and for a record that has none at every row there is, whatever the
index says. A key that a row names is kept and counted: it should not be retired, and an operator should see it.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from vault.storage.port import Purged, WrappedKey
from vault.storage.sqlite import rows, slots
from vault.storage.sqlite.reader import Reader
from vault.storage.sqlite.slots import Place
from vault.storage.sqlite.stores import Stores
from vault.storage.sqlite.writer import Writer

AT_ONCE = 200
"""Keys that one slice looks at, retired or not: well under a millisecond of the event loop."""
_PLACES = """SELECT owner, record_name, key_id, slot FROM key_places
    WHERE (owner, record_name, key_id) IN ({values}) AND retired_at > 0"""
_NAMED = "SELECT key_id FROM records WHERE (owner, record_name, key_id) IN ({values})"


@dataclass(frozen=True, slots=True)
class _Job:
    """One slice, destroyed in the writer's turn: what changed since it was read is looked at again there."""

    keys: Sequence[WrappedKey]

    def __call__(self, stores: Stores) -> int:
        ids = [(key.owner, key.record_name, key.key_id) for key in self.keys]
        named = {key_id for (key_id,) in rows.select(stores.data, _NAMED, ids)}
        with stores.key_transaction() as keys:
            places = [Place(*found) for found in rows.select(keys, _PLACES, ids)]
            doomed = [place for place in places if place.key_id not in named]
            slots.destroy(keys, doomed)
        stores.destroyed = True
        return len(doomed)


async def purge(reader: Reader, writer: Writer, before: int) -> Purged:
    """Destroy keys that were retired before a time, but for those that a row names."""
    destroyed, kept = 0, 0
    for within in reader.key_ranges(AT_ONCE):
        await asyncio.sleep(0)
        keys = reader.retired_keys(within, before)
        found = reader.fetch([key.record_name for key in keys])
        named = {row.key_id for row in found.values()}
        if rowless := {key.key_id for key in keys if key.record_name not in found}:
            named |= await asyncio.to_thread(reader.scan, rowless)
        over = [key for key in keys if key.key_id not in named]
        gone = await writer.run(_Job(over)) if over else 0
        destroyed, kept = destroyed + gone, kept + len(keys) - gone
    return Purged(destroyed, kept)
