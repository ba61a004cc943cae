"""What two stores of different times have against each other: read, never written, before anybody decides.

Both files are read through one connection that may write neither, so that rows and keys can be joined. Owners with a
tombstone in either store are left out everywhere: what is left of them goes at the next opening, whatever else is
found.

    keyless     rows whose key is gone: the record was deleted after the data's backup was made, or was written after
                the key store's
    retired     rows whose key was retired after the data's backup was made: their keys can be made live again
    loose       live keys that open no row: of what was written after the data's backup, or deleted after the keys'
"""

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from vault.domain.names import RecordName
from vault.errors import ConfigError, DataLoss
from vault.storage import engine
from vault.storage.engine import sqlite3
from vault.storage.port import Row, WrappedKey
from vault.storage.sqlite import failures
from vault.storage.sqlite.connection import check_file, connect
from vault.storage.sqlite.startup import LOG_IDS, LOG_SIZE

_NOT_ERASED: Final = """NOT EXISTS (SELECT 1 FROM main.tombstones t WHERE t.owner = {0}.owner)
    AND NOT EXISTS (SELECT 1 FROM k.tombstones t WHERE t.owner = {0}.owner)"""
_KEYLESS: Final = f"""FROM main.records r LEFT JOIN k.key_places p
    ON (p.owner, p.record_name, p.key_id) = (r.owner, r.record_name, r.key_id)
    WHERE p.slot IS NULL AND {_NOT_ERASED.format("r")}"""
_LIVE_KEY: Final = """EXISTS (SELECT 1 FROM k.key_places l
    WHERE l.owner = r.owner AND l.record_name = r.record_name AND l.retired_at = 0)"""
_RETIRED: Final = f"""FROM main.records r JOIN k.key_places p
    ON (p.owner, p.record_name, p.key_id) = (r.owner, r.record_name, r.key_id)
    WHERE p.retired_at > 0 AND {_NOT_ERASED.format("r")}"""
_LOOSE: Final = f"""FROM k.key_places p LEFT JOIN main.records r
    ON (r.owner, r.record_name) = (p.owner, p.record_name)
    WHERE p.retired_at = 0 AND r.key_id IS NOT p.key_id AND {_NOT_ERASED.format("p")}"""
_ROW: Final = "r.owner, r.record_name, r.key_id, r.version, r.written_at, r.expires_at, r.stored"
_WHOLE: Final = """FROM main.records r JOIN k.key_places p
    ON (p.owner, p.record_name, p.key_id) = (r.owner, r.record_name, r.key_id)
    JOIN k.slots s ON s.slot = p.slot WHERE p.retired_at = 0"""
_ONE_SIDED: Final = (
    """SELECT count(*) FROM (SELECT owner FROM {0}.tombstones EXCEPT SELECT owner FROM {1}.tombstones)"""
)
_AFTER: Final = " AND (p.owner, p.record_name, p.key_id) > (?, ?, ?) ORDER BY p.owner, p.record_name, p.key_id LIMIT ?"
_AFTER_ROW: Final = " AND (r.owner, r.record_name) > (?, ?) ORDER BY r.owner, r.record_name LIMIT ?"
_KEY: Final = "p.owner, p.record_name, p.key_id, p.n, p.created_at, s.wrapped"
_SLOT: Final = "JOIN k.slots s ON s.slot = p.slot WHERE"

Place = tuple[str, str, bytes]
"""(owner, record name, key id): how far a walk through the keys has come."""
START: Final[Place] = ("", "", b"")


@dataclass(frozen=True, slots=True)
class Survey:
    """What a look at both stores found."""

    vault_id: bytes
    keys_behind: bool
    """The data relies on commits that the key store does not have."""
    sizes: Mapping[str, int]
    """Entries of each log that are there."""
    noted: Mapping[str, int]
    """Entries of each log that the key store knows of."""
    rows: int
    revivable: int
    """Rows whose key was retired and can be made live again."""
    deleted: tuple[RecordName, ...]
    """Keyless rows of which no newer version has a key: deleted since, as far as the key store is the newer one."""
    keyless: tuple[RecordName, ...]
    """Keyless rows that a newer version has replaced."""
    older: tuple[RecordName, ...]
    """Loose keys of records that have a row: it is of another version."""
    unwritten: tuple[RecordName, ...]
    """Loose keys of records that have no row at all."""
    erasures: int
    """Owners with a tombstone in one store only."""

    @property
    def short(self) -> dict[str, int]:
        """Logs that have fewer entries than the key store knows of, and how many that is."""
        return {log: size for log, size in self.noted.items() if size > self.sizes.get(log, 0)}


class Joined:
    """Both stores through one connection that writes neither."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def keyless(self, after: Place, limit: int) -> list[Row]:
        """Rows without a key, by name."""
        return [Row(*row) for row in self._all(f"SELECT {_ROW} {_KEYLESS}{_AFTER_ROW}", *after[:2], limit)]

    def retired(self, after: Place, limit: int) -> list[WrappedKey]:
        """Retired keys that rows name."""
        sql = f"SELECT {_KEY} {_RETIRED.replace('WHERE', _SLOT, 1)}{_AFTER}"
        return [WrappedKey(*key) for key in self._all(sql, *after, limit)]

    def whole(self, after: Place, limit: int) -> list[tuple[Row, WrappedKey]]:
        """Rows that have a live key, and the key."""
        sql = f"SELECT {_ROW}, {_KEY} {_WHOLE}{_AFTER_ROW}"
        return [(Row(*found[:7]), WrappedKey(*found[7:])) for found in self._all(sql, *after[:2], limit)]

    def loose(self, after: Place, limit: int) -> list[tuple[WrappedKey, bool]]:
        """Live keys that open no row, and whether their record has one at all."""
        sql = f"SELECT {_KEY}, r.key_id IS NOT NULL {_LOOSE.replace('WHERE', _SLOT, 1)}{_AFTER}"
        return [(WrappedKey(*key), bool(has_row)) for *key, has_row in self._all(sql, *after, limit)]

    def survey(self, data: Path, keys: Path) -> Survey:
        """Everything that a decision needs."""
        vault_id, depends_on = self._all("SELECT vault_id, depends_on FROM main.meta")[0]
        same, sequence = self._all("SELECT vault_id, sequence FROM k.meta")[0]
        if vault_id != same:
            raise ConfigError(str(keys), "", f"is of another vault than {data}")
        dead = self._all(f"SELECT r.record_name, {_LIVE_KEY} {_KEYLESS} ORDER BY 1")
        loose = self._all(f"SELECT p.record_name, r.key_id IS NOT NULL {_LOOSE} ORDER BY 1")
        return Survey(
            vault_id=vault_id,
            keys_behind=depends_on > sequence,
            sizes={log: self._all(LOG_SIZE, log)[0][0] for (log,) in self._all(LOG_IDS)},
            noted=dict(self._all("SELECT log_id, size FROM k.log_sizes")),
            rows=self._all("SELECT count(*) FROM main.records")[0][0],
            revivable=self._all(f"SELECT count(*) {_RETIRED}")[0][0],
            deleted=tuple(name for name, replaced in dead if not replaced),
            keyless=tuple(name for name, replaced in dead if replaced),
            older=tuple(sorted({name for name, has_row in loose if has_row})),
            unwritten=tuple(sorted({name for name, has_row in loose if not has_row})),
            erasures=sum(self._all(_ONE_SIDED.format(*pair))[0][0] for pair in (("main", "k"), ("k", "main"))),
        )

    def _all(self, sql: str, *values: str | bytes | int) -> list[Any]:
        return self._connection.execute(sql, values).fetchall()


@contextmanager
def joined(data: Path, keys: Path, *, look_through: bool = False) -> Iterator[Joined]:
    """Open both, read-only.

    Args:
        data: the data store's file.
        keys: the key store's file.
        look_through: look for damage in every page first: a copy that was cut short must be found before anything is
            decided by what is left of it.

    Raises:
        ConfigError: one cannot be opened.
        DataLoss: one is damaged, or no store of a vault.
    """
    engine.require()
    check_file(data, private=False)
    check_file(keys, private=True)
    at = data
    try:
        with closing(connect(data, read_only=True, secret=False)) as connection:
            if look_through:
                _look_through(connection, "main", data)
            at = keys
            connection.execute("ATTACH ? AS k", (f"file:{quote(str(keys.absolute()))}?mode=ro",))
            if look_through:
                _look_through(connection, "k", keys)
            yield Joined(connection)
    except sqlite3.Error as error:
        if failures.code(error) == 1 or isinstance(failures.while_reading(error), DataLoss):
            raise DataLoss(f"{at}: is damaged, or not this store of a vault") from None
        raise ConfigError(str(at), "", "cannot be read now") from None


def _look_through(connection: sqlite3.Connection, schema: str, path: Path) -> None:
    # The quick check does not compare an index with its table, and a row that its index does not find looks deleted.
    if connection.execute(f"PRAGMA {schema}.integrity_check(1)").fetchall() != [("ok",)]:
        raise DataLoss(f"{path}: is damaged: put back a whole copy")
