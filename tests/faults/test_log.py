"""T19: a log that was bent is found, at its first bad index, and a true one is never suspected.

Through the real `audit verify`, on copies of a real vault's data file, with keys from pins and checkpoints from a
witness. The true logs are copies taken beside the running vault, at any moment, with every older checkpoint as witness.
"""

import asyncio
import json
import shutil
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

import pytest
import pytest_asyncio
from click.testing import CliRunner

from tests.faults.bent_logs import WAYS, Bent, Expected
from tests.figures import Figures
from tests.vaults import make_home, opened
from vault.audit import log as log_module
from vault.cli.commands.audit.verify import command
from vault.crypto.note import LogKey
from vault.storage.engine import sqlite3

SAMPLE, LONG = 15, 150
"""Cases for each way to bend a log."""
WHOLE_SAMPLE = 60
_BATCHES = 30


@dataclass(frozen=True, slots=True)
class Logged:
    """A stopped vault with a log, and copies that were taken while it ran."""

    home: Path
    file: Path
    copies: tuple[Path, ...]
    key: LogKey
    origin: str


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def logged(tmp_path_factory: pytest.TempPathFactory) -> Logged:
    """Some hundred entries under some dozens of checkpoints; copies as `backup` makes them."""
    folder = tmp_path_factory.mktemp("log")
    home, random = await make_home(folder / "home"), Random(19)
    copies = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(log_module, "INTERVAL_S", 0.01)
        async with opened(home) as vault:
            await vault.create()
            for batch in range(_BATCHES):
                await asyncio.gather(*(vault.get_contact() for _ in range(random.randrange(1, 15))))
                await asyncio.sleep(random.choice([0, 0.02, 0.04]))
                if batch % 3 == 0:
                    copies.append(_copy(home / "data" / "vault.db", folder / f"copy-{batch}.db"))
            log = vault.parts.log
            seed = (await vault.parts.keyring.log_seed(log.log_id))[1]
    shutil.copy(home / "data" / "vault.db", folder / "vault.db")
    return Logged(home, folder / "vault.db", tuple(copies), LogKey(seed), log.origin)


def _copy(data: Path, to: Path) -> Path:
    """A consistent copy of the file while the vault writes to it."""
    with closing(sqlite3.connect(f"file:{data}?mode=ro", uri=True)) as source, closing(sqlite3.connect(to)) as target:
        source.backup(target)
    return to


def verify(logged: Logged, file: Path, witness: str, kept: Path) -> tuple[int, Any]:
    """(exit code, what is said of the log)."""
    arguments = [str(file), "--pins", str(logged.home / "pins.json"), "--json"]
    if witness:
        kept.write_text(witness)
        arguments += ["--witness", str(kept)]
    result = CliRunner().invoke(command, arguments)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, json.loads(result.stdout)["logs"][0]


def bent_copy(logged: Logged, way: Callable[[Bent], Expected], seed: int, to: Path) -> Expected:
    """A copy bent one way, and what must be found."""
    shutil.copy(logged.file, to)
    with closing(sqlite3.connect(to)) as connection, connection:
        connection.execute("PRAGMA synchronous = OFF")
        return way(Bent(connection, Random(seed), logged.key, logged.origin))


def judge(expected: Expected, code: int, said: Any) -> str:
    """How well it was found."""
    finding = said["finding"]
    if code != 1 or finding is None:
        return "missed"
    if not finding["first"] <= expected.index <= finding["last"]:
        return "wrong index"
    return "exact" if finding["first"] == finding["last"] == expected.index else "between two checkpoints"


def try_all(logged: Logged, tmp_path: Path, cases: int) -> tuple[str, list[tuple[str, int, Any]]]:
    """Every way so often; (the figures, what was not found as it must)."""
    found: Counter[str] = Counter()
    wrong, widths = [], []
    for way in WAYS:
        for seed in range(cases):
            file = tmp_path / "bent.db"
            expected = bent_copy(logged, way, seed, file)
            code, said = verify(logged, file, expected.witness, tmp_path / "witness")
            how = judge(expected, code, said)
            found[how] += 1
            if how == "between two checkpoints":
                widths.append(said["finding"]["last"] - said["finding"]["first"] + 1)
            if how not in ("exact", "between two checkpoints") or (expected.exact and how != "exact"):
                wrong.append((way.__name__, seed, (expected.index, said["finding"])))
    hits = found["exact"] + found["between two checkpoints"]
    return (
        f"T19: {found.total()} bent logs, {len(WAYS)} ways; found {hits}: exactly {found['exact']}, among a median of "
        f"{median(widths):.0f} entries {len(widths)}; missed {found['missed']}, wrong index {found['wrong index']}"
    ), wrong


def test_every_bent_log_is_found_at_its_first_bad_index(logged: Logged, tmp_path: Path, figures: Figures) -> None:
    """A sample; exactly, or by who recomputed the hashes, between two checkpoints."""
    said, wrong = try_all(logged, tmp_path, SAMPLE)
    figures(said)
    assert not wrong


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_two_thousand_bent_logs_are_found(logged: Logged, tmp_path: Path, figures: Figures) -> None:
    """The same, ten times as often."""
    said, wrong = try_all(logged, tmp_path, LONG)
    figures(said)
    assert not wrong


def test_no_true_log_is_suspected(logged: Logged, tmp_path: Path, figures: Figures) -> None:
    """Copies of every moment, each against every checkpoint that somebody may have kept of it."""
    alarms, tried = [], 0
    for file in (*logged.copies, logged.file):
        with closing(sqlite3.connect(file)) as connection:
            notes = [str(note) for (note,) in connection.execute("SELECT note FROM checkpoints ORDER BY size")]
        for witness in ["", *Random(tried).sample(notes, min(len(notes), WHOLE_SAMPLE // len(logged.copies)))]:
            code, said = verify(logged, file, witness, tmp_path / "witness")
            tried += 1
            if code or said["finding"]:
                alarms.append((file.name, said))
    figures(f"T19: {tried} checks of true logs, false alarms {len(alarms)}")
    assert tried >= WHOLE_SAMPLE
    assert not alarms
