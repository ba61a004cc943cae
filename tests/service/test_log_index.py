"""Who asks about a customer gets all of its entries, whatever the index has taken in, lost, or been robbed of."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.vaults import OpenVault, make_home, opened
from vault.audit import topics
from vault.audit.entry import Subject, entry_bytes, new_subject
from vault.audit.topics import Stretch
from vault.crypto.merkle import leaf_hash
from vault.errors import DataLoss, ResourceExhausted
from vault.service import log_index
from vault.service.log_index import LogIndex
from vault.storage.engine import sqlite3
from vault.storage.port import Result, Work
from vault.store.v1.audit_entry_pb2 import OUTCOME_ALLOWED

SMALL = 8
OURS, OTHER = Subject(b"\x07" * 16), Subject(b"\x08" * 16)


@pytest.fixture(autouse=True)
def short_stretches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stretches of eight entries, and no task that takes them in by itself."""
    monkeypatch.setattr(topics, "FULL", SMALL)
    monkeypatch.setattr(log_index, "FULL", SMALL)
    monkeypatch.setattr(LogIndex, "start", lambda self: None)


def entry(subject: bytes, time: int = 1) -> bytes:
    """A read of one customer."""
    return entry_bytes(
        time,
        "spiffe://vault.example/care",
        "account_service",
        "ContactService.GetContact",
        outcome=OUTCOME_ALLOWED,
        subjects=[Subject(subject)],
        records=["customers/x/contact"],  # type: ignore[list-item]
        fields=["contact.name"],
    )


def making(made: bytes) -> Callable[[tuple[Result, ...]], tuple[bytes, None]]:
    """What makes the entry of a work."""
    return lambda _: (made, None)


async def append(vault: OpenVault, *subjects: bytes) -> None:
    """One read of each, in this order."""
    for subject in subjects:
        await vault.parts.store.commit(Work(vault.parts.journal.log_id, making(entry(subject))))


async def found(vault: OpenVault, subject: bytes = OURS) -> list[int]:
    """Entries about a customer."""
    return [index async for _, index, _ in vault.parts.trail.entries_about(subject)]


async def in_the_log(vault: OpenVault, subject: bytes = OURS) -> list[int]:
    """The same, from the log itself."""
    return [index for index, raw in enumerate(await vault.entries()) if subject in raw]


async def unknown(vault: OpenVault, subject: bytes = OURS) -> list[range]:
    """What the index does not speak of."""
    return list((await vault.parts.trail.index.places(vault.parts.journal.log_id, subject)).unknown)


def change(home: Path, sql: str, *values: Any) -> int:
    """Do something to the data store that no server does; how many rows."""
    (path,) = home.rglob("vault.db")
    connection = sqlite3.connect(str(path), isolation_level=None)
    try:
        return int(connection.execute(sql, values).rowcount)
    finally:
        connection.close()


async def filled(vault: OpenVault) -> None:
    """Some stretches, with ours in each."""
    await append(vault, *[OURS, OTHER, new_subject()] * 12)
    await vault.parts.trail.index.follow()


async def test_all_entries_are_found_from_stored_and_growing_stretches(vault: OpenVault) -> None:
    """And nothing needs to be searched, not even what came a moment ago."""
    await filled(vault)
    await append(vault, OURS)
    assert await found(vault) == await in_the_log(vault)
    assert len(await found(vault)) == 13
    assert await unknown(vault) == []
    assert len(await vault.parts.store.log_topics(vault.parts.journal.log_id, 7)) >= 3


async def test_a_log_from_before_the_index_is_taken_in(tmp_path: Path) -> None:
    """While it is behind, the rest is searched; afterwards nothing is."""
    async with opened(await make_home(tmp_path / "home")) as vault:
        await append(vault, *[OURS, OTHER] * 20)
        assert await unknown(vault) != []
        assert await found(vault) == await in_the_log(vault)
        await vault.parts.trail.index.follow()
        assert await unknown(vault) == []
        assert await found(vault) == await in_the_log(vault)


async def test_a_restart_goes_on_where_the_stored_stretches_end(tmp_path: Path) -> None:
    """What was growing is read again."""
    home = await make_home(tmp_path / "home")
    async with opened(home) as vault:
        await filled(vault)
        stored = await vault.parts.store.log_topics(vault.parts.journal.log_id, 7)
    async with opened(home) as vault:
        assert await vault.parts.store.log_topics(vault.parts.journal.log_id, 7) == stored
        await vault.parts.trail.index.follow()
        assert await found(vault) == await in_the_log(vault)
        assert await unknown(vault) == []


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM log_topics WHERE bucket = 7 AND start = (SELECT max(start) FROM log_topics)",
        "DELETE FROM log_topics WHERE bucket = 7",
        "DELETE FROM log_topics WHERE start < 10",
        "UPDATE log_topics SET stored = substr(stored, 1, 16) WHERE bucket = 7",
        "UPDATE log_topics SET stored = x'' WHERE bucket = 7",
        "UPDATE OR REPLACE log_topics SET bucket = 7 WHERE bucket = 9",
        "UPDATE log_topics SET until = until + 1000 WHERE bucket = 7",
    ],
)
async def test_what_was_taken_out_of_the_index_is_found_in_the_log(tmp_path: Path, sql: str) -> None:
    """A missing or altered bucket does not mean that there was no read."""
    home = await make_home(tmp_path / "home")
    async with opened(home) as vault:
        await filled(vault)
        assert change(home, sql)
        assert await unknown(vault) != []
        assert await found(vault) == await in_the_log(vault)


async def test_a_start_makes_a_damaged_index_again(tmp_path: Path) -> None:
    """From the first stretch on that does not verify, and what says more than the log has."""
    home = await make_home(tmp_path / "home")
    async with opened(home) as vault:
        await filled(vault)
        before = await vault.parts.store.log_topics(vault.parts.journal.log_id, 7)
    assert change(home, "UPDATE log_topics SET stored = x'00' WHERE bucket = 0 AND start = ?", before[1].start)
    async with opened(home) as vault:
        await vault.parts.trail.index.follow()
        after = await vault.parts.store.log_topics(vault.parts.journal.log_id, 7)
        assert after[:2] == before[:2]
        assert await unknown(vault) == []
        assert await found(vault) == await in_the_log(vault)


async def test_another_key_makes_the_index_again(tmp_path: Path) -> None:
    """The key store was put back without it."""
    home = await make_home(tmp_path / "home")
    async with opened(home) as vault:
        await filled(vault)
    (path,) = home.rglob("keys.db")
    connection = sqlite3.connect(str(path), isolation_level=None)
    assert connection.execute("UPDATE system_rows SET sealed = x'01' WHERE kind = 'log-index-key'").rowcount == 1
    connection.close()
    async with opened(home) as vault:
        await vault.parts.trail.index.follow()
        assert await unknown(vault) == []
        assert await found(vault) == await in_the_log(vault)


async def test_a_read_that_was_altered_in_the_log_is_reported(tmp_path: Path) -> None:
    """The index still says that there was one."""
    home = await make_home(tmp_path / "home")
    async with opened(home) as vault:
        await filled(vault)
        forged = entry(OTHER)
        sql = "UPDATE log_entries SET entry = ?, leaf = ? WHERE idx = ?"
        assert change(home, sql, forged, leaf_hash(forged), (await in_the_log(vault))[2])
        with pytest.raises(DataLoss, match="audit verify"):
            await found(vault)


async def test_an_entry_that_does_not_parse_ends_the_index_and_not_the_search(tmp_path: Path) -> None:
    """What stands behind it is searched, and others are answered."""
    home = await make_home(tmp_path / "home")
    async with opened(home) as vault:
        await filled(vault)
        await vault.parts.store.commit(Work(vault.parts.journal.log_id, making(b"\xff" * 9)))
        await append(vault, OURS)
        assert await unknown(vault) != []
        assert await found(vault) == await in_the_log(vault)


async def test_a_store_that_takes_no_index_is_searched(vault: OpenVault, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk keeps nobody from knowing who read."""
    await filled(vault)

    async def full(*_: object) -> None:
        raise ResourceExhausted("the disk is full")

    monkeypatch.setattr(vault.parts.store, "add_log_topics", full)
    await append(vault, *[OURS, OTHER] * SMALL)
    assert await unknown(vault) != []
    assert await found(vault) == await in_the_log(vault)
    monkeypatch.undo()
    monkeypatch.setattr(topics, "FULL", SMALL)
    assert await found(vault) == await in_the_log(vault)


async def test_a_missing_entry_is_not_passed_over(tmp_path: Path) -> None:
    """Neither by the index that grows, which stops, nor by one that names it."""
    home = await make_home(tmp_path / "home")
    async with opened(home) as vault:
        await filled(vault)
        last = (await in_the_log(vault))[-1]
        assert change(home, "UPDATE log_entries SET idx = idx + 1000 WHERE idx = ?", last)
        with pytest.raises(DataLoss, match="audit verify"):
            await found(vault)
        assert change(home, "UPDATE log_entries SET idx = idx - 1000 WHERE idx = ?", last + 1000)


def test_a_stretch_has_its_size_from_the_module() -> None:
    """The fixture above would otherwise test nothing."""
    stretch = Stretch(0)
    for _ in range(SMALL):
        stretch.add(set())
    assert stretch.full
