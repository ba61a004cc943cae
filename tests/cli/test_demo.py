"""The demo does what it says, on one screen; and when something is not so, it says that and fails."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from vault.cli.demo import play
from vault.cli.frame import root

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
    ok the partner is refused: nobody has agreed
    ok the customer agrees to partner_offers; the partner reads
    ok the customer withdraws it: refused at once; of the partner's reads the customer is shown 1
8\. .*
    ok with alice's approval legal is refused; with bob's as well it reads
    ok the phone number, opened with legal's own key; the address is refused
    ok while it stands the customer is not erased; closed, nothing more is read
9\. .*
    ok 1503 visits; analytics: /products 1500, /careers 3
    ok advertisers: /products \d+; with noise, no small page, and the same when asked again
10\. .*
    ok 300 of 300 contacts open, for instance:
       Ines Grau, Lindenweg 43, Berlin, \+493023125042, ines\.grau42@example\.org
    ok 0 of 301 cards open, in [\d,]+ tries with all \d+ keys there are
    ok the tries were real: with billing's private key 301 of 301 open
11\. .*
    ok a JSON document: the contact in plain, the cards as envelopes, and to whom it was disclosed
12\. .*
    ok customer 100042 is erased: 6 keys destroyed, 4 records removed
    ok old data and the key store of now: 0 of 4 records open, with any of its 897 keys
    ok with the key store's copy from then, 4 do open: .*
    ok its receipt holds, by a small program that has the log's public key only; one with a word changed does not
       had read the customer before: billing, legal, officer, partners, provisioning
13\. .*
    ok a message came in by SMTP and waits; no byte of it stands in the files
    ok the thief opens 0 of 1 messages; with mail's private key 1 of 1
    ok the next mail server is back: delivered, byte for byte, and gone
    ok also from the copy of before: 0 of 1 open, with any of \d+ keys
14\. .*
    ok \d+ entries, without names and values; the last ones:
(        \d+ \d\d:\d\d:\d\d (allowed|denied ) [a-z]+ \w+\.\w+( for \w+)?
){4}    ok the server stops in order
    ok customer-vault audit verify: \d+ entries are as signed, in \d+ checkpoints
    ok somebody rewrites what was said of the erasure in a copy: found, and the first entry named \(entry \d+\)
every step did what it says \(\d+\.\d s\)
"""
"""What a user sees, line by line."""


def test_in_a_pipe_each_step_says_what_it_did_on_one_screen(tmp_path: Path) -> None:
    """Plain text of at most 60 lines, exit code 0, and nothing left behind."""
    done = subprocess.run(DEMO, capture_output=True, text=True, check=False, timeout=100, env=_env(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(SAID.lstrip(), done.stdout), done.stdout
    lines = done.stdout.splitlines()
    assert len(lines) <= 60
    assert max(map(len, lines[1:])) <= 120
    assert list(tmp_path.iterdir()) == []


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
