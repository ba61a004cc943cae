"""kill -9 at any moment: what was acknowledged is there with its entry, and nothing is torn."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.storage.conftest import SqliteDriver
from tests.storage.values import LOG, entries
from vault.crypto.record_lock import KeyId
from vault.domain.names import Owner, RecordName, owner_of
from vault.storage.port import Row
from vault.storage.sqlite import SqliteStorage
from vault.storage.sqlite.stores import Stores

PROGRAM = "tests.storage.sqlite.acknowledging"
MOST_UNDER_WAY = 16
"""Records that the callers of the program may have been changing when it died: one customer each, of two records."""
State = dict[RecordName, str]
"""Names and key ids."""
ROOT = Path(__file__).parents[3]


def _run_and_kill(folder: Path, seconds: float) -> list[list[str]]:
    """Let it write for a while; the words of each line that it got out."""
    command = [sys.executable, "-m", PROGRAM, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)
        said = process.stdout.read()
    return [line.decode().split() for line in said.splitlines()]


def _after(state: State, said: list[list[str]]) -> State:
    """What must be there after these acknowledgements."""
    state = dict(state)
    for verb, subject, *details in said:
        match verb:
            case "put":
                state[RecordName(subject)] = details[0]
            case "remove":
                del state[RecordName(subject)]
            case "erase":
                state = {name: key_id for name, key_id in state.items() if owner_of(name) != subject}
    return state


async def _check(storage: SqliteStorage, expected: State, said: list[list[str]]) -> State:
    """Each acknowledged row is there as it was, but for what was under way; the state from here on."""
    made = await entries(storage)
    assert all(int(line[-1]) < len(made) for line in said), "an acknowledged entry is missing"
    for verb, subject, *_ in said:
        assert verb != "erase" or await storage.erased(Owner(subject))
    found = await storage.fetch(list(expected))
    keys = await storage.fetch_keys(list(found.values()))
    assert len(keys) == len(found), "a row without its key"
    state = {name: row.key_id.hex() for name, row in found.items()}
    differs = [name for name, key_id in expected.items() if state.get(name) != key_id]
    assert len(differs) <= MOST_UNDER_WAY, "something that was acknowledged is gone"
    return state


async def _check_whole(storage: SqliteStorage) -> None:
    """No record of a creation without the other, no row without a key, no fault in a file."""

    def look(stores: Stores) -> list[tuple[Owner, RecordName, KeyId, int]]:
        checks = [store.execute("PRAGMA integrity_check").fetchall() for store in (stores.data, stores.keys)]
        assert checks == [[("ok",)]] * 2
        return stores.data.execute("SELECT owner, record_name, key_id, version FROM records").fetchall()

    rows = await storage._writer.run(look)
    names = {name for _, name, _, _ in rows}
    created = [owner for owner, name, _, version in rows if name.endswith("/contact") and version == 1]
    assert all(f"{owner}/cards/1" in names for owner in created), "a torn work"
    keys = await storage.fetch_keys([Row(owner, name, key_id, 0, 0, 0, b"") for owner, name, key_id, _ in rows])
    assert len(keys) == len(rows)


@pytest.mark.parametrize("seed", range(3))
async def test_a_killed_writer_loses_and_tears_nothing(sqlite: SqliteDriver, seed: int) -> None:
    """Killed again and again on the same files, at random moments."""
    chance = random.Random(seed)
    state: State = {}
    acknowledged = 0
    for _ in range(4):
        said = _run_and_kill(sqlite.data.parent, chance.uniform(0.01, 0.4))
        storage = await sqlite.open()
        await storage.finish_erasures(LOG, lambda *_: b"erased")
        state = await _check(storage, _after(state, said), said)
        await _check_whole(storage)
        await storage.close()
        acknowledged += len(said)
    assert acknowledged > 20
