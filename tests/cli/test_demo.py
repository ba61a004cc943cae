"""The demo does what it says, on one screen; and when something is not so, it says that and fails.

The first half runs it as a user does. The second half takes the same steps in this process and breaks, one at a time,
what a step relies on: a step that would still say `ok` then is a step that does not look.
"""

import dataclasses
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from vault.cli import billing, plugins, profile
from vault.cli.demo import play, thief
from vault.cli.demo.customers import Table, make
from vault.cli.demo.screen import NotSo, Screen
from vault.cli.demo.stage import Answer, Loot, Stage
from vault.cli.frame import root
from vault.client import Card, OfficerClient
from vault.client.records import OpenedCard
from vault.domain.secret import Secret
from vault.v1.customer_service_pb2 import ErasureReceipt

DEMO = [sys.executable, "-m", "vault.cli", "demo"]
SAID = r"""
customer-vault demo, in .* \(removed at the end\)
1\. .*
    ok 16 callers have a certificate; billing's private key stands in its own folder only
    ok the server answers on 127\.0\.0\.1:\d+
2\. .*
    ok 300 customers stored; their cards were sealed before they were sent
    ok 1 row refused, by line and column and without its value: line 302, card_number
3\. .*
    ok customer 100042 has 2 cards; the new one is cards/[0-9a-f]{8}…
    ok the storefront itself cannot read it back
4\. .*
    ok decrypted by the vault for service_provisioning:
       Ines Grau, Lindenweg 43, Berlin, DE, \+493023125042, ines\.grau42@example\.org
5\. .*
    ok 19\.90 EUR charged \(in play\) to mastercard ending 5100, for payment_processing
6\. .*
    ok refused by the vault, by this clause of the privacy policy:
       "We use payment information for payment processing purposes only\." \(METHOD_NOT_ALLOWED\)
7\. .*
    ok 300 of 300 contacts open, for instance:
       Ines Grau, Lindenweg 43, Berlin, \+493023125042, ines\.grau42@example\.org
    ok 0 of 301 cards open, in [\d,]+ tries with all \d+ keys there are
    ok the tries were real: with billing's private key 301 of 301 open
8\. .*
    ok customer 100042 is erased: 4 keys destroyed, 4 records removed
    ok old data and the key store of now: 0 of 4 records open, with any of its 897 keys
    ok with the key store's copy from then, 4 do open: .*
9\. .*
    ok \d+ entries, without names and values; the last ones:
(        \d+ \d\d:\d\d:\d\d (allowed|denied ) [a-z]+ \w+\.\w+( for \w+)?
){8}    ok the server stops in order
    ok customer-vault audit verify: \d+ entries are as signed, in \d+ checkpoints
    ok somebody rewrites the entry of the erasure in a copy: found, and named \(entry \d+\)
every step did what it says \(\d+\.\d s\)
"""
"""What a user sees, line by line."""


def test_in_a_pipe_each_step_says_what_it_did_on_one_screen(tmp_path: Path) -> None:
    """Plain text of at most 42 lines, exit code 0, and nothing left behind."""
    done = subprocess.run(DEMO, capture_output=True, text=True, check=False, timeout=100, env=_env(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(SAID.lstrip(), done.stdout), done.stdout
    lines = done.stdout.splitlines()
    assert len(lines) <= 42
    assert max(map(len, lines[1:])) <= 120
    assert list(tmp_path.iterdir()) == []


def test_the_servers_log_holds_no_value(staged: Stage) -> None:
    """What the server wrote down of an import is fit for a ticket."""
    assert staged.server
    log = staged.server.log.read_text()
    for row in (*staged.table.good, staged.table.bad):
        assert row.card_number not in log
        assert row.email not in log


def test_a_demo_that_is_told_to_end_leaves_nothing(tmp_path: Path) -> None:
    """SIGTERM, as a CI sends it: no server goes on, and no folder with keys stays."""
    with subprocess.Popen(DEMO, stdout=subprocess.PIPE, text=True, env=_env(tmp_path)) as running:
        assert running.stdout
        port = next(int(line.rpartition(":")[2]) for line in running.stdout if "the server answers" in line)
        running.send_signal(signal.SIGTERM)
        running.communicate(timeout=30)
    assert running.returncode == 128 + signal.SIGTERM
    assert list(tmp_path.iterdir()) == []
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


def _env(folder: Path) -> dict[str, str]:
    return {**os.environ, "TMPDIR": str(folder)}


# --- how steps are played -------------------------------------------------------------------------------------------


@pytest.fixture
def steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which a test writes steps of its own; the demo's folder is made beside it."""
    name = f"steps_{time.monotonic_ns()}"
    (tmp_path / "tmp").mkdir()
    package = tmp_path / name
    package.mkdir()
    (package / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(play, "STEPS", name)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    return package


def _step(steps: Path, name: str, body: str) -> None:
    (steps / f"{name}.py").write_text(f'"""The step {name}."""\n\n\ndef run(stage, say):\n    {body}\n')


def _demo(*arguments: str, color: bool = False) -> tuple[int, str]:
    done = CliRunner().invoke(root, ["demo", *arguments], color=color)
    return done.exit_code, done.output


def test_a_claim_that_does_not_hold_ends_the_demo(steps: Path) -> None:
    """Exit code 1, the claim named as not so, and no step after it."""
    _step(steps, "s1_lie", "say.claim('the moon is a cheese', held=False)")
    _step(steps, "s2_after", "say.claim('never said', held=True)")
    code, output = _demo()
    assert code == 1
    assert "FAILED this is not so: the moon is a cheese" in output
    assert "never said" not in output
    assert "NOT everything is as it should be" in output
    assert list((steps.parent / "tmp").iterdir()) == []


def test_a_step_that_claims_nothing_fails(steps: Path) -> None:
    """Details alone are talk."""
    _step(steps, "s1_talk", "say.detail('all is well')")
    code, output = _demo()
    assert (code, "FAILED" in output) == (1, True)


def test_a_step_that_breaks_fails_without_a_traceback(steps: Path) -> None:
    """An error of ours ends as one line, and with another exit code than success."""
    _step(steps, "s1_breaks", "say.claim('so far', held=True); raise RuntimeError('4111111111111111')")
    code, output = _demo()
    assert code == 1
    assert "FAILED ended by RuntimeError" in output
    assert "4111" not in output
    assert "Traceback" not in output
    assert list((steps.parent / "tmp").iterdir()) == []


def test_keep_leaves_the_folder(steps: Path) -> None:
    """And says where."""
    _step(steps, "s1_leave", "(stage.folder / 'left').write_text('x'); say.claim('left', held=True)")
    code, output = _demo("--keep")
    (folder,) = (steps.parent / "tmp").iterdir()
    assert code == 0
    assert f"left in {folder}" in output
    assert (folder / "left").exists()


def test_json_is_one_document_also_of_a_failure(steps: Path) -> None:
    """For programs: which step, what it claimed, and what was not so."""
    _step(steps, "s1_first_one", "say.claim('one', held=True); say.detail('more')")
    _step(steps, "s2_second", "say.claim('two', held=False)")
    done = CliRunner().invoke(root, ["demo", "--json"])
    document = json.loads(done.stdout)
    assert done.exit_code == 1
    assert document["ok"] is False
    assert document["steps"] == [
        {"step": "first one", "title": "The step s1_first_one.", "ok": True, "claims": ["one"], "details": ["more"],
         "failed": ""},
        {"step": "second", "title": "The step s2_second.", "ok": False, "claims": [], "details": [],
         "failed": "this is not so: two"},
    ]  # fmt: skip


def test_a_terminal_gets_colour_unless_it_is_unwanted(steps: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """NO_COLOR is respected."""
    _step(steps, "s1_fine", "say.claim('fine', held=True)")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[32mok\x1b[0m fine" in _demo(color=True)[1]
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in _demo(color=True)[1]


# --- each step looks --------------------------------------------------------------------------------------------------


def _run(name: str, stage: Stage) -> Screen:
    """Run one real step."""
    say = Screen(as_json=True)
    say.step(name, "")
    plugins.load(play.STEPS, name).run(stage, say)
    say.done()
    return say


@pytest.fixture(scope="module")
def staged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A stage on which the first three steps were played: server, customers, the added card."""
    stage = Stage(tmp_path_factory.mktemp("demo"))
    try:
        for name in ("s10_start", "s20_import", "s30_add_card"):
            _run(name, stage)
        stage.loot = stage.steal("before")
        yield stage
    finally:
        if stage.server:
            stage.server.kill()


def test_start_sees_a_key_that_lies_about(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Billing's private key in the folder of another caller, or in the vault's, is found; the server is not started."""
    real = plugins.load(play.STEPS, "s10_start")
    create = real.create

    def careless(home: Path, wish: Any) -> Any:
        made = create(home, wish)
        key = (home / "callers" / "billing" / "payment_processing.key").read_text()
        with (home / "keys" / "keys.db").open("ab") as store:
            store.write(bytes.fromhex(key))
        return made

    monkeypatch.setattr(real, "create", careless)
    stage = Stage(tmp_path)
    with pytest.raises(NotSo, match="own folder only"):
        _run("s10_start", stage)
    assert stage.server is None


def test_import_sees_rows_that_are_missing(staged: Stage) -> None:
    """The second import of the same table stores nobody, so it cannot say that it did."""
    with pytest.raises(NotSo, match="0 customers stored"):
        _run("s20_import", staged)


def test_reading_compares_with_the_table(staged: Stage) -> None:
    """Another name than the one that was imported is not the customer's contact."""
    wrong = tuple(dataclasses.replace(row, name="Somebody Else") for row in staged.table.good)
    with pytest.raises(NotSo, match="decrypted by the vault"):
        _run("s40_read_contact", dataclasses.replace(staged, table=Table(wrong, staged.table.bad)))


def test_charging_compares_with_the_card_that_was_sealed(staged: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another number is another card, be it valid or not."""
    step = plugins.load(play.STEPS, "s50_charge")
    monkeypatch.setattr(step, "new_card", lambda _: Card(card_number="4111111111111111"))
    with pytest.raises(NotSo, match="charged"):
        _run("s50_charge", staged)


def test_an_answer_to_provisioning_is_no_refusal(staged: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the vault gave the card out, the step would say so."""
    card = billing.run(staged.home, None, lambda vault: vault.get_card(staged.card))
    assert isinstance(card, OpenedCard)
    monkeypatch.setattr(profile, "run_with", lambda *_: card)
    with pytest.raises(NotSo, match="refused by the vault"):
        _run("s60_refuse", staged)


def test_one_card_that_opens_is_seen(staged: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A vault that kept a copy of billing's key would be robbed of every card; the thief finds it among the rest."""
    seed = (staged.home / "callers" / "billing" / "payment_processing.key").read_text().strip()
    real = thief.broken_in

    @asynccontextmanager
    async def with_one_more(loot: Loot) -> AsyncIterator[thief.Thief]:
        async with real(loot) as inside:
            inside._found = [*inside._found, Secret(bytes.fromhex(seed))]
            yield inside

    step = plugins.load(play.STEPS, "s70_thief")
    monkeypatch.setattr(step, "broken_in", with_one_more)
    monkeypatch.setattr(Stage, "steal", lambda *_: staged.loot)
    with pytest.raises(NotSo, match="0 of 301 cards"):
        _run("s70_thief", staged)


def test_an_erasure_that_only_says_so_is_seen(staged: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A receipt is paper: the step asks for the records."""

    async def say_so(_: OfficerClient, customer_id: str) -> ErasureReceipt:
        return ErasureReceipt(customer_id=customer_id, keys_destroyed=4, records_removed=4)

    monkeypatch.setattr(OfficerClient, "erase_customer", say_so)
    with pytest.raises(NotSo, match="is erased"):
        _run("s80_erase", staged)


def test_keys_that_survive_an_erasure_are_seen(staged: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The vault answers NOT_FOUND and yet the keys are there: the old data would open."""
    step = plugins.load(play.STEPS, "s80_erase")

    async def say_so(_: OfficerClient, customer_id: str) -> ErasureReceipt:
        return ErasureReceipt(customer_id=customer_id, keys_destroyed=4, records_removed=4)

    monkeypatch.setattr(OfficerClient, "erase_customer", say_so)
    monkeypatch.setattr(step, "_gone", lambda _: True)
    with pytest.raises(NotSo, match="0 of 4 records open"):
        _run("s80_erase", staged)


def test_a_log_that_lacks_an_entry_is_seen(staged: Stage) -> None:
    """Nobody was erased on this stage, so the log cannot show it."""
    with pytest.raises(NotSo, match="entries, without names"):
        _run("s90_log", staged)


@pytest.mark.parametrize(
    "answer",
    [
        {"ok": False, "logs": [{"entries": 5, "checkpoints": 1, "proven": 5, "finding": None}]},
        {"ok": True, "logs": [{"entries": 5, "checkpoints": 1, "proven": 4, "finding": None}]},
        {"ok": True, "logs": [{"entries": 0, "checkpoints": 1, "proven": 0, "finding": None}]},
        {"ok": True, "logs": []},
    ],
)
def test_a_log_that_does_not_verify_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: Mapping[str, Any]
) -> None:
    """Not only the exit code counts."""
    step = plugins.load(play.STEPS, "s90_log")
    monkeypatch.setattr(step, "command", lambda *_: Answer(0, answer, ""))
    say = Screen(as_json=True)
    say.step("log", "")
    with pytest.raises(NotSo):
        step._verify(Stage(tmp_path), say, 3)


# --- the table --------------------------------------------------------------------------------------------------------


def test_the_customers_are_nobody() -> None:
    """A few hundred different people, under addresses and numbers that belong to no one."""
    table = make()
    assert 200 <= len(table.good) <= 999
    for values in ("customer_id", "name", "email"):
        assert len({getattr(row, values) for row in table.good}) == len(table.good)
    free = re.compile(r"\+(493023125\d{3}|492214710\d{3}|441134960\d{3}|441414960\d{3}|3319900\d{4}|161755501\d\d)")
    assert all(free.fullmatch(row.phone) for row in table.good)
    assert all(row.email.endswith("@example.org") for row in table.good)
