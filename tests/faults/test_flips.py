"""T6: one flipped bit anywhere in the stores, their WALs, the root key, the settings or the policy.

What is read is the truth, or DATA_LOSS for the record that was hit with the others served, or the vault refuses to
start and says why. What nobody may ever see is another value, or a record that is "not there".

The stores are those of a vault with eight customers, each with a contact in its second version and two cards: small, so
that a flip often hits something. The WALs are those of a server that was killed.
"""

import asyncio
import random
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.abuse import disk
from tests.abuse.tampered import settle
from tests.faults.damage import Patient, Seen, Tally
from tests.figures import Figures
from tests.vaults import opened
from vault.cli.failures import next_step
from vault.errors import DataLoss

HOURS_AGO = -2 * 3600 * 1000
"""When the records were written: a write that may be under way is given an hour."""
STORES = {"vault.db": ("closed", "data/vault.db"), "keys.db": ("closed", "keys/keys.db")}
LOGS = {"vault.db-wal": ("killed", "data/vault.db-wal"), "keys.db-wal": ("killed", "keys/keys.db-wal")}
SMALL = {name: ("closed", name) for name in ("root.key", "vault.toml", "policy.toml")}
WEIGHTS = {"vault.db": 45, "keys.db": 35, "vault.db-wal": 6, "keys.db-wal": 4, **dict.fromkeys(SMALL, 3)}


@dataclass(frozen=True, slots=True)
class Ward:
    """The same vault twice: closed in order, and as a kill leaves it."""

    patients: dict[str, Patient]

    def bit(self, kind: str, rng: random.Random) -> tuple[Patient, str, int]:
        """Flip any bit of a kind of file; the vault, and where."""
        state, name = (STORES | LOGS | SMALL)[kind]
        patient = self.patients[state]
        patient.reset()
        raw = bytearray((patient.home / name).read_bytes())
        at = rng.randrange(8 * len(raw))
        raw[at // 8] ^= 1 << at % 8
        (patient.home / name).write_bytes(raw)
        return patient, name, at


@pytest.fixture
async def ward(pristine: Path, quick_disk: Path) -> Ward:
    """Made once for each test; nothing is random in it but keys and times."""
    folder = quick_disk / "flips"
    shutil.rmtree(folder, ignore_errors=True)
    closed = shutil.copytree(pristine, folder / "closed")
    async with opened(closed) as vault:
        vault.now_shift = HOURS_AGO
        truth, _ = await settle(vault)
        await asyncio.sleep(1.5)  # the newest checkpoint covers all of it, and the key store knows that
        killed = shutil.copytree(closed, folder / "killed", ignore=shutil.ignore_patterns("*-shm"))
    return Ward(
        {name: Patient(home, folder / "damaged", truth) for name, home in (("closed", closed), ("killed", killed))}
    )


async def flip(ward: Ward, count: int, seed: int) -> Tally:
    """Flip bits one at a time, and see what becomes of each."""
    rng, tally = random.Random(seed), Tally()
    for _ in range(count):
        kind = rng.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        patient, name, at = ward.bit(kind, rng)
        tally.add(kind, f"seed {seed}, {name} bit {at}", await patient.examine())
    return tally


def judge(tally: Tally, figures: Figures) -> None:
    """Nothing silently wrong, nothing hidden."""
    for line in tally.lines():
        figures(line)
    assert not tally.wrong
    assert not tally.hidden
    assert not any(seen is Seen.STOPPED for _, seen in tally.counts)


async def test_the_vault_is_well_before_it_is_damaged(ward: Ward) -> None:
    """Or the figures would say nothing."""
    for patient in ward.patients.values():
        patient.reset()
        outcome = await patient.examine()
        assert (outcome.seen, outcome.log_finding) == (Seen.UNTOUCHED, False), outcome


@pytest.mark.timeout(300)
async def test_a_flipped_bit_is_never_served(ward: Ward, figures: Figures) -> None:
    """A sample; the seed is fixed, what it hits is not, for keys and times differ."""
    judge(await flip(ward, 100, 1), figures)


@pytest.mark.long
@pytest.mark.timeout(1800)
async def test_two_thousand_flipped_bits_are_never_served(ward: Ward, figures: Figures) -> None:
    """T6."""
    judge(await flip(ward, 2_000, 2), figures)


@pytest.mark.parametrize("table", ["records", "sqlite_autoindex_records_1"])
async def test_a_record_whose_page_is_gone_is_lost_and_not_absent(ward: Ward, table: str) -> None:
    """A whole page of the table, or of its index: some or all records are loss, none is "not there"."""
    patient = ward.patients["closed"]
    patient.reset()
    break_page(patient.home, table)
    outcome = await patient.examine()
    assert outcome.seen is Seen.LOST, outcome
    assert not outcome.wrong
    assert "stored bytes were altered or lost" in next_step(DataLoss("the store is damaged where it was read"))


def break_page(home: Path, table: str) -> None:
    """Zeros over the first page of a b-tree."""
    with disk.writer(home / disk.DATA) as connection:
        sql = "SELECT rootpage FROM sqlite_schema WHERE name = ?"
        (page,) = connection.execute(sql, (table,)).fetchone()
    raw = bytearray((home / disk.DATA).read_bytes())
    raw[(page - 1) * 4096 : page * 4096] = bytes(4096)
    (home / disk.DATA).write_bytes(raw)
