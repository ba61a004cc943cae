"""A log that did not grow from what a caller has seen is refused: forks that hide behind growth, and missing proofs.

The fake vault signs whatever history a test gives it, with the log's true key: what a thief of the whole vault can do.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.client.fake_vault import ORIGIN, FakeVault
from vault.client import consistency
from vault.client.care import ProvisioningClient
from vault.client.checkpoints import Witness
from vault.client.consistency import MISSES, WAITING, Line, Seen
from vault.client.errors import NotProven, RolledBack
from vault.crypto.merkle import RootHash
from vault.crypto.note import Checkpoint, LogKey, open_checkpoint, sign_checkpoint
from vault.domain.secret import Secret
from vault.errors import NotFound, Unavailable
from vault.v1.policy_service_pb2 import GetPolicyRequest

Connect = Callable[..., ProvisioningClient]
OTHER = b"another history"


def line_of(client: ProvisioningClient) -> Line:
    """What the client knows of the log."""
    return client._connection.witness._lines[ORIGIN]


async def settled(client: ProvisioningClient) -> None:
    """Wait for the round under way."""
    await client._connection.witness.settled()


async def asked(client: ProvisioningClient, times: int) -> None:
    """Call so often, each time waiting for the round that it began."""
    for _ in range(times):
        await client.get_policy()
        await settled(client)


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """A round with each growth."""
    monkeypatch.setattr(consistency, "PROOF_SECONDS", 0.0)


async def test_growth_is_proven_by_the_way(vault: FakeVault, connect: Connect) -> None:
    """The first at once, later growth at most every ten seconds, however many calls there are."""
    client = connect(ProvisioningClient)
    await client.get_policy()
    assert vault.calls["GetConsistencyProof"] == 0
    await asked(client, 1)
    assert line_of(client).proven.checkpoint.size == 2
    await asked(client, 20)
    assert vault.calls["GetConsistencyProof"] == 1
    assert sorted(line_of(client).waiting) == list(range(3, 23))


async def test_one_round_proves_all_that_waits(vault: FakeVault, connect: Connect) -> None:
    """Every checkpoint that was taken, with one call for up to 64."""
    client = connect(ProvisioningClient)
    await asked(client, 40)
    line_of(client).asked_at = float("-inf")
    await asked(client, 1)
    assert vault.requests["GetConsistencyProof"][1].tree_sizes == list(range(2, 42))
    assert (line_of(client).proven.checkpoint.size, line_of(client).waiting) == (41, {})


async def test_many_checkpoints_are_proven_in_several_calls(vault: FakeVault, connect: Connect) -> None:
    """The API takes 64 sizes."""
    client = connect(ProvisioningClient)
    line = Line(seen(1, vault))
    for size in range(2, 131):
        line.add(seen(size, vault))
    await client.get_policy()
    await line.prove(client._connection._consistency)
    assert (line.proven.checkpoint.size, line.waiting) == (130, {})
    assert [len(request.tree_sizes) for request in vault.requests["GetConsistencyProof"]] == [64, 64, 4]


@pytest.mark.usefixtures("eager")
async def test_a_fork_hidden_by_growth_is_refused_at_the_next_call(
    vault: FakeVault, connect: Connect, tmp_path: Path
) -> None:
    """Put back and grown past the old size: no size and no root contradicts, only the proof does not hold."""
    state = tmp_path / "witness.json"
    client = connect(ProvisioningClient, state=state)
    await asked(client, 5)
    before = vault.note(5)
    vault.history = (3, OTHER)
    await asked(client, 1)
    calls = vault.calls["GetPolicy"]
    with pytest.raises(RolledBack, match="5 entries were seen before, 6 were shown after, and they do not continue"):
        await client.get_policy()
    kept = json.loads(state.read_text())
    assert (kept[ORIGIN], kept[f"ALARM {ORIGIN}"]) == (before.decode(), vault.note(6).decode())
    again = connect(ProvisioningClient, state=state)
    with pytest.raises(RolledBack):
        await again.get_policy()
    assert vault.calls["GetPolicy"] == calls


async def test_a_fork_while_a_caller_was_away_is_refused(vault: FakeVault, connect: Connect, tmp_path: Path) -> None:
    """The state file remembers what to prove from, also for callers that live for one call each."""
    state = tmp_path / "witness.json"
    for _ in range(2):
        client = connect(ProvisioningClient, state=state)
        await client.get_policy()
        await client.close()
    assert ORIGIN in json.loads(state.read_text())
    assert f"PROVEN {ORIGIN}" not in json.loads(state.read_text())
    vault.history = (1, OTHER)
    client = connect(ProvisioningClient, state=state)
    await client.get_policy()
    await client.close()
    with pytest.raises(RolledBack, match="2 entries were seen before, 3"):
        await connect(ProvisioningClient, state=state).get_policy()


async def test_what_was_not_proven_yet_is_remembered(vault: FakeVault, connect: Connect, tmp_path: Path) -> None:
    """A restart does not turn growth that nobody proved into the truth."""
    state = tmp_path / "witness.json"
    client = connect(ProvisioningClient, state=state)
    await asked(client, 2)
    vault.history = (1, OTHER)
    await asked(client, 2)
    await client.close()
    kept = json.loads(state.read_text())
    assert kept[f"PROVEN {ORIGIN}"] == sign(2, vault_root(vault, 2, honest=True), vault).decode()
    again = connect(ProvisioningClient, state=state)
    await again.get_policy()
    await settled(again)
    with pytest.raises(RolledBack):
        await again.get_policy()


async def test_a_fork_shown_once_between_honest_answers_is_refused(vault: FakeVault, connect: Connect) -> None:
    """The newest checkpoint alone would prove well; each that was taken must."""
    client = connect(ProvisioningClient)
    await asked(client, 4)
    vault.history = (2, OTHER)
    await asked(client, 1)
    vault.history = (0, b"")
    await asked(client, 3)
    line_of(client).asked_at = float("-inf")
    await asked(client, 1)
    with pytest.raises(RolledBack, match="do not continue"):
        await client.get_policy()


async def test_an_overtaken_fork_is_refused_too(vault: FakeVault) -> None:
    """An answer that came late, smaller than one that came before it."""
    witness = Witness({ORIGIN: vault.log.public_key})
    witness.watch(answering(vault))
    witness.accept(vault.note(3), witness.floor())
    sent = witness.floor()
    witness.accept(vault.note(9), sent)
    await asyncio.sleep(0)
    await witness.finish(1)
    witness._lines[ORIGIN].asked_at = float("-inf")
    vault.history = (4, OTHER)
    forked = vault.note(6)
    vault.history = (0, b"")
    witness.accept(forked, sent)
    await witness.settled()
    with pytest.raises(RolledBack, match="do not continue"):
        witness.floor()
    with pytest.raises(RolledBack):  # what was on its way
        witness.accept(vault.note(10), sent)


def answering(vault: FakeVault) -> Callable[[str, Any], Awaitable[list[Any]]]:
    """The fake vault's proofs, without a connection."""

    async def prove(origin: str, sizes: Iterable[int]) -> list[Any]:
        request: Any = type("Request", (), {"tree_sizes": list(sizes), "log_id": origin.rpartition("/")[2]})
        return [proof.hashes for proof in vault.GetConsistencyProof(request).proofs]

    return prove


def cut_last(proofs: Any) -> None:
    """One too few."""
    del proofs[-1]


def double_last(proofs: Any) -> None:
    """One too many."""
    proofs.add().CopyFrom(proofs[-1])


def drop_hash(proofs: Any) -> None:
    """A proof too short."""
    del proofs[0].hashes[-1]


def add_hash(proofs: Any) -> None:
    """A proof too long."""
    proofs[0].hashes.append(bytes(32))


def short_hash(proofs: Any) -> None:
    """A hash that is none."""
    proofs[0].hashes[0] = proofs[0].hashes[0][:31]


def bend_hash(proofs: Any) -> None:
    """One bit."""
    proofs[0].hashes[0] = bytes([proofs[0].hashes[0][0] ^ 1]) + proofs[0].hashes[0][1:]


def empty(proofs: Any) -> None:
    """No hashes."""
    del proofs[0].hashes[:]


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("bend", [cut_last, double_last, drop_hash, add_hash, short_hash, bend_hash, empty])
async def test_a_proof_that_does_not_hold_is_an_alarm(
    vault: FakeVault, connect: Connect, bend: Callable[[Any], None]
) -> None:
    """Whatever is wrong with it: an honest vault never sends one."""
    client = connect(ProvisioningClient)
    await asked(client, 3)
    vault.after["GetConsistencyProof"] = lambda _, answer: bend(answer.proofs)
    await asked(client, 1)
    with pytest.raises(RolledBack):
        await client.get_policy()


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("code", [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.UNIMPLEMENTED])
async def test_a_vault_that_proves_nothing_is_refused_after_a_while(
    vault: FakeVault, connect: Connect, code: grpc.StatusCode
) -> None:
    """Not at once, for a restart may fall between; and the first proof ends it."""
    client = connect(ProvisioningClient)
    await asked(client, 1)
    vault.cut["GetConsistencyProof"] = [code] * 100
    await asked(client, MISSES)
    calls = vault.calls["GetPolicy"]
    for _ in range(2):
        with pytest.raises(NotProven, match=r"no proof that its 7 entries continue the 1 .*GetConsistencyProof"):
            await client.get_policy()
        await settled(client)
    vault.cut["GetConsistencyProof"].clear()
    with pytest.raises(NotProven):
        await client.get_policy()
    await settled(client)
    assert vault.calls["GetPolicy"] == calls
    assert (await client.get_policy()).purposes


@pytest.mark.usefixtures("eager")
async def test_a_refused_proof_names_its_cause(vault: FakeVault, connect: Connect) -> None:
    """Such as a policy that forgets the method."""
    client = connect(ProvisioningClient)
    await asked(client, 1)

    def refuse(_request: Any) -> None:
        raise NotFound("log_id: there is no such log")

    vault.before["GetConsistencyProof"] = refuse
    await asked(client, MISSES)
    with pytest.raises(NotProven, match="there is no such log"):
        await client.get_policy()


@pytest.mark.usefixtures("eager")
async def test_a_vault_that_is_away_counts_no_misses(vault: FakeVault, connect: Connect) -> None:
    """Rounds begin with answers that show growth, and then there are none."""
    client = connect(ProvisioningClient)
    await asked(client, 2)
    await vault.stop()
    calls = client._connection
    for _ in range(2 * MISSES):
        with pytest.raises(Unavailable):
            await calls.call(calls.policy.GetPolicy, GetPolicyRequest(), deadline=0.1)
    assert line_of(client).misses <= 1


@pytest.mark.usefixtures("eager")
async def test_a_silent_proof_delays_no_call(vault: FakeVault, connect: Connect) -> None:
    """There is one round at a time, beside the calls."""
    client = connect(ProvisioningClient)
    vault.before["GetConsistencyProof"] = lambda _: asyncio.sleep(60)
    async with asyncio.timeout(5):
        for _ in range(20):
            await client.get_policy()
        await client.close()
    assert vault.calls["GetConsistencyProof"] == 1


async def test_concurrent_calls_share_one_round(vault: FakeVault, connect: Connect) -> None:
    """However many answers show growth at once."""
    client = connect(ProvisioningClient)
    await client.get_policy()
    await asyncio.gather(*(client.get_policy() for _ in range(30)))
    await settled(client)
    assert vault.calls["GetConsistencyProof"] == 1


def test_what_waits_is_bounded(vault: FakeVault) -> None:
    """More checkpoints than a vault can sign in the time are refused."""
    witness = Witness({ORIGIN: vault.log.public_key})
    for size in range(WAITING + 1):
        witness.accept(sign(size, bytes(32), vault), witness.floor())
    with pytest.raises(NotProven):
        witness.accept(sign(WAITING + 1, bytes(32), vault), witness.floor())
    assert len(witness._lines[ORIGIN].waiting) == WAITING


def seen(size: int, vault: FakeVault) -> Seen:
    """A true checkpoint."""
    note = vault.note(size)
    return Seen(open_checkpoint(note, ORIGIN, vault.log.public_key), note.decode())


def vault_root(vault: FakeVault, size: int, *, honest: bool) -> bytes:
    """A root of the fake's first history, or of the one that it has now."""
    history = vault.history
    if honest:
        vault.history = (0, b"")
    root = open_checkpoint(vault.checkpoint(size), ORIGIN, vault.log.public_key).root
    vault.history = history
    return root


def sign(size: int, root: bytes, vault: FakeVault) -> bytes:
    """A checkpoint of any root."""
    key: LogKey = LogKey(Secret(b"l" * 32))
    assert key.public_key == vault.log.public_key
    return sign_checkpoint(Checkpoint(ORIGIN, size, RootHash(root)), key).encode()
