"""What a start refuses (T17, T18): files that do not belong together, and a log that is not the one that was signed."""

import hashlib
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.abuse import disk
from tests.vaults import opened
from vault.audit.entry import parse
from vault.errors import ConfigError, DataLoss, NotFound, VaultError
from vault.storage.engine import sqlite3
from vault.v1 import contact_service_pb2 as contacts


def run(home: Path, file: str, *statements: str) -> None:
    """Change a closed vault."""
    with disk.writer(home / file) as connection:
        for statement in statements:
            connection.execute(statement)


def both(home: Path, statement: str) -> None:
    """Change both files."""
    run(home, disk.DATA, statement)
    run(home, disk.KEYS, statement)


def cut(home: Path, file: str, raw: bytes) -> None:
    """Other bytes in the place of a file."""
    (home / file).write_bytes(raw or (home / file).read_bytes()[:5000])


def edit_entry(home: Path) -> None:
    """Another caller in an entry, its leaf hash put right."""
    with disk.writer(home / disk.DATA) as connection:
        entries = connection.execute("SELECT idx, entry FROM log_entries").fetchall()
        index, edited = next((i, e.replace(b"storefront", b"somebodies")) for i, e in entries if b"storefront" in e)
        leaf = hashlib.sha256(b"\0" + edited).digest()
        connection.execute("UPDATE log_entries SET entry = ?, leaf = ? WHERE idx = ?", (edited, leaf, index))


def edit_checkpoints(home: Path) -> None:
    """Another character in each signature."""
    with disk.writer(home / disk.DATA) as connection:
        for size, note in connection.execute("SELECT size, note FROM checkpoints").fetchall():
            edited = note[:-9] + ("A" if note[-9] != "A" else "B") + note[-8:]
            connection.execute("UPDATE checkpoints SET note = ? WHERE size = ?", (edited, size))


CHANGES: dict[str, Callable[[Path], None]] = {
    "data of another vault": lambda h: run(h, disk.DATA, "UPDATE meta SET vault_id = randomblob(16)"),
    "keys of another vault": lambda h: run(h, disk.KEYS, "UPDATE meta SET vault_id = randomblob(16)"),
    "both of another vault": lambda h: both(h, "UPDATE meta SET vault_id = x'00112233445566778899aabbccddeeff'"),
    "keys older than data": lambda h: run(h, disk.KEYS, "UPDATE meta SET sequence = 1"),
    "data without its newest entry": lambda h: run(
        h, disk.DATA, "DELETE FROM log_entries WHERE idx = (SELECT max(idx) FROM log_entries)"
    ),
    "an entry edited": edit_entry,
    "an entry dropped": lambda h: run(h, disk.DATA, "DELETE FROM log_entries WHERE idx = 2"),
    "two entries exchanged": lambda h: run(
        h,
        disk.DATA,
        "UPDATE log_entries SET idx = -1 WHERE idx = 0",
        "UPDATE log_entries SET idx = 0 WHERE idx = 3",
        "UPDATE log_entries SET idx = 3 WHERE idx = -1",
    ),
    "a checkpoint edited": edit_checkpoints,
    "a checkpoint ahead of the log": lambda h: run(h, disk.DATA, "UPDATE checkpoints SET size = size + 100"),
    "no vault key": lambda h: run(h, disk.KEYS, "DELETE FROM vault_keys"),
    "another vault key": lambda h: run(h, disk.KEYS, "UPDATE vault_keys SET wrapped = randomblob(60)"),
    "a vault key that says it is newer": lambda h: run(h, disk.KEYS, "UPDATE vault_keys SET n = 2"),
    "no search key": lambda h: run(h, disk.KEYS, "DELETE FROM system_rows WHERE kind = 'lookup-key'"),
    "no log key": lambda h: run(h, disk.KEYS, "DELETE FROM system_rows WHERE kind = 'log-key'"),
    "a file cut short": lambda h: cut(h, disk.DATA, b""),
    "a file of zeros": lambda h: cut(h, disk.KEYS, bytes(65536)),
    "no key store": lambda h: (h / disk.KEYS).unlink(),
}


@pytest.fixture
async def closed(home: Path) -> Path:
    """A vault that was used and closed."""
    async with opened(home) as vault:
        await vault.create()
        await vault.get_contact()
    return home


@pytest.mark.parametrize("change", CHANGES)
async def test_a_start_refuses_files_that_are_not_as_they_were_left(closed: Path, change: str) -> None:
    """With an error that names the file or says that there is loss, and nothing else."""
    CHANGES[change](closed)
    with pytest.raises((ConfigError, DataLoss)):
        async with opened(closed):
            pass


async def test_a_start_refuses_a_log_whose_checkpoints_were_taken_away(closed: Path) -> None:
    """The key store knows that something was signed: an edited log must not get a new signature."""
    edit_entry(closed)
    run(closed, disk.DATA, "DELETE FROM checkpoints")
    with pytest.raises((ConfigError, DataLoss)):
        async with opened(closed):
            pass


async def test_a_tombstone_that_was_slipped_in_is_in_the_log(closed: Path) -> None:
    """What destroys keys leaves an entry, and what it leaves reads as gone."""
    run(closed, disk.DATA, "INSERT INTO tombstones (owner, erased_at) VALUES ('customers/42', 1)")
    async with opened(closed) as vault:
        asked = contacts.GetContactRequest(customer_id="42")
        assert isinstance(await vault.refusal("care", "ContactService.GetContact", asked), NotFound)
        actions = [parse(entry).action for entry in await vault.entries()]
    assert any("Eras" in action for action in actions[-4:])


async def test_altered_pages_are_found_where_they_are_read(closed: Path) -> None:
    """A page of zeros in the middle of a store: whatever can still be read is the truth."""
    with closing(sqlite3.connect(str(closed / disk.DATA))) as connection:
        (root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'records'").fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    raw = bytearray((closed / disk.DATA).read_bytes())
    raw[(root - 1) * size : root * size] = bytes(size)
    (closed / disk.DATA).write_bytes(raw)
    with pytest.raises(VaultError):
        async with opened(closed) as vault:
            await vault.get_contact()
