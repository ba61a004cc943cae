"""The witness: it gets what was signed, and a start that contradicts it is refused with what to do about it."""

import asyncio
import os
import shutil
import sys
import time
from pathlib import Path

import pytest

from tests.vaults import OpenVault, make_home, opened
from vault.audit import log as log_module
from vault.audit.entry import describe
from vault.crypto.merkle import RootHash
from vault.crypto.note import Checkpoint, LogKey, open_checkpoint, sign_checkpoint
from vault.crypto.vault_key import RowName
from vault.domain.secret import Secret
from vault.errors import ConfigError, DataLoss, InvalidArgument, Unavailable
from vault.keyring.system_rows import SYSTEM
from vault.service import witness_loss
from vault.service.places import CommandPlace, FilePlace, place_of
from vault.service.settings import Settings
from vault.store.v1.system_pb2 import ClosedLog


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sign more often than once a second."""
    monkeypatch.setattr(log_module, "INTERVAL_S", 0.02)


@pytest.fixture
async def home(tmp_path: Path) -> Path:
    """A deployment with a witness file on what stands for another volume."""
    (tmp_path / "volume").mkdir()
    home = await make_home(tmp_path / "home")
    set_witness(home, f'file = "{tmp_path}/volume/note"\nevery_seconds = 0.5')
    return home


def set_witness(home: Path, text: str) -> None:
    """Write the table."""
    file = home / "vault.toml"
    file.write_text(f"{file.read_text().partition('[witness]')[0]}[witness]\n{text}\n")


def note_of(home: Path) -> Path:
    """The witness's file."""
    return home.parent / "volume" / "note"


async def seen_by_witness(vault: OpenVault, size: int) -> None:
    """Wait until a checkpoint of at least this size was handed over."""
    witness = vault.parts.witness
    assert witness is not None
    while witness.figures.size < size:  # noqa: ASYNC110 - the task has no event for it
        await asyncio.sleep(0.02)


def copy_stores(home: Path, to: Path) -> None:
    """Both stores, closed: a backup of one time."""
    for name in ("data", "keys"):
        shutil.copytree(home / name, to / name)


def put_back(home: Path, backup: Path) -> None:
    """Both, so that nothing in them tells."""
    for name in ("data", "keys"):
        shutil.rmtree(home / name)
        shutil.copytree(backup / name, home / name)


async def entries_with(home: Path, action: str) -> list[dict[str, object]]:
    """Entries of the vault's own, described."""
    async with opened(home) as vault:
        found = [describe(entry) for entry in await vault.entries()]
    return [entry for entry in found if entry["action"] == action]


async def test_the_newest_checkpoint_is_handed_over(home: Path) -> None:
    """While the log grows, and at the end."""
    async with opened(home) as vault:
        await vault.create()
        await seen_by_witness(vault, 2)
        log, witness = vault.parts.log, vault.parts.witness
        assert witness is not None
        assert witness.figures.handed >= 1
        assert (witness.figures.failures, witness.figures.failing) == (0, "")
        await vault.get_contact()
    kept = open_checkpoint(note_of(home).read_bytes(), log.origin, log.public_key)
    assert kept.size == log.signed
    assert [path.name for path in note_of(home).parent.iterdir()] == ["note"]
    async with opened(home):
        pass


async def test_stores_that_were_both_put_back_are_refused(home: Path, tmp_path: Path) -> None:
    """Nothing in them tells; nothing is signed, so the next start finds the same."""
    async with opened(home) as vault:
        await vault.create()
    copy_stores(home, tmp_path / "backup")
    async with opened(home) as vault:
        await vault.get_contact()
    put_back(home, tmp_path / "backup")
    before = note_of(home).read_bytes()
    for _ in range(2):
        with pytest.raises(DataLoss, match=r"the witness has seen \d+ entries, and \d+ are stored.*restore DIR --cut"):
            async with opened(home):
                pass
    assert note_of(home).read_bytes() == before


async def test_another_history_of_the_same_length_is_refused(home: Path, tmp_path: Path) -> None:
    """Put back, and grown again elsewhere before the witness is looked at."""
    async with opened(home) as vault:
        await vault.create()
    copy_stores(home, tmp_path / "backup")
    async with opened(home) as vault:
        await vault.get_contact()
    note = note_of(home).read_bytes()
    put_back(home, tmp_path / "backup")
    note_of(home).write_bytes(b"")
    set_witness(home, f'file = "{tmp_path}/volume/other"')
    with pytest.raises(ConfigError, match=r"witness\.file.*had one before"):
        async with opened(home):
            pass
    await witness_loss.accept(Settings.load(home / "vault.toml"), "a test")
    async with opened(home) as vault:
        for _ in range(5):
            await vault.get_contact()
    (tmp_path / "volume" / "other").write_bytes(note)
    with pytest.raises(DataLoss, match="the witness has seen others"):
        async with opened(home):
            pass


@pytest.mark.parametrize("damage", ["missing", "empty", "unmounted", "altered", "cut", "foreign", "not text"])
async def test_a_note_that_was_lost_is_refused_until_an_operator_accepts_it(home: Path, damage: str) -> None:
    """Once, with a reason that stands in the log."""
    async with opened(home):
        pass
    note = note_of(home)
    other = sign_checkpoint(Checkpoint("other.example/log/log-0", 3, RootHash(bytes(32))), LogKey(Secret(b"k" * 32)))
    match damage:
        case "missing":
            note.unlink()
        case "unmounted":
            shutil.rmtree(note.parent)
        case "empty":
            note.write_bytes(b"")
        case "altered":
            note.write_bytes(note.read_bytes().replace(b"\n1\n", b"\n0\n").replace(b"\n2\n", b"\n1\n"))
        case "cut":
            note.write_bytes(note.read_bytes()[:-5])
        case "foreign":
            note.write_text(other)
        case _:
            note.write_bytes(b"\xff\xfe\n1\n")
    for _ in range(2):
        with pytest.raises(ConfigError, match=r"witness\.file.*customer-vault audit accept"):
            async with opened(home):
                pass
    await witness_loss.accept(Settings.load(home / "vault.toml"), "volume replaced")
    note.parent.mkdir(exist_ok=True)
    async with opened(home) as vault:
        await seen_by_witness(vault, 1)
    assert [entry["note"] for entry in await entries_with(home, "Vault.AcceptWitnessLoss")] == ["volume replaced"]
    note.unlink()
    with pytest.raises(ConfigError, match="had one before"):
        async with opened(home):
            pass


@pytest.mark.parametrize("reason", ["", "   ", "card 4111 1111 1111 1111", "two\nlines", "x" * 201])
async def test_a_reason_is_a_short_text_without_a_card_number(home: Path, reason: str) -> None:
    """It stands in the log for ever."""
    with pytest.raises(InvalidArgument, match="reason"):
        await witness_loss.accept(Settings.load(home / "vault.toml"), reason)


async def test_an_acceptance_does_not_cover_a_rollback(home: Path, tmp_path: Path) -> None:
    """A witness that answers is believed."""
    copy_stores_of_first_start = tmp_path / "backup"
    async with opened(home):
        pass
    copy_stores(home, copy_stores_of_first_start)
    async with opened(home) as vault:
        await vault.create()
    put_back(home, copy_stores_of_first_start)
    await witness_loss.accept(Settings.load(home / "vault.toml"), "so that it starts")
    with pytest.raises(DataLoss, match="the witness has seen"):
        async with opened(home):
            pass


async def test_a_log_that_a_restore_closed_is_followed_by_another(home: Path) -> None:
    """The witness keeps the old log's note until the new one's first; a log that was only renamed is refused."""
    async with opened(home) as vault:
        await vault.create()
    config = home / "vault.toml"
    config.write_text(config.read_text().replace('log_id = "log-0"', 'log_id = "log-1"'))
    with pytest.raises(ConfigError, match="no restore has closed"):
        async with opened(home):
            pass
    config.write_text(config.read_text().replace('log_id = "log-1"', 'log_id = "log-0"'))
    async with opened(home) as vault:
        mark = ClosedLog(size=1, next_log_id="log-1").SerializeToString()
        await vault.parts.keyring.rows.add([(RowName(SYSTEM, "closed-logs/log-0", 1), mark)])
    config.write_text(config.read_text().replace('log_id = "log-0"', 'log_id = "log-1"'))
    async with opened(home) as vault:
        await seen_by_witness(vault, 1)
    assert note_of(home).read_text().startswith("vault.example/log/log-1\n")


async def test_a_witness_that_cannot_be_reached_stops_no_call(home: Path) -> None:
    """It is counted, and made up for."""
    async with opened(home) as vault:
        await seen_by_witness(vault, 1)
        shutil.rmtree(note_of(home).parent)
        await vault.create()
        witness = vault.parts.witness
        assert witness is not None
        while not witness.figures.failing:  # noqa: ASYNC110 - the task has no event for it
            await asyncio.sleep(0.02)
        assert witness.figures.failures
        note_of(home).parent.mkdir()
        await seen_by_witness(vault, 2)
        assert witness.figures.failing == ""


async def test_commands_put_and_give_back(home: Path, tmp_path: Path) -> None:
    """A program with arguments, the note on standard input; the passphrase is not in its environment."""
    kept = tmp_path / "kept"
    taker = "import sys; open(sys.argv[1], 'w').write(sys.stdin.read())"
    write = f'["{sys.executable}", "-c", "{taker}", "{kept}"]'
    set_witness(home, f'command = {write}\nread_command = ["cat", "{kept}"]\nevery_seconds = 0.5')
    kept.touch()
    async with opened(home) as vault:
        await seen_by_witness(vault, 1)
        log = vault.parts.log
    assert open_checkpoint(kept.read_bytes(), log.origin, log.public_key).size == log.signed
    async with opened(home):
        pass
    kept.unlink()
    with pytest.raises(ConfigError, match=r"witness\.command: ended with code 1"):
        async with opened(home):
            pass


async def test_a_place_that_gives_nothing_back_is_not_asked_at_a_start(home: Path) -> None:
    """Its notes are for others to look at; the second start is like the first."""
    set_witness(home, 'command = ["true"]\nevery_seconds = 0.5')
    for _ in range(2):
        async with opened(home) as vault:
            await seen_by_witness(vault, 1)


def test_a_command_that_hangs_is_killed_with_all_that_it_started(tmp_path: Path) -> None:
    """Its time is limited, and so is what is read of it."""
    left = tmp_path / "left"
    hanging = CommandPlace(["sh", "-c", f"(sleep 1; touch {left}) & wait"], None, 0.3, os.environ)
    with pytest.raises(Unavailable, match=r"did not end within 0\.3 seconds"):
        hanging.write(b"note")
    time.sleep(1.5)
    assert not left.exists()
    assert len(CommandPlace(["true"], ["sh", "-c", "yes | head -c 100000"], 5, os.environ).read()) == 4096


async def test_a_command_does_not_see_the_passphrase(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All else it may need: its own credentials come that way."""
    shown = """["sh", "-c", "env | grep -E '^AWS_PROFILE|secret'"]"""
    set_witness(home, f'command = ["true"]\nread_command = {shown}')
    monkeypatch.setenv("ROOT_KEY_PASSPHRASE", "secret")
    monkeypatch.setenv("AWS_PROFILE", "witness")
    settings = Settings.load(home / "vault.toml").witness
    assert settings is not None
    seen = place_of(settings, "ROOT_KEY_PASSPHRASE").read()
    assert b"AWS_PROFILE=witness" in seen
    assert b"secret" not in seen


def test_a_command_that_is_not_there_says_so() -> None:
    """Not the name: the settings have it."""
    with pytest.raises(Unavailable, match="cannot be started"):
        CommandPlace(["/no/such/program"], None, 5, {}).write(b"")


def test_a_file_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    """And leaves the old one."""
    with pytest.raises(Unavailable, match="cannot be written"):
        FilePlace(tmp_path / "none" / "note").write(b"x")
    (tmp_path / "note").mkdir()
    with pytest.raises(Unavailable, match="cannot be read"):
        FilePlace(tmp_path / "note").read()


@pytest.mark.parametrize(
    "text",
    [
        "",
        'file = "a"\ncommand = ["b"]',
        'file = "a"\nread_command = ["b"]',
        "command = []",
        'command = "cp a b"',
        'file = "a"\nevery_seconds = 0',
        'file = "a"\nother = 1',
    ],
)
async def test_a_table_that_means_nothing_is_refused(home: Path, text: str) -> None:
    """As every setting."""
    set_witness(home, text)
    with pytest.raises(ConfigError, match="witness"):
        Settings.load(home / "vault.toml")
