"""What a group does to messages in transit, inside of its data transaction: chunks, queue rows, dedupe tokens.

A message that goes out leaves a loose mark (the schema's trigger). The few chunks of a small one go in the same commit,
so that most deliveries leave nothing for the sweep; many would hold up the calls that share the commit.
"""

from collections.abc import Collection, Sequence
from typing import Final

from vault.domain.names import Owner, RecordName
from vault.storage.engine import sqlite3
from vault.storage.queue import QueuePut
from vault.storage.sqlite import rows
from vault.storage.sqlite.plan import Changes

AT_ONCE: Final = 16
"""Chunks that one commit deletes or stores: a mebibyte."""
_CHUNKS: Final = "INSERT INTO mail_chunks (owner, record_name, key_id, idx, stored) {values}"
_QUEUE: Final = """INSERT OR REPLACE INTO mail_queue (owner, record_name, key_id, kind, size, chunks, stored_at, due_at,
    dead_at, expires_at, lease, attempts, reason, status, revision) {values}"""
_RECIPIENTS: Final = """INSERT OR REPLACE INTO mail_recipients
    (owner, record_name, place, token, next_hop, state, status, changed_at) {values}"""
_DEDUPE: Final = "INSERT INTO mail_dedupe (owner, token, record_name, stored_at) {values}"
_REVISIONS: Final = "SELECT record_name, revision FROM mail_queue WHERE (owner, record_name) IN ({values})"
_TOKENS: Final = "SELECT owner, token FROM mail_dedupe WHERE (owner, token) IN ({values})"
_FOUND: Final = """SELECT rowid FROM mail_chunks WHERE owner = ? AND record_name = ? AND key_id = ?
    ORDER BY idx LIMIT ?"""
_UNMARK: Final = "DELETE FROM mail_loose WHERE owner = ? AND record_name = ? AND key_id = ?"

Mark = tuple[Owner, RecordName, bytes]
"""(owner, record name, key id)"""


def facts(
    data: sqlite3.Connection, puts: Sequence[QueuePut]
) -> tuple[dict[RecordName, int], Collection[tuple[Owner, bytes]]]:
    """What the decision on changes of the queue depends on: revisions, and tokens that are known."""
    names = {(put.row.owner, put.row.record_name) for put in puts}
    tokens = {(put.row.owner, put.dedupe) for put in puts if put.dedupe}
    return (
        {RecordName(name): revision for name, revision in rows.select(data, _REVISIONS, list(names))},
        {(Owner(owner), token) for owner, token in rows.select(data, _TOKENS, list(tokens))},
    )


def write(data: sqlite3.Connection, changes: Changes, gone: Collection[tuple[Owner, RecordName]]) -> None:
    """Write what a group does to messages; `gone` are the rows that it takes out."""
    for put in changes.puts:
        owner, name, key_id = put.row.owner, put.row.record_name, put.row.key_id
        rows.execute(data, _CHUNKS, [(owner, name, key_id, *chunk) for chunk in put.chunks])
        if put.uploaded:
            data.execute(_UNMARK, (owner, name, key_id))
    puts = [put for put in changes.queue if (put.row.owner, put.row.record_name) not in gone]
    if puts:
        rows.execute(data, _QUEUE, [put.row for put in {put.row.record_name: put for put in puts}.values()])
        places = [(put.row.owner, put.row.record_name, *place) for put in puts for place in put.recipients]
        rows.execute(data, _RECIPIENTS, list({place[:3]: place for place in places}.values()))
        dedupe = [(p.row.owner, p.dedupe, p.row.record_name, p.row.stored_at) for p in puts if p.dedupe]
        rows.execute(data, _DEDUPE, dedupe)
    for remove in changes.removes:
        if "/messages/" in remove.record_name and (remove.owner, remove.record_name) in gone:
            delete_some(data, (remove.owner, remove.record_name, remove.key_id))


def delete_some(data: sqlite3.Connection, mark: Mark) -> tuple[int, bool]:
    """Delete so many chunks of a key, and the mark with the last of them; how many, and whether none is left."""
    found = data.execute(_FOUND, (*mark, AT_ONCE + 1)).fetchall()
    doomed = found[:AT_ONCE]
    rows.execute(data, "DELETE FROM mail_chunks WHERE rowid IN ({values})", doomed)
    if len(found) > AT_ONCE:
        return len(doomed), False
    data.execute(_UNMARK, mark)
    return len(doomed), True
