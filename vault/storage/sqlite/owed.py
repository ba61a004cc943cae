"""Key-store changes that nobody waits for: they ride on its next commit.

- *retire*: a replaced key gives way to its retired form, which no read can open;
- *discard*: a new key whose data transaction definitely failed goes again (a failure that may have been a success
  leaves its key alone);
- *destroy*: keys of rows that went out while the key store had no room to say so.

What is owed when the process is killed is not lost: the sweep retires keys that no row opens under.
"""

from dataclasses import dataclass, field

from vault.storage.engine import sqlite3
from vault.storage.port import Put, Remove
from vault.storage.sqlite import rows
from vault.storage.sqlite.plan import Changes, Retirement

_RETIRE = """WITH new (owner, record_name, key_id, n, wrapped, retired_at) AS ({values})
    UPDATE record_keys SET n = new.n, wrapped = new.wrapped, retired_at = new.retired_at FROM new
    WHERE record_keys.owner = new.owner AND record_keys.record_name = new.record_name
      AND record_keys.key_id = new.key_id AND record_keys.retired_at = 0"""


@dataclass(slots=True)
class Owed:
    """What the key store's next commit settles."""

    retire: list[Retirement] = field(default_factory=list)
    discard: list[Put] = field(default_factory=list)
    destroy: list[tuple[Remove, bytes]] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.retire or self.discard or self.destroy)

    def settle(self, keys: sqlite3.Connection) -> None:
        """Write what is owed, inside of a transaction; `clear` follows when that has committed."""
        discard_keys(keys, self.discard)
        destroy_keys(keys, self.destroy)
        retire_keys(keys, self.retire)

    def clear(self) -> None:
        """Forget what has been settled."""
        self.retire, self.discard, self.destroy = [], [], []


def retire_keys(keys: sqlite3.Connection, retirements: list[Retirement]) -> int:
    """Put retired forms in the place of live keys; keys that are gone, or retired already, are left alone."""
    values = [(r.key.owner, r.key.record_name, r.key.key_id, r.key.n, r.key.wrapped, r.retired_at) for r in retirements]
    return rows.execute(keys, _RETIRE, values)


def discard_keys(keys: sqlite3.Connection, puts: list[Put]) -> None:
    """Take new keys out again, with their lookups."""
    gone = [(put.key.owner, put.key.record_name, put.key.key_id) for put in puts]
    rows.execute(keys, "DELETE FROM lookups WHERE (owner, record_name, key_id) IN ({values})", gone)
    rows.execute(keys, "DELETE FROM record_keys WHERE (owner, record_name, key_id) IN ({values})", gone)


def destroy_keys(keys: sqlite3.Connection, doomed: list[tuple[Remove, bytes]]) -> None:
    """Destroy all keys of records, live and retired, but the one that a record put back in the same group has."""
    for remove, kept in doomed:
        where = (remove.owner, remove.record_name, kept)
        keys.execute("DELETE FROM lookups WHERE owner = ? AND record_name = ? AND key_id <> ?", where)
        keys.execute("DELETE FROM record_keys WHERE owner = ? AND record_name = ? AND key_id <> ?", where)


def doomed(changes: Changes) -> list[tuple[Remove, bytes]]:
    """What must be destroyed once these changes are durable, each with the key id that stays (or none, empty)."""
    after = changes.rows
    return [(r, row.key_id if (row := after.get(r.record_name)) else b"") for r in changes.removes]
