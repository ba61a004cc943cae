"""The tables of messages in transit (see `vault.storage.queue`), in the data store.

Whatever takes a message's row out of `records` takes its queue rows along and marks its chunks as loose: that is a
trigger, because rows go in many places (deliveries, expiries, erasures, restores), and none may forget it.

`mail_chunks` is an ordinary table, since its rows are large. Each chunk is some 17 pages: they are deleted in bounded
steps, by the marks.
"""

from typing import Final

MAIL: Final = (
    """CREATE TABLE mail_chunks (
        owner TEXT NOT NULL, record_name TEXT NOT NULL, key_id BLOB NOT NULL, idx INTEGER NOT NULL,
        stored BLOB NOT NULL,
        PRIMARY KEY (owner, record_name, key_id, idx)
    ) STRICT""",
    """CREATE TABLE mail_loose (  -- chunks of this key may be there that no record names
        owner TEXT NOT NULL, record_name TEXT NOT NULL, key_id BLOB NOT NULL,
        PRIMARY KEY (owner, record_name, key_id)
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE mail_queue (
        owner TEXT NOT NULL, record_name TEXT NOT NULL, key_id BLOB NOT NULL, kind INTEGER NOT NULL,
        size INTEGER NOT NULL, chunks INTEGER NOT NULL, stored_at INTEGER NOT NULL, due_at INTEGER NOT NULL,
        dead_at INTEGER NOT NULL, expires_at INTEGER NOT NULL, lease BLOB NOT NULL, attempts INTEGER NOT NULL,
        reason INTEGER NOT NULL, status TEXT NOT NULL, revision INTEGER NOT NULL,
        PRIMARY KEY (owner, record_name)
    ) STRICT""",
    "CREATE INDEX mail_queue_by_due ON mail_queue (due_at, record_name)",
    "CREATE INDEX mail_queue_by_age ON mail_queue (stored_at, record_name)",
    "CREATE INDEX mail_queue_by_size ON mail_queue (size, record_name)",
    """CREATE TABLE mail_recipients (
        owner TEXT NOT NULL, record_name TEXT NOT NULL, place INTEGER NOT NULL, token BLOB NOT NULL,
        next_hop BLOB NOT NULL, state INTEGER NOT NULL, status TEXT NOT NULL, changed_at INTEGER NOT NULL,
        PRIMARY KEY (owner, record_name, place)
    ) STRICT, WITHOUT ROWID""",
    "CREATE INDEX mail_recipients_by_token ON mail_recipients (token)",
    """CREATE TABLE mail_dedupe (
        owner TEXT NOT NULL, token BLOB NOT NULL, record_name TEXT NOT NULL, stored_at INTEGER NOT NULL,
        PRIMARY KEY (owner, token)
    ) STRICT, WITHOUT ROWID""",
    "CREATE INDEX mail_dedupe_by_age ON mail_dedupe (stored_at)",
    """CREATE TRIGGER message_gone AFTER DELETE ON records WHEN OLD.record_name GLOB '*/*/messages/*' BEGIN
        DELETE FROM mail_queue WHERE owner = OLD.owner AND record_name = OLD.record_name;
        DELETE FROM mail_recipients WHERE owner = OLD.owner AND record_name = OLD.record_name;
        INSERT OR IGNORE INTO mail_loose (owner, record_name, key_id)
            VALUES (OLD.owner, OLD.record_name, OLD.key_id);
    END""",
)
