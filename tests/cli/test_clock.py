"""Deletions that wait for the clock: doctor says so, and one command lets them go on."""

import asyncio
import json
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.vaults import make_home, opened
from vault.audit.entry import parse
from vault.cli.frame import root
from vault.service.clock import MAX_AWAY_MS, Doubt, confirmation_beside
from vault.storage.port import ClockNote


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A vault whose clock was in doubt when it stopped."""
    folder = asyncio.run(make_home(tmp_path / "vault"))
    note(folder, ClockNote(_now(), Doubt.JUMPED.value))
    return folder


def note(home: Path, said: ClockNote) -> None:
    """Have this in the store."""

    async def write() -> None:
        async with opened(home) as vault:
            await vault.vault._upkeep.close()
            await vault.parts.store.note_clock(said)

    asyncio.run(write())


def start(home: Path) -> str:
    """Start the vault, whose jobs trust the time: what it did last, by its log."""

    async def trusted() -> str:
        async with opened(home) as vault:
            assert await vault.parts.clock.trusted()
            return parse((await vault.entries())[-1]).action

    return asyncio.run(trusted())


def _now() -> int:
    return time.time_ns() // 1_000_000


def clock_findings(home: Path) -> list[dict[str, str]]:
    """What doctor says of the clock."""
    result = CliRunner().invoke(root, ["doctor", str(home), "--json"])
    return [each for each in json.loads(result.stdout)["findings"] if each["check"] == "clock"]


def test_doctor_says_what_waits_and_confirming_lets_it_go_on(home: Path) -> None:
    """The word is taken by the next start, once."""
    held, _ = clock_findings(home)
    assert held["state"] == "warning"
    assert "what is old is not destroyed: the wall clock jumped" in held["what"]
    assert f"customer-vault clock confirm {home}" in held["remedy"]
    result = CliRunner().invoke(root, ["clock", "confirm", str(home), "--yes", "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["held"] == Doubt.JUMPED.value
    data = home / "data/vault.db"
    assert confirmation_beside(data).stat().st_mode & 0o777 == 0o600
    assert start(home) == "Vault.ConfirmClock"
    assert not confirmation_beside(data).exists()
    assert [each["state"] for each in clock_findings(home)] == ["ok"]


def test_a_vault_that_was_off_for_long_is_warned_of(home: Path) -> None:
    """Before its start holds deletions back."""
    note(home, ClockNote(_now() - MAX_AWAY_MS - 60_000, ""))
    assert "a start will not destroy what is old" in clock_findings(home)[0]["what"]


def test_a_time_out_of_range_is_no_mistake_of_ours(home: Path) -> None:
    """Somebody wrote it there."""
    note(home, ClockNote(1 << 62, "x"))
    assert [each["state"] for each in clock_findings(home)] == ["ok"]


def test_nothing_is_confirmed_without_a_yes(home: Path) -> None:
    """A program that asks for JSON must say it; a person is asked."""
    assert CliRunner().invoke(root, ["clock", "confirm", str(home), "--json"]).exit_code == 2
    refused = CliRunner().invoke(root, ["clock", "confirm", str(home)], input="n\n")
    assert refused.exit_code == 1
    assert "held back: the wall clock jumped" in refused.stderr
    assert not confirmation_beside(home / "data/vault.db").exists()


def test_a_folder_that_cannot_be_written_is_named(home: Path) -> None:
    """The command must be the vault's user."""
    confirmation_beside(home / "data/vault.db").with_name("clock.confirmed.new").mkdir()
    refused = CliRunner().invoke(root, ["clock", "confirm", str(home), "--yes"])
    assert refused.exit_code == 2
    assert "clock.confirmed: cannot be made" in refused.stderr
