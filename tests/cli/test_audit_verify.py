"""The log is checked without the server: every way to bend it is found, and none of the server's code is run."""

import json
import shutil
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.running import RunningVault, command, make_home, serving
from vault.storage.engine import sqlite3


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> RunningVault:
    """A vault that has a log and has stopped."""
    with serving(make_home(tmp_path_factory.mktemp("verify"))) as vault:
        for n in range(5):
            vault.run("customer", "create", "--id", f"c{n}")
    return vault


@pytest.fixture
def copy(stopped: RunningVault, tmp_path: Path) -> Path:
    """A copy of its data file, and of the pins beside it."""
    shutil.copy(stopped.home / "pins.json", tmp_path / "pins.json")
    return Path(shutil.copy(stopped.home / "data" / "vault.db", tmp_path / "vault.db"))


def verify(file: Path, *args: str, code: int = 0) -> Any:
    """`audit verify` of a copy with its pins: what it printed."""
    return json.loads(
        command(
            "audit", "verify", str(file), "--pins", str(file.with_name("pins.json")), "--json", *args, code=code
        ).stdout
    )


def change(file: Path, sql: str, *values: object) -> None:
    """Edit the copy, as somebody with the file can, triggers or not."""
    with closing(sqlite3.connect(file)) as connection, connection:
        for (trigger,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {trigger}")
        assert connection.execute(sql, values).rowcount > 0


def test_a_whole_log_is_what_was_signed(stopped: RunningVault) -> None:
    """Entries, checkpoints and the time between, of the folder or of the file."""
    found = json.loads(command("audit", "verify", str(stopped.home), "--json").stdout)
    assert found["ok"]
    (log,) = found["logs"]
    assert log["origin"] == "vault.example/log/log-0"
    assert log["proven"] == log["entries"] >= 6
    assert command("audit", "verify", str(stopped.home)).stdout.startswith("ok: vault.example/log/log-0: ")


@pytest.mark.parametrize(
    ("sql", "first"),
    [
        ("UPDATE log_entries SET entry = CAST(entry || x'00' AS BLOB) WHERE idx = 3", 3),
        ("DELETE FROM log_entries WHERE idx = 2", 2),
        ("DELETE FROM log_entries WHERE idx >= 4", 4),
        ("UPDATE log_entries SET idx = idx + 1000 WHERE idx = 1", 1),
    ],
)
def test_a_bent_log_is_found_at_its_first_bad_index(copy: Path, sql: str, first: int) -> None:
    """Edited, taken out, cut off or moved; exit code 1."""
    change(copy, sql)
    found = verify(copy, code=1)
    assert not found["ok"]
    assert found["logs"][0]["finding"]["first"] == first
    said = command("audit", "verify", str(copy), "--pins", str(copy.with_name("pins.json")), code=1).stdout
    assert said.startswith("BAD: vault.example/log/log-0: ")
    assert f"first bad index {first}" in said or f"first bad index in {first} to" in said


def test_a_log_that_was_emptied_is_bad(copy: Path) -> None:
    """A vault signs at its start, so a log without a checkpoint was taken away."""
    change(copy, "DELETE FROM log_entries")
    change(copy, "DELETE FROM checkpoints")
    assert not verify(copy, code=1)["ok"]


def test_a_store_of_yesterday_is_found_by_what_a_caller_kept(copy: Path, stopped: RunningVault) -> None:
    """All of it is signed; only somebody who remembers can tell."""
    with closing(sqlite3.connect(copy)) as connection:
        size, note = connection.execute("SELECT size, note FROM checkpoints ORDER BY size DESC LIMIT 1").fetchone()
        kept = copy.with_name("witness.json")
        kept.write_text(json.dumps({"vault.example/log/log-0": note}))
        older = connection.execute("SELECT max(size) FROM checkpoints WHERE size < ?", (size,)).fetchone()[0]
    change(copy, "DELETE FROM checkpoints WHERE size > ?", older)
    change(copy, "DELETE FROM log_entries WHERE idx >= ?", older)
    assert verify(copy)["ok"]
    assert not verify(copy, "--witness", str(kept), code=1)["ok"]
    assert json.loads(command("audit", "verify", str(stopped.home), "--witness", str(kept), "--json").stdout)["ok"]


def test_the_key_is_the_readers_own(copy: Path) -> None:
    """A log signed by another key is not ours, whatever lies beside it."""
    pins = json.loads(copy.with_name("pins.json").read_text())
    pins["logs"] = {"vault.example/log/log-0": "11" * 32}
    copy.with_name("pins.json").write_text(json.dumps(pins))
    assert verify(copy, code=1)["logs"][0]["finding"]["reason"] == "CHECKPOINT"


def test_a_key_may_be_given_without_pins(copy: Path) -> None:
    """From a printed page, say."""
    ((origin, key),) = json.loads(copy.with_name("pins.json").read_text())["logs"].items()
    command("audit", "verify", str(copy), "--key", key, "--origin", origin)
    command("audit", "verify", str(copy), "--key", key, code=2)
    command("audit", "verify", str(copy), "--key", "zz", "--origin", origin, code=2)


def test_a_log_that_is_not_pinned_is_not_passed_over(copy: Path) -> None:
    """A second log beside the first would be a place to hide."""
    pins = json.loads(copy.with_name("pins.json").read_text())
    pins["logs"] = {"vault.example/log/log-1": "11" * 32}
    copy.with_name("pins.json").write_text(json.dumps(pins))
    refused = command("audit", "verify", str(copy), "--pins", str(copy.with_name("pins.json")), code=2)
    assert "log log-0: has no public key in the pins" in refused.stderr


@pytest.mark.parametrize("pins", ["", "{}", '{"logs": {}}', '{"logs": {"a/log/log-0": "11"}}', '{"logs": ["a"]}'])
def test_pins_without_a_key_are_refused(copy: Path, pins: str) -> None:
    """Exit code 2: nothing was checked."""
    copy.with_name("pins.json").write_text(pins)
    refused = command("audit", "verify", str(copy), "--pins", str(copy.with_name("pins.json")), code=2)
    assert "pins.json: logs: must give a public key" in refused.stderr


def test_a_file_that_is_no_vaults_is_refused(tmp_path: Path, copy: Path) -> None:
    """And a file without pins: it is not clear whose it should be."""
    other = tmp_path / "other.db"
    other.write_bytes(b"not a database" * 100)
    refused = command("audit", "verify", str(other), "--pins", str(copy.with_name("pins.json")), code=2)
    assert "next: name a vault's folder or data file; if it is one, it is damaged" in refused.stderr
    assert "--pins" in command("audit", "verify", str(copy), code=2).stderr
    command("audit", "verify", str(tmp_path / "missing"), "--pins", str(copy.with_name("pins.json")), code=2)


def test_verifying_runs_none_of_the_code_that_it_distrusts(stopped: RunningVault) -> None:
    """No server, service, client, driver or gRPC is even imported."""
    code = (
        "import sys\n"
        "from vault.cli.frame import root\n"
        "try: root(sys.argv[1:])\n"
        "except SystemExit as end: assert end.code in (0, None), end.code\n"
        "print(' '.join(m for m in sys.modules if m.startswith(('vault.', 'grpc'))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "audit", "verify", str(stopped.home)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    imported = done.stdout.splitlines()[-1].split()
    assert "vault.audit.verify" in imported
    distrusted = ("vault.server", "vault.service", "vault.client", "vault.keyring", "vault.storage.sqlite", "grpc")
    assert [name for name in imported if name.startswith(distrusted)] == []
