"""One group: the works that had queued up, in one commit of each store.

    1. data:  BEGIN; what the group's works depend on is read and decided (`plan`)
    2. keys:  new keys and lookups, what is owed; COMMIT            only if there are puts
    3. data:  rows, entries, requests; COMMIT
    4. answers to all works that took nothing out
    5. keys:  keys of rows taken out are destroyed; COMMIT          only if there are any
    6. answers to the rest

The most frequent group holds only log entries of reads. Then one INSERT is the whole transaction.
"""

from collections.abc import Sequence

from vault.crypto.record_lock import KeyId
from vault.domain.names import Owner, RecordName
from vault.errors import OutcomeUnknown
from vault.storage.engine import sqlite3
from vault.storage.port import SeenRequest, Work
from vault.storage.sqlite import failures, mail_rows, rows, slots, visits
from vault.storage.sqlite.owed import doomed
from vault.storage.sqlite.plan import Changes, Facts, Plan, decide
from vault.storage.sqlite.stores import Stores

_ENTRIES = "INSERT INTO log_entries (log_id, idx, entry, leaf) {values}"
_ROWS = """INSERT INTO records (owner, record_name, key_id, version, written_at, expires_at, stored) {values}
    ON CONFLICT (owner, record_name) DO UPDATE SET key_id = excluded.key_id, version = excluded.version,
    written_at = excluded.written_at, expires_at = excluded.expires_at, stored = excluded.stored"""
_LOOKUPS = "INSERT INTO lookups (owner, record_name, key_id, field, n, token) {values}"
_CARRY = """INSERT INTO lookups (owner, record_name, key_id, field, n, token)
    SELECT owner, record_name, ?, field, n, token FROM lookups
    WHERE owner = ? AND record_name = ? AND key_id = ? AND field = ?"""
_REQUESTS = "INSERT INTO requests (caller, request_id, fingerprint, seen_at, response) {values}"
SEEN = """SELECT caller, request_id, fingerprint, seen_at, response FROM requests
    WHERE (caller, request_id) IN ({values})"""
_KEY_IDS = "SELECT record_name, key_id FROM records WHERE (owner, record_name) IN ({values})"
_ERASED = "SELECT owner FROM tombstones WHERE (owner) IN ({values})"

_PAGE = 4096


def only_entries(works: Sequence[Work]) -> bool:
    """Whether no work does more than to append its entry."""
    return not any(work.items or work.request or work.visits for work in works)


def commit(stores: Stores, works: Sequence[Work]) -> Plan:
    """Steps 1 to 3: decide and make durable."""
    if only_entries(works) and stores.sequence == stores.depends_on:
        return _append(stores, works)
    plan: Plan | None = None
    try:
        with stores.data_transaction() as data:
            plan = decide(works, _facts(stores, works), stores.log_sizes)
            if any(not put.uploaded for put in plan.changes.puts):
                with stores.key_transaction() as keys:
                    _add_keys(keys, plan.changes)
            _write(data, plan)
    except Exception as error:
        if plan is not None and not isinstance(failures.while_writing(error), failures.Fatal):
            stores.owed.discard += [put for put in plan.changes.puts if not put.uploaded]
        raise
    stores.owed.retire += plan.changes.retirements()
    _committed(stores, plan)
    return plan


def destroy(stores: Stores, plan: Plan) -> None:
    """Step 5: destroy the keys of what was taken out.

    Raises:
        OutcomeUnknown: the rows are out, but their keys are still there; they go with the next commit that succeeds.
    """
    stores.owed.destroy += doomed(plan.changes)
    try:
        with stores.key_transaction():
            pass
    except sqlite3.Error as error:
        verdict = failures.while_writing(error)
        if isinstance(verdict, failures.Fatal):
            raise verdict from None
        raise OutcomeUnknown(
            "the record is gone; its key follows when the key store has room, or repeat the call"
        ) from None


def _append(stores: Stores, works: Sequence[Work]) -> Plan:
    plan = decide(works, Facts({}, {}, ()), stores.log_sizes)
    rows.execute(stores.data, _ENTRIES, plan.entries)
    _committed(stores, plan)
    return plan


def _committed(stores: Stores, plan: Plan) -> None:
    """Note what is durable now, and about how much WAL it took: a row touches some four pages of both stores."""
    stores.log_sizes = dict(plan.log_sizes)
    size = sum(len(entry) for _, _, entry, _ in plan.entries) + sum(len(put.row.stored) for put in plan.changes.puts)
    size += sum(len(chunk.stored) for put in plan.changes.puts for chunk in put.chunks)
    stores.written += size + _PAGE * (2 + 4 * len(plan.changes.rows))


def _facts(stores: Stores, works: Sequence[Work]) -> Facts:
    items = [item for work in works for item in work.items]
    names = {(put.row.owner, put.row.record_name) for item in items for put in item.puts}
    names |= {(remove.owner, remove.record_name) for item in items for remove in item.removes}
    queue = [put for item in items for put in item.queue]
    names |= {(put.row.owner, put.row.record_name) for put in queue}
    owners = [(owner,) for owner in {item.owner for item in items} | {owner for owner, _ in names}]
    used = {(work.request.caller, work.request.request_id) for work in works if work.request}
    return Facts(
        {RecordName(name): KeyId(key_id) for name, key_id in rows.select(stores.data, _KEY_IDS, list(names))},
        {(seen[0], seen[1]): SeenRequest(*seen) for seen in rows.select(stores.data, SEEN, list(used))},
        {Owner(o) for store in (stores.data, stores.keys) for (o,) in rows.select(store, _ERASED, owners)},
        *(mail_rows.facts(stores.data, queue) if queue else ({}, ())),
    )


def _add_keys(keys: sqlite3.Connection, changes: Changes) -> None:
    slots.add(keys, [put.key for put in changes.puts if not put.uploaded])
    lookups = [
        (lookup.owner, put.key.record_name, lookup.key_id, lookup.field, lookup.n, lookup.token)
        for put in changes.puts
        for lookup in put.lookups
    ]
    rows.execute(keys, _LOOKUPS, lookups)
    for put in changes.puts:
        for name in put.carry if put.replaces else ():
            keys.execute(_CARRY, (put.key.key_id, put.row.owner, put.row.record_name, put.replaces, name))


def _write(data: sqlite3.Connection, plan: Plan) -> None:
    after = plan.changes.rows
    written = [
        (r.owner, r.record_name, r.key_id, r.version, r.written_at, r.expires_at, r.stored) for r in after.values() if r
    ]
    gone = {(r.owner, r.record_name) for r in plan.changes.removes if after[r.record_name] is None}
    rows.execute(data, _ROWS, written)
    rows.execute(data, "DELETE FROM records WHERE (owner, record_name) IN ({values})", list(gone))
    mail_rows.write(data, plan.changes, gone)
    rows.execute(data, _ENTRIES, plan.entries)
    requests = [(q.caller, q.request_id, q.fingerprint, q.seen_at, q.response) for q in plan.requests.values()]
    rows.execute(data, _REQUESTS, requests)
    visits.add(data, plan.visits)
