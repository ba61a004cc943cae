"""A log that shrank or was rewritten is noticed by the first call of a caller that has called since."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.client.fake_vault import ORIGIN, FakeVault
from vault.client import checkpoints, witness_state
from vault.client.care import ProvisioningClient
from vault.client.checkpoints import Witness
from vault.client.errors import BadCheckpoint, RolledBack
from vault.client.witness_state import State
from vault.crypto.merkle import RootHash
from vault.crypto.note import Checkpoint, LogKey, open_checkpoint, sign_checkpoint
from vault.domain.secret import Secret
from vault.errors import ConfigError, NotFound

KEY = LogKey(Secret(b"k" * 32))
LOGS = {ORIGIN: KEY.public_key, "vault.example/log-1": KEY.public_key}


def note(size: int, root: bytes = b"r", origin: str = ORIGIN, key: LogKey = KEY) -> bytes:
    """A signed checkpoint."""
    return sign_checkpoint(Checkpoint(origin, size, RootHash(root * 32)), key).encode()


def files_in(folder: Path) -> list[str]:
    """Names."""
    return [file.name for file in folder.iterdir()]


def test_growth_is_accepted_and_the_same_again() -> None:
    """Also to a size far beyond: it is proven afterwards (test_consistency)."""
    witness = Witness(LOGS)
    for size in (0, 1, 1, 5, 10**9):
        assert witness.accept(note(size), witness.floor()).size == size


def test_a_log_that_shrank_is_refused() -> None:
    """A database restored from yesterday."""
    witness = Witness(LOGS)
    witness.accept(note(5), witness.floor())
    with pytest.raises(RolledBack, match=r"log vault\.example/log-0 shrank: 5 entries .* 4 ") as refused:
        witness.accept(note(4), witness.floor())
    assert (refused.value.origin, refused.value.seen, refused.value.shown) == (ORIGIN, 5, 4)


def test_another_root_at_the_same_size_is_refused() -> None:
    """A log that was rewritten, or shows two faces."""
    witness = Witness(LOGS)
    witness.accept(note(5), witness.floor())
    with pytest.raises(RolledBack, match="was rewritten"):
        witness.accept(note(5, b"x"), witness.floor())


def test_an_answer_may_be_overtaken() -> None:
    """What counts is what was known when its call was sent."""
    witness = Witness(LOGS)
    sent = witness.floor()
    witness.accept(note(9), witness.floor())
    assert witness.accept(note(8), sent).size == 8
    assert witness.floor()[ORIGIN].checkpoint.size == 9
    with pytest.raises(RolledBack):
        witness.accept(note(8), witness.floor())


def test_an_overtaken_answer_still_has_one_root_for_a_size() -> None:
    """Compared with what came in meanwhile too."""
    witness = Witness(LOGS)
    sent = witness.floor()
    witness.accept(note(9), witness.floor())
    with pytest.raises(RolledBack, match="was rewritten"):
        witness.accept(note(9, b"x"), sent)


def test_logs_are_told_apart() -> None:
    """Each process of a vault has its own."""
    witness = Witness(LOGS)
    witness.accept(note(9), witness.floor())
    assert witness.accept(note(1, origin="vault.example/log-1"), witness.floor()).size == 1


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"x",
        b"\xff\n1\n",
        note(5, origin="vault.example/log-2"),
        note(5, key=LogKey(Secret(b"x" * 32))),
        note(5).replace(b"\n5\n", b"\n6\n"),
        note(5)[:-1],
    ],
)
def test_what_no_pinned_log_signed_is_refused(bad: bytes) -> None:
    """Missing, of an unknown log, of another key, altered or cut."""
    witness = Witness(LOGS)
    with pytest.raises(BadCheckpoint):
        witness.accept(bad, witness.floor())
    assert not witness.floor()


def test_a_note_that_repeats_is_verified_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A signature costs 100 µs, and a note repeats until its log grows."""
    verified: list[bytes | str] = []

    def counting(text: bytes | str, origin: str, key: bytes) -> Checkpoint:
        verified.append(text)
        return open_checkpoint(text, origin, key)

    monkeypatch.setattr(checkpoints, "open_checkpoint", counting)
    witness = Witness(LOGS)
    for _ in range(3):
        witness.accept(note(5), {})
        witness.accept(note(6), {})
    assert verified == [note(5), note(6)]


async def test_the_state_survives_a_restart(tmp_path: Path) -> None:
    """A caller that was restarted in between still notices."""
    path = tmp_path / "witness.json"
    witness = Witness(LOGS, State(path))
    witness.accept(note(5), witness.floor())
    witness.close()
    again = Witness(LOGS, State(path))
    with pytest.raises(RolledBack):
        again.accept(note(4), again.floor())


async def test_the_state_is_written_late_and_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once for many calls, and what waits is written at the end."""
    flushed: list[dict[str, str]] = []
    real = State._flush

    def counting(self: State) -> None:
        flushed.append(dict(self._pending or {}))
        real(self)

    monkeypatch.setattr(State, "_flush", counting)
    path = tmp_path / "witness.json"
    witness = Witness(LOGS, State(path))
    for size in range(1, 50):
        witness.accept(note(size), witness.floor())
    assert not flushed
    assert not path.exists()
    witness.close()
    kept = {ORIGIN: note(49).decode(), f"PROVEN {ORIGIN}": note(1).decode()}
    assert flushed == [kept]
    assert json.loads(path.read_text()) == kept
    assert files_in(tmp_path) == ["witness.json"]


async def test_the_state_is_written_by_a_timer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not only at the end, which a kill would prevent."""
    monkeypatch.setattr(witness_state, "SAVE_SECONDS", 0.02)
    path = tmp_path / "witness.json"
    witness = Witness(LOGS, State(path))
    witness.accept(note(1), witness.floor())
    await asyncio.sleep(0.2)
    assert path.exists()
    witness.accept(note(2), witness.floor())
    await asyncio.sleep(0.2)
    assert json.loads(path.read_text())[ORIGIN] == note(2).decode()


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{",
        '{"vault.example/log-0": 5}',
        json.dumps({ORIGIN: note(5).decode().replace("\n5\n", "\n4\n")}),
        json.dumps({ORIGIN: note(5, key=LogKey(Secret(b"x" * 32))).decode()}),
        json.dumps({ORIGIN: note(5, origin="vault.example/log-1").decode()}),
        json.dumps({ORIGIN: note(5).decode(), f"ALARM {ORIGIN}": note(4).decode()[:-2]}),
        json.dumps({f"ALARM {ORIGIN}": note(4).decode()}),
        json.dumps({f"PROVEN {ORIGIN}": note(4).decode()}),
    ],
)
def test_a_state_file_that_was_altered_is_refused(tmp_path: Path, content: str) -> None:
    """It is believed as little as an answer: whoever could lower it would hide a rollback."""
    path = tmp_path / "witness.json"
    path.write_text(content)
    with pytest.raises(ConfigError, match="witness"):
        Witness(LOGS, State(path))


async def test_a_state_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    """Not silence: the caller asked to be watched over across restarts."""
    witness = Witness(LOGS, State(tmp_path / "none" / "witness.json"))
    witness.accept(note(5), witness.floor())
    with pytest.raises(ConfigError, match=r"witness\.json"):
        witness.close()


def test_a_retired_log_is_left_out_of_the_state(tmp_path: Path) -> None:
    """An origin that is no longer pinned says nothing about those that are."""
    path = tmp_path / "witness.json"
    path.write_text(json.dumps({"vault.example/log-2": "old"}))
    assert not Witness(LOGS, State(path)).floor()


@pytest.mark.parametrize("bad", [note(4), note(5, b"x")], ids=["shrank", "rewritten"])
def test_an_alarm_stays(bad: bytes) -> None:
    """A log that was put back grows past the old size, and then only the memory of the alarm tells."""
    witness = Witness(LOGS)
    sent = witness.floor()
    witness.accept(note(5), sent)
    with pytest.raises(RolledBack) as first:
        witness.accept(bad, witness.floor())
    for _ in range(2):
        with pytest.raises(RolledBack) as later:
            witness.floor()
        assert str(later.value) == str(first.value)
        with pytest.raises(RolledBack):  # what was on its way
            witness.accept(note(6), sent)


@pytest.mark.parametrize("bad", [note(4), note(5, b"x")], ids=["shrank", "rewritten"])
async def test_both_notes_are_kept_as_evidence(tmp_path: Path, bad: bytes) -> None:
    """At once, beside those of other logs; and a restart changes nothing until the file is deleted."""
    path = tmp_path / "witness.json"
    other = "vault.example/log-1"
    witness = Witness(LOGS, State(path))
    witness.accept(note(3, origin=other), witness.floor())
    witness.accept(note(5), witness.floor())
    with pytest.raises(RolledBack, match=r"witness\.json"):
        witness.accept(bad, witness.floor())
    kept = {ORIGIN: note(5).decode(), f"ALARM {ORIGIN}": bad.decode(), other: note(3, origin=other).decode()}
    assert json.loads(path.read_text()) == kept
    witness.close()
    again = Witness(LOGS, State(path))
    with pytest.raises(RolledBack, match=r"5 entries.*witness\.json") as refused:
        again.floor()
    assert refused.value.shown == open_checkpoint(bad, ORIGIN, KEY.public_key).size
    again.close()
    assert json.loads(path.read_text()) == kept
    path.unlink()
    assert not Witness(LOGS, State(path)).floor()


async def test_the_evidence_is_what_was_known_when_the_call_was_sent(tmp_path: Path) -> None:
    """Not a larger note that came in meanwhile: two of one size show a fork by themselves."""
    path = tmp_path / "witness.json"
    witness = Witness(LOGS, State(path))
    witness.accept(note(5), witness.floor())
    sent = witness.floor()
    witness.accept(note(9), sent)
    with pytest.raises(RolledBack, match="was rewritten"):
        witness.accept(note(5, b"x"), sent)
    kept = json.loads(path.read_text())
    assert (kept[ORIGIN], kept[f"ALARM {ORIGIN}"]) == (note(5).decode(), note(5, b"x").decode())


async def test_an_alarm_is_raised_also_if_it_cannot_be_kept(tmp_path: Path) -> None:
    """A full disk must not turn a rollback into a question of configuration."""
    witness = Witness(LOGS, State(tmp_path / "none" / "witness.json"))
    witness.accept(note(5), witness.floor())
    with pytest.raises(RolledBack):
        witness.accept(note(4), witness.floor())
    with pytest.raises(RolledBack):
        witness.floor()


async def test_a_restored_vault_gets_no_further_call(
    vault: FakeVault, connect: Callable[..., ProvisioningClient], tmp_path: Path
) -> None:
    """Over the wire: not when it has grown past the old size, and not by a new client with the same file."""
    state = tmp_path / "witness.json"
    client = connect(ProvisioningClient, state=state)
    for _ in range(3):
        await client.get_policy()
    vault.size = 1
    with pytest.raises(RolledBack):
        await client.get_policy()
    vault.size = 50
    for again in (client, connect(ProvisioningClient, state=state)):
        with pytest.raises(RolledBack):
            await again.get_policy()
        with pytest.raises(RolledBack):
            await again.get_checkpoint()
    assert (vault.calls["GetPolicy"], vault.calls["GetCheckpoint"]) == (4, 0)


async def test_a_restored_vault_is_noticed_by_the_first_call(
    vault: FakeVault, connect: Callable[..., ProvisioningClient]
) -> None:
    """Over the wire."""
    client = connect(ProvisioningClient)
    for _ in range(3):
        await client.get_policy()
    vault.size = 1
    with pytest.raises(RolledBack):
        await client.get_policy()


async def test_a_refusal_shows_a_checkpoint_too(vault: FakeVault, connect: Callable[..., ProvisioningClient]) -> None:
    """A rolled-back vault that refuses everything is noticed all the same."""
    client = connect(ProvisioningClient)
    await client.get_policy()
    with pytest.raises(NotFound):
        await client.get_contact("nobody")
    vault.size = 0
    with pytest.raises(RolledBack):
        await client.get_contact("nobody")


async def test_an_answer_without_a_checkpoint_is_refused(
    vault: FakeVault, connect: Callable[..., ProvisioningClient]
) -> None:
    """Or a vault that was rolled back would just leave it out."""
    vault.note = lambda _: b""
    with pytest.raises(BadCheckpoint, match="missing"):
        await connect(ProvisioningClient).get_policy()


async def test_get_checkpoint_is_verified(vault: FakeVault, connect: Callable[..., ProvisioningClient]) -> None:
    """The note of the answer's body, not only that of its trailer."""
    client = connect(ProvisioningClient)
    assert (await client.get_checkpoint()).size == 1
    vault.after["GetCheckpoint"] = lambda _, answer: setattr(
        answer, "checkpoint", answer.checkpoint.replace("log-0", "log-1")
    )
    with pytest.raises(BadCheckpoint):
        await client.get_checkpoint()
