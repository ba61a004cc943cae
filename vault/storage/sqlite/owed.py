"""Key-store changes that nobody waits for: they ride on its next commit.

- *retire*: a replaced key gives way to its retired form, which no read can open;
- *discard*: a new key whose data transaction definitely failed goes again (a failure that may have been a success
  leaves its key alone);
- *destroy*: keys of rows that went out while the key store had no room to say so.

What is owed when the process is killed is not lost: the sweep retires keys that no row opens under.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from vault.crypto.record_lock import KeyId
from vault.storage.engine import sqlite3
from vault.storage.port import Put, Remove
from vault.storage.sqlite import rows, slots
from vault.storage.sqlite.plan import Changes, Retirement

_REWRAP = """WITH new (owner, record_name, key_id, n, wrapped, retired_at) AS ({values})
    UPDATE slots SET wrapped = new.wrapped FROM new JOIN key_places USING (owner, record_name, key_id)
    WHERE slots.slot = key_places.slot AND key_places.retired_at = 0"""
_RETIRE = """WITH new (owner, record_name, key_id, n, wrapped, retired_at) AS ({values})
    UPDATE key_places SET n = new.n, retired_at = new.retired_at FROM new
    WHERE key_places.owner = new.owner AND key_places.record_name = new.record_name
      AND key_places.key_id = new.key_id AND key_places.retired_at = 0"""


@dataclass(frozen=True, slots=True)
class Doomed:
    """A record whose keys must go, all but the one that it has again, if it was put back in the same group."""

    remove: Remove
    kept: KeyId | None


@dataclass(slots=True)
class Owed:
    """What the key store's next commit settles."""

    retire: list[Retirement] = field(default_factory=list)
    discard: list[Put] = field(default_factory=list)
    destroy: list[Doomed] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.retire or self.discard or self.destroy)

    def settle(self, keys: sqlite3.Connection) -> None:
        """Write what is owed, inside of a transaction; `clear` follows when that has committed."""
        discarded = {(put.key.owner, put.key.record_name, put.key.key_id) for put in self.discard}
        kept = {(d.remove.owner, d.remove.record_name): d.kept for d in self.destroy}
        if discarded or kept:
            places = slots.of_records(keys, {(owner, name) for owner, name, _ in discarded} | kept.keys())
            doomed = [p for p in places if kept.get((p.owner, p.record_name), p.key_id) != p.key_id]
            slots.destroy(keys, doomed)
            slots.destroy(
                keys, [p for p in places if (p.owner, p.record_name, p.key_id) in discarded and p not in doomed]
            )
        retire(keys, self.retire)

    def clear(self) -> None:
        """Forget what has been settled."""
        self.retire, self.discard, self.destroy = [], [], []


def retire(keys: sqlite3.Connection, retirements: Sequence[Retirement]) -> int:
    """Put retired forms in the place of live keys; keys that are gone, or retired already, are left alone."""
    values = [(r.key.owner, r.key.record_name, r.key.key_id, r.key.n, r.key.wrapped, r.retired_at) for r in retirements]
    rows.execute(keys, _REWRAP, values)
    return rows.execute(keys, _RETIRE, values)


def doomed(changes: Changes) -> list[Doomed]:
    """What must be destroyed once these changes are durable."""
    after = changes.rows
    return [Doomed(r, row.key_id if (row := after.get(r.record_name)) else None) for r in changes.removes]
