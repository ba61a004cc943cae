"""Rows, keys and works to store: any bytes do, because a store opens nothing."""

import secrets
from collections.abc import Callable, Sequence

from vault.crypto.record_lock import WRAPPED_SIZE, KeyId
from vault.domain.names import Owner, RecordName, owner_of
from vault.storage.port import (
    Committed,
    Item,
    Lookup,
    Put,
    Remove,
    Result,
    Row,
    SeenRequest,
    Storage,
    Work,
    WrappedKey,
)

LOG = "log-0"
NOW = 1_790_000_000_000
HOUR = 3_600_000


def name(customer: object, rest: str = "") -> RecordName:
    """`customers/{customer}`, or a record under it."""
    return RecordName(f"customers/{customer}" + (f"/{rest}" if rest else ""))


def owner(customer: object) -> Owner:
    """`customers/{customer}`, as an owner."""
    return Owner(f"customers/{customer}")


def put(
    record: RecordName,
    replaces: KeyId | None = None,
    *,
    version: int = 1,
    tokens: Sequence[tuple[str, bytes]] = (),
    carry: Sequence[str] = (),
    now: int = NOW,
) -> Put:
    """A new version of a record, under a new key; what it replaces is retired."""
    key_id, whose = KeyId(secrets.token_bytes(16)), owner_of(record)
    return Put(
        Row(whose, record, key_id, version, now, 0, b"stored " + secrets.token_bytes(40)),
        WrappedKey(whose, record, key_id, 1, now, secrets.token_bytes(WRAPPED_SIZE)),
        replaces,
        tuple(Lookup(whose, key_id, field, 1, token) for field, token in tokens),
        tuple(carry),
        WrappedKey(whose, record, replaces, 1, now, secrets.token_bytes(WRAPPED_SIZE)) if replaces else None,
    )


def remove(row: Row) -> Remove:
    """Take this version of a record out."""
    return Remove(row.owner, row.record_name, row.key_id)


def item(*changes: Put | Remove) -> Item:
    """Changes of one owner that belong together."""
    puts = tuple(change for change in changes if isinstance(change, Put))
    removes = tuple(change for change in changes if isinstance(change, Remove))
    whose = puts[0].row.owner if puts else removes[0].owner
    return Item(whose, puts, removes)


def request(request_id: str = "r1", caller: str = "shop", *, seen_at: int = NOW) -> SeenRequest:
    """A request_id, as a call brings it."""
    return SeenRequest(caller, request_id, b"f" * 32, seen_at, b"")


def entry_of(results: Sequence[Result]) -> bytes:
    """An entry that says how the items ended."""
    return b"entry " + ",".join(result.value for result in results).encode()


def work(
    *items: Item,
    log_id: str = LOG,
    uses: SeenRequest | None = None,
    response: bytes | None = b"response",
    finish: Callable[[tuple[Result, ...]], tuple[bytes, bytes | None]] | None = None,
) -> Work:
    """One call's changes."""
    return Work(log_id, finish or (lambda results: (entry_of(results), response)), items, uses)


async def store_one(storage: Storage, record: RecordName, **options: object) -> Row:
    """Commit one new record."""
    new = put(record, **options)  # type: ignore[arg-type]
    assert await commit(storage, new) == (Result.DONE,)
    return new.row


async def commit(storage: Storage, *changes: Put | Remove) -> tuple[Result, ...]:
    """Commit one item; how it ended."""
    return (await storage.commit(work(item(*changes)))).results


async def keys_of(storage: Storage, *rows: Row) -> int:
    """How many of these rows have a live key."""
    return len(await storage.fetch_keys(rows))


async def entries(storage: Storage, log_id: str = LOG) -> list[bytes]:
    """All entries of a log."""
    found = await storage.log_entries(log_id, 0, 1 << 30)
    assert [index for index, _ in found] == list(range(len(found)))
    return [entry for _, entry in found]


def done(committed: Committed) -> bool:
    """Whether all items of a work were done, and it was no replay."""
    return committed.replay is None and set(committed.results) <= {Result.DONE}
