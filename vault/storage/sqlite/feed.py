"""The feed of orders in SQLite: triggers, so that no path that writes an order or erases an owner can leave it out."""

from typing import Final

FEED: Final = (
    """CREATE TABLE order_feed (
        seq INTEGER PRIMARY KEY AUTOINCREMENT, owner TEXT NOT NULL,
        record_name TEXT NOT NULL  -- empty: the owner was erased
    ) STRICT""",
    "CREATE INDEX order_feed_by_owner ON order_feed (owner)",
    """CREATE TRIGGER order_made AFTER INSERT ON records WHEN new.record_name GLOB 'customers/*/orders/*'
    BEGIN
        INSERT INTO order_feed (owner, record_name) VALUES (new.owner, new.record_name);
    END""",
    """CREATE TRIGGER order_erased AFTER INSERT ON tombstones
    WHEN EXISTS (SELECT 1 FROM order_feed WHERE owner = new.owner AND record_name <> '')
    BEGIN
        DELETE FROM order_feed WHERE owner = new.owner;
        INSERT INTO order_feed (owner, record_name) VALUES (new.owner, '');
    END""",
)
SINCE: Final = "SELECT seq, owner, record_name FROM order_feed WHERE seq > ? ORDER BY seq LIMIT ?"
