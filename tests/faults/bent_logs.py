"""Ways to bend a log in a vault's data file, as somebody with the file, and maybe with the log's key, can.

Each takes the open database and returns what the verifier has to say: the index where the log first differs from what
was signed, whether it can be named exactly or only between two checkpoints, and what a witness kept elsewhere.
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from tests.audit.fakes import make_entry
from vault.crypto.merkle import leaf_hash, root_of
from vault.crypto.note import Checkpoint, LogKey, sign_checkpoint
from vault.domain.secret import Secret
from vault.storage.engine import sqlite3

LOG = "log-0"


@dataclass(frozen=True, slots=True)
class Expected:
    """What must be found."""

    index: int
    exact: bool = True
    witness: str = ""


class Bent:
    """One data file and the thief at work on it."""

    def __init__(self, connection: "sqlite3.Connection", random: Random, key: LogKey, origin: str) -> None:
        self.connection = connection
        self.random = random
        self.key = key
        self.origin = origin
        for (trigger,) in self.rows("SELECT name FROM sqlite_master WHERE type = 'trigger'"):
            connection.execute(f"DROP TRIGGER {trigger}")
        self.sizes = [size for (size,) in self.rows("SELECT size FROM checkpoints ORDER BY size")]
        self.signed = self.sizes[-1]

    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Of a query."""
        return list(self.connection.execute(sql, values).fetchall())

    def do(self, sql: str, *values: object) -> None:
        """A change that changes something."""
        assert self.connection.execute(sql, values).rowcount, sql

    def index(self) -> int:
        """Any signed one."""
        return self.random.randrange(self.signed)

    def entry(self, index: int) -> bytes:
        """As stored."""
        return bytes(self.rows("SELECT entry FROM log_entries WHERE idx = ?", index)[0][0])

    def two(self) -> tuple[int, int, bytes, bytes]:
        """Two that differ: equal calls of one millisecond have equal entries, and to exchange those changes nothing."""
        while True:
            first, second = sorted(self.random.sample(range(self.signed), 2))
            one, two = self.entry(first), self.entry(second)
            if one != two:
                return first, second, one, two

    def set(self, index: int, entry: bytes, *, leaf: bool) -> None:
        """Change an entry, and the hash beside it or not."""
        self.do("UPDATE log_entries SET entry = ? WHERE idx = ?", entry, index)
        if leaf:
            self.do("UPDATE log_entries SET leaf = ? WHERE idx = ?", leaf_hash(entry), index)

    def note(self, size: int) -> str:
        """A stored checkpoint."""
        return str(self.rows("SELECT note FROM checkpoints WHERE size = ?", size)[0][0])

    def sign(self, begin: int, key: LogKey) -> None:
        """Sign all checkpoints anew that are larger than `begin`, over the entries as they are now."""
        leaves = [leaf_hash(bytes(entry)) for (entry,) in self.rows("SELECT entry FROM log_entries ORDER BY idx")]
        for size in [size for size in self.sizes if size > begin]:
            note = sign_checkpoint(Checkpoint(self.origin, size, root_of(leaves[:size])), key)
            self.do("UPDATE checkpoints SET note = ? WHERE size = ?", note, size)


def other(bent: Bent) -> bytes:
    """An entry that is in no log."""
    return make_entry(10**6 + bent.random.randrange(10**6))


def edit(bent: Bent) -> Expected:
    """Another entry in the place of one."""
    index = bent.index()
    bent.set(index, other(bent), leaf=False)
    return Expected(index)


def flip_bit(bent: Bent) -> Expected:
    """One bit of an entry."""
    index = bent.index()
    entry = bytearray(bent.entry(index))
    entry[bent.random.randrange(len(entry))] ^= 1 << bent.random.randrange(8)
    bent.set(index, bytes(entry), leaf=False)
    return Expected(index)


def edit_with_hash(bent: Bent) -> Expected:
    """An entry and the hash beside it."""
    index = bent.index()
    bent.set(index, other(bent), leaf=True)
    return Expected(index, exact=False)


def delete(bent: Bent) -> Expected:
    """One entry is gone; the last one leaves no gap."""
    index = bent.index()
    bent.do("DELETE FROM log_entries WHERE idx = ?", index)
    return Expected(index, exact=index < bent.signed - 1)


def delete_and_close_up(bent: Bent) -> Expected:
    """One entry is gone, and those behind it move up."""
    index = bent.index()
    bent.do("DELETE FROM log_entries WHERE idx = ?", index)
    bent.connection.execute("UPDATE log_entries SET idx = -idx WHERE idx > ?", (index,))
    bent.connection.execute("UPDATE log_entries SET idx = -idx - 1 WHERE idx < 0")
    return Expected(index, exact=False)


def truncate(bent: Bent) -> Expected:
    """The newest entries are gone, their checkpoints are not."""
    index = bent.index()
    bent.do("DELETE FROM log_entries WHERE idx >= ?", index)
    return Expected(index, exact=False)


def put_back(bent: Bent) -> Expected:
    """Entries and checkpoints of an older moment; only a witness has seen the newer one."""
    newest = bent.note(bent.signed)
    size = bent.random.choice(bent.sizes[1:-1])
    bent.do("DELETE FROM log_entries WHERE idx >= ?", size)
    bent.do("DELETE FROM checkpoints WHERE size > ?", size)
    return Expected(size, witness=newest)


def reorder(bent: Bent) -> Expected:
    """Two entries change places, the hashes beside them do not."""
    first, second, one, two = bent.two()
    bent.set(first, two, leaf=False)
    bent.set(second, one, leaf=False)
    return Expected(first)


def reorder_with_hash(bent: Bent) -> Expected:
    """Two entries change places with the hashes beside them."""
    first, second, one, two = bent.two()
    bent.set(first, two, leaf=True)
    bent.set(second, one, leaf=True)
    return Expected(first, exact=False)


def fork(bent: Bent) -> Expected:
    """Another history from some index on, signed with the log's own key; a witness has seen the true one."""
    newest, index = bent.note(bent.signed), bent.index()
    for later in range(index, bent.signed):
        bent.set(later, make_entry(10**6 + later), leaf=True)
    bent.sign(index, bent.key)
    return Expected(index, exact=False, witness=newest)


def fork_and_grow(bent: Bent) -> Expected:
    """The same, and grown past what the witness has seen: no size tells."""
    expected = fork(bent)
    size = int(str(bent.rows("SELECT max(idx) + 1 FROM log_entries")[0][0]))
    for index in range(size, size + 20):
        entry = make_entry(10**6 + index)
        values = (LOG, index, entry, leaf_hash(entry))
        bent.do("INSERT INTO log_entries (log_id, idx, entry, leaf) VALUES (?, ?, ?, ?)", *values)
    bent.do("INSERT INTO checkpoints (log_id, size, note) VALUES (?, ?, '')", LOG, size + 20)
    bent.sizes.append(size + 20)
    bent.sign(bent.signed, bent.key)
    return expected


def old_checkpoint(bent: Bent) -> Expected:
    """A true checkpoint of an older size in the place of a newer one."""
    at = bent.random.randrange(2, len(bent.sizes))
    older = bent.note(bent.random.choice(bent.sizes[:at]))
    bent.do("UPDATE checkpoints SET note = ? WHERE size = ?", older, bent.sizes[at])
    return Expected(bent.sizes[at - 1], exact=False)


def wrong_key(bent: Bent) -> Expected:
    """Entries changed, and what is larger signed anew with a key of the thief's own."""
    index = bent.index()
    bent.set(index, other(bent), leaf=True)
    bent.sign(index, LogKey(Secret(bent.random.randbytes(32))))
    return Expected(index, exact=False)


def no_checkpoints(bent: Bent) -> Expected:
    """All checkpoints are gone: nothing vouches for anything."""
    bent.do("DELETE FROM checkpoints")
    return Expected(0)


WAYS: tuple[Callable[[Bent], Expected], ...] = (
    edit,
    flip_bit,
    edit_with_hash,
    delete,
    delete_and_close_up,
    truncate,
    put_back,
    reorder,
    reorder_with_hash,
    fork,
    fork_and_grow,
    old_checkpoint,
    wrong_key,
    no_checkpoints,
)
