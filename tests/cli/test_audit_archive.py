"""The log in one plain file: verified without a vault, and any change of it is found."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.running import command
from tests.vaults import make_home, opened


@pytest.fixture
async def home(tmp_path: Path) -> Path:
    """A vault with some entries, stopped."""
    made = await make_home(tmp_path / "home")
    async with opened(made) as vault:
        for number in range(3):
            await vault.create(str(number))
    return made


def _verify(file: Path, home: Path, code: int = 0) -> Any:
    done = command("audit", "verify", str(file), "--pins", str(home / "pins.json"), "--json", code=code)
    return json.loads(done.stdout)


async def test_an_archive_is_verified_without_the_vault(home: Path, tmp_path: Path) -> None:
    """All entries are in it; one that was edited or cut off is found."""
    file = tmp_path / "log.archive"
    said = json.loads(command("audit", "archive", str(home), "--to", str(file), "--json").stdout)
    (log,) = _verify(file, home)["logs"]
    assert log["entries"] == log["proven"] == said["logs"]["log-0"] > 3
    assert file.stat().st_mode & 0o777 == 0o600
    lines = file.read_text().splitlines(keepends=True)
    at = next(number for number, line in enumerate(lines) if '"index": 2' in line)
    other = json.loads(next(line for line in lines if '"index": 0' in line))["entry"]
    file.write_text("".join([*lines[:at], json.dumps({"index": 2, "entry": other}) + "\n", *lines[at + 1 :]]))
    assert not _verify(file, home, code=1)["ok"]
    file.write_text("".join(line for number, line in enumerate(lines) if number != at))
    assert _verify(file, home, code=1)["logs"][0]["finding"]["first"] == 2


async def test_an_archive_before_a_day_ends_there(home: Path, tmp_path: Path) -> None:
    """Nothing is older than the vault itself; and nothing is written over."""
    file = tmp_path / "log.archive"
    said = command("audit", "archive", str(home), "--to", str(file), "--before", "2020-01-01", "--json")
    assert json.loads(said.stdout)["logs"] == {"log-0": 0}
    refused = command("audit", "archive", str(home), "--to", str(file), code=2)
    assert "never overwritten" in refused.stderr
