"""The tables of both files, as migrations of sqlite-utils.

Every growing table is keyed first by owner, the log by log_id. `records` is an ordinary table with an index: its rows
are large, and a WITHOUT ROWID table would hold whole rows in its inner pages (measured: a third slower to read, and
deeper). The key store's rows are small, so there the key is the table.

`key_places` has record_name in its key, before key_id: a deletion destroys the live and the retired keys of a record,
and finds them by prefix even where one owner has very many records. The wrapped keys themselves lie in `slots`.
The view `record_keys` shows both as one table to who reads the file from outside; the driver does not use it.

A migration, once released, is never changed: a new one is added below it.
"""

from collections.abc import Iterable
from pathlib import Path

from sqlite_utils import Database
from sqlite_utils.migrations import Migrations

from vault.errors import ConfigError
from vault.storage.engine import sqlite3
from vault.storage.sqlite.connection import transaction
from vault.storage.sqlite.feed import FEED
from vault.storage.sqlite.mail_schema import MAIL
from vault.storage.sqlite.topics import TOPICS

data_migrations = Migrations("vault.data")
keys_migrations = Migrations("vault.keys")

_DATA_1 = (
    """CREATE TABLE meta (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        vault_id BLOB NOT NULL,
        depends_on INTEGER NOT NULL  -- the key store's sequence number that the newest commit here relies on
    ) STRICT""",
    """CREATE TABLE records (
        owner TEXT NOT NULL, record_name TEXT NOT NULL, key_id BLOB NOT NULL, version INTEGER NOT NULL,
        written_at INTEGER NOT NULL, expires_at INTEGER NOT NULL, stored BLOB NOT NULL,
        PRIMARY KEY (owner, record_name)
    ) STRICT""",
    """CREATE TABLE log_entries (
        log_id TEXT NOT NULL, idx INTEGER NOT NULL, entry BLOB NOT NULL,
        leaf BLOB NOT NULL,  -- SHA-256(0x00 || entry): names an edited entry exactly
        PRIMARY KEY (log_id, idx)
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE checkpoints (
        log_id TEXT NOT NULL, size INTEGER NOT NULL, note TEXT NOT NULL,
        PRIMARY KEY (log_id, size)
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE log_leases (
        log_id TEXT PRIMARY KEY, holder TEXT NOT NULL, expires_at INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE requests (
        caller TEXT NOT NULL, request_id TEXT NOT NULL, fingerprint BLOB NOT NULL, seen_at INTEGER NOT NULL,
        response BLOB NOT NULL,
        PRIMARY KEY (caller, request_id)
    ) STRICT, WITHOUT ROWID""",
    "CREATE INDEX requests_by_age ON requests (seen_at)",
    """CREATE TABLE tombstones (  -- a copy: the key store's count
        owner TEXT PRIMARY KEY, erased_at INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID""",
)

_DATA_CLOCK = """CREATE TABLE clock (
        one INTEGER PRIMARY KEY CHECK (one = 1), right_at INTEGER NOT NULL, doubt TEXT NOT NULL
    ) STRICT"""

_DATA_VISITS = """CREATE TABLE visit_counts (
        counted_by TEXT NOT NULL, hour INTEGER NOT NULL, name TEXT NOT NULL, visits INTEGER NOT NULL,
        PRIMARY KEY (counted_by, hour, name)
    ) STRICT, WITHOUT ROWID"""

_KEYS_1 = (
    """CREATE TABLE meta (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        vault_id BLOB NOT NULL,
        sequence INTEGER NOT NULL  -- how many commits this store has seen
    ) STRICT""",
    """CREATE TABLE key_places (
        owner TEXT NOT NULL, record_name TEXT NOT NULL, key_id BLOB NOT NULL, n INTEGER NOT NULL,
        created_at INTEGER NOT NULL, retired_at INTEGER NOT NULL DEFAULT 0, slot INTEGER NOT NULL,
        PRIMARY KEY (owner, record_name, key_id)
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE slots (  -- the wrapped keys; never deleted from (see the module slots)
        slot INTEGER PRIMARY KEY, wrapped BLOB NOT NULL
    ) STRICT""",
    "CREATE TABLE free_slots (slot INTEGER PRIMARY KEY) STRICT",
    """CREATE VIEW record_keys (owner, record_name, key_id, n, created_at, retired_at, wrapped) AS
        SELECT owner, record_name, key_id, n, created_at, retired_at, wrapped
        FROM key_places JOIN slots USING (slot)""",
    """CREATE TABLE lookups (
        owner TEXT NOT NULL, record_name TEXT NOT NULL, key_id BLOB NOT NULL, field TEXT NOT NULL, n INTEGER NOT NULL,
        token BLOB NOT NULL,
        PRIMARY KEY (owner, record_name, key_id, field, n, token)
    ) STRICT, WITHOUT ROWID""",
    "CREATE INDEX lookups_by_token ON lookups (field, token, n, record_name)",
    """CREATE TABLE system_rows (
        kind TEXT NOT NULL, row TEXT NOT NULL, version INTEGER NOT NULL, n INTEGER NOT NULL,
        destroyed INTEGER NOT NULL DEFAULT 0 CHECK (destroyed IN (0, 1)),  -- both take the same room in a row
        sealed BLOB NOT NULL,  -- zeros once destroyed: like slots, these rows are never deleted, so they never move
        PRIMARY KEY (kind, row, version)
    ) STRICT""",
    """CREATE TABLE vault_keys (
        n INTEGER PRIMARY KEY, state TEXT NOT NULL, created_at INTEGER NOT NULL, wrapped BLOB NOT NULL
    ) STRICT""",
    """CREATE TABLE tombstones (
        owner TEXT PRIMARY KEY, erased_at INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE log_sizes (  -- durable entries per log when this store last committed: finds restored data
        log_id TEXT PRIMARY KEY, size INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID""",
)


@data_migrations()
def data_1(db: Database) -> None:
    """The first tables of vault.db."""
    _execute(db, _DATA_1)


@data_migrations()
def data_clock(db: Database) -> None:
    """When the clock was last right."""
    _execute(db, (_DATA_CLOCK,))


@data_migrations()
def data_mail(db: Database) -> None:
    """Messages in transit."""
    _execute(db, MAIL)


@data_migrations()
def data_expiry(db: Database) -> None:
    """Rows by their end, for the sweep; of those alone that have one."""
    _execute(db, ("CREATE INDEX records_by_end ON records (expires_at, owner, record_name) WHERE expires_at > 0",))


@data_migrations()
def data_visits(db: Database) -> None:
    """Counts of visits, by domain and hour and by page and hour."""
    _execute(db, (_DATA_VISITS,))


@data_migrations()
def data_orders(db: Database) -> None:
    """Orders as they come."""
    _execute(db, FEED)


@data_migrations()
def data_topics(db: Database) -> None:
    """The index of the log by topic; the server fills it from the log."""
    _execute(db, TOPICS)


@keys_migrations()
def keys_1(db: Database) -> None:
    """The first tables of keys.db."""
    _execute(db, _KEYS_1)


def migrate(connection: sqlite3.Connection, migrations: Migrations, path: Path, *, new: bool = False) -> None:
    """Bring a file to the newest schema; a second starter waits and finds it done.

    Raises:
        ConfigError: the file was made by a newer release, or is not ours at all.
    """
    known = {migration.name for migration in migrations.pending(Database(memory=True, execute_plugins=False))}
    db = Database(connection, recursive_triggers=False, execute_plugins=False)
    with transaction(connection):
        applied = {migration.name for migration in migrations.applied(db)}
        if not applied and not new:
            raise ConfigError(str(path), "", "is not this store of a vault")
        if not applied <= known:
            raise ConfigError(str(path), "", "was made by a newer release of customer-vault: install that one")
        migrations.apply(db)


def _execute(db: Database, statements: Iterable[str]) -> None:
    for statement in statements:
        db.execute(statement)
