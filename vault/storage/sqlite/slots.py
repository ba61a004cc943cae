"""Where wrapped keys lie: each in a slot that never moves, so that overwriting it leaves no second copy.

`secure_delete` zeroes a deleted cell in its page, but not the copies that SQLite made before: when a page is split or
merged, cells move, and the page that they came from keeps their bytes in its unused part until it fills up again
(measured: 2 of 256 erased customers still had a key in the file, with secure_delete on and the WAL cut). So keys stand
in a table that grows only at its end and from which nothing is ever deleted: its cells never move. A key is destroyed
by zeros of the same length, which SQLite writes over the cell where it is; the slot is then free for another key.

What moves with the other tables is names, ids and masked search tokens. A token may thus outlive its deletion in the
unused part of a page, without a use for anybody who lacks the vault key of its time, and no longer than that key lives.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from vault.crypto.record_lock import KeyId
from vault.domain.names import Owner, RecordName
from vault.storage.engine import sqlite3
from vault.storage.port import WrappedKey
from vault.storage.sqlite import rows

_KEYS = "INSERT INTO key_places (owner, record_name, key_id, n, created_at, slot) {values}"
_FILL = "INSERT INTO slots (slot, wrapped) {values} ON CONFLICT (slot) DO UPDATE SET wrapped = excluded.wrapped"
_TAKE = "DELETE FROM free_slots WHERE slot IN (SELECT slot FROM free_slots ORDER BY slot LIMIT ?) RETURNING slot"
_FIND = "SELECT owner, record_name, key_id, slot FROM key_places WHERE "


@dataclass(frozen=True, slots=True)
class Place:
    """A key and its slot."""

    owner: Owner
    record_name: RecordName
    key_id: KeyId
    slot: int


def add(keys: sqlite3.Connection, new: Sequence[WrappedKey]) -> None:
    """Store live keys, in free slots first."""
    free = [slot for (slot,) in keys.execute(_TAKE, (len(new),)).fetchall()]
    end: int = keys.execute("SELECT coalesce(max(slot), 0) FROM slots").fetchone()[0]
    slots = [*free, *range(end + 1, end + 1 + len(new) - len(free))]
    rows.execute(keys, _FILL, [(slot, key.wrapped) for slot, key in zip(slots, new, strict=True)])
    places = zip(new, slots, strict=True)
    rows.execute(keys, _KEYS, [(k.owner, k.record_name, k.key_id, k.n, k.created_at, slot) for k, slot in places])


def of_owner(keys: sqlite3.Connection, owner: Owner) -> list[Place]:
    """All keys of an owner, live and retired."""
    return [Place(*place) for place in keys.execute(_FIND + "owner = ?", (owner,)).fetchall()]


def of_records(keys: sqlite3.Connection, names: Collection[tuple[Owner, RecordName]]) -> list[Place]:
    """All keys of records, live and retired."""
    return [Place(*place) for place in rows.select(keys, _FIND + "(owner, record_name) IN ({values})", list(names))]


def destroy(keys: sqlite3.Connection, doomed: Sequence[Place]) -> None:
    """Overwrite keys, free their slots, and take out what names them and finds them."""
    slots = [(place.slot,) for place in doomed]
    rows.execute(keys, "UPDATE slots SET wrapped = zeroblob(length(wrapped)) WHERE slot IN ({values})", slots)
    rows.execute(keys, "INSERT INTO free_slots (slot) {values}", slots)
    ids = [(place.owner, place.record_name, place.key_id) for place in doomed]
    rows.execute(keys, "DELETE FROM key_places WHERE (owner, record_name, key_id) IN ({values})", ids)
    rows.execute(keys, "DELETE FROM lookups WHERE (owner, record_name, key_id) IN ({values})", ids)
