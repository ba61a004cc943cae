"""Doctor finds what is about to break, and says what to do."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from vault.cli.deployment.create import Wish, create
from vault.cli.deployment.layout import Address
from vault.cli.doctor.checks import certificates, disk, stores
from vault.cli.frame import root
from vault.pki.spiffe import TrustDomain
from vault.storage import engine, inspect


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A fresh vault that does not run."""
    folder = tmp_path / "vault"
    create(folder, Wish(TrustDomain("vault.example"), Address("127.0.0.1", 1)))
    return folder


def findings(home: Path, code: int = 0) -> dict[str, list[dict[str, str]]]:
    """What is found, by check."""
    result = CliRunner().invoke(root, ["doctor", str(home), "--json"])
    assert result.exit_code == code, result.output
    found: dict[str, list[dict[str, str]]] = {}
    for each in json.loads(result.stdout)["findings"]:
        found.setdefault(each["check"], []).append(each)
    return found


def test_a_fresh_vault_is_well_but_for_the_server_that_was_not_asked(home: Path) -> None:
    """What could not be looked at is no problem, and is not passed over."""
    found = findings(home)
    assert found["keys"][0]["state"] == "not checked"
    assert {each["state"] for name, all_ in found.items() if name not in {"keys", "disk"} for each in all_} == {"ok"}
    said = CliRunner().invoke(root, ["doctor", str(home)]).stdout
    assert "not checked  keys: the server does not answer\n             next: customer-vault serve" in said


def _append(path: str, text: str) -> Callable[[Path], None]:
    def change(home: Path) -> None:
        with (home / path).open("a") as file:
            file.write(text)

    return change


def _no_deny_list(home: Path) -> None:
    config = home / "vault.toml"
    config.write_text(config.read_text().replace("[server]", '[server]\ndeny_list = "deny.txt"'))


def _other_key(home: Path) -> None:
    (home / "callers/billing/payment_processing.key").write_text("11" * 32)


def _other_audience(home: Path) -> None:
    pins = json.loads((home / "pins.json").read_text())
    pins["fields"]["payment.card_number"]["current"] = "account_service+payment_processing"
    (home / "pins.json").write_text(json.dumps(pins))


def _garbage(home: Path) -> None:
    """One page over the head of the file, as a program that mistook it leaves it."""
    with (home / "data/vault.db").open("r+b") as file:
        file.write(b"\x5a" * 4096)


def _damaged_inside(home: Path) -> None:
    """A page that is read by no start of the server."""
    with (home / "keys/keys.db").open("r+b") as file:
        file.seek(5 * 4096)
        file.write(b"\x5a" * 4096)


def _of_another_vault(home: Path) -> None:
    create(home.with_name("other"), Wish(TrustDomain("vault.example"), Address("127.0.0.1", 1)))
    (home.with_name("other") / "keys/keys.db").replace(home / "keys/keys.db")


def _other_root_key(home: Path) -> None:
    create(home.with_name("other"), Wish(TrustDomain("vault.example"), Address("127.0.0.1", 1)))
    (home.with_name("other") / "root.key").replace(home / "root.key")


def _no_passphrase(home: Path) -> None:
    text = (home / "vault.toml").read_text()
    (home / "vault.toml").write_text(text.replace("[logging]", 'passphrase_file = "phrase"\n[logging]'))


def _open_passphrase(home: Path) -> None:
    _no_passphrase(home)
    (home / "phrase").write_text("correct horse battery staple")
    (home / "phrase").chmod(0o644)


def _from_the_future(home: Path) -> None:
    os.utime(home / "data/vault.db", (time.time() + 3600,) * 2)


@pytest.mark.parametrize(
    ("check", "change", "said"),
    [
        ("file modes", lambda home: (home / "root.key").chmod(0o640), "root.key is open to others"),
        ("file modes", lambda home: home.chmod(0o755), "vault is open to others"),
        ("file modes", lambda home: (home / "keys/keys.db").chmod(0o604), "keys.db is open to others"),
        ("settings", _append("vault.toml", "\n[vaul]\n"), "vaul: is not a key of this file"),
        ("settings", _no_deny_list, "deny.txt: No such file"),
        ("policy", _append("policy.toml", "\n[roles2]\n"), "roles2: is no key of a policy"),
        ("pins", _other_key, "callers/billing: holds no key of payment_processing that the policy names"),
        ("pins", _other_audience, "payment.card_number is pinned to another audience"),
        ("certificates", lambda home: (home / "server/cert.pem").write_text("x"), "is not a PEM certificate"),
        ("clock", _from_the_future, "the clock is behind"),
        ("stores", lambda home: (home / "data/vault.db").unlink(), "vault.db: cannot be opened: No such file"),
        ("stores", lambda home: (home / "keys/keys.db").unlink(), "keys.db: cannot be opened: No such file"),
        ("stores", lambda home: (home / "data/vault.db").write_bytes(b""), "vault.db: is damaged"),
        ("stores", _garbage, "vault.db: is damaged"),
        ("stores", _damaged_inside, "keys.db: is damaged"),
        ("stores", _of_another_vault, "is of another vault than"),
        ("root key", lambda home: (home / "root.key").unlink(), "root.key: No such file"),
        ("root key", lambda home: (home / "root.key").write_text("{}"), "root.key: is not a root key file"),
        ("root key", _other_root_key, "root.key does not open version 1 of the vault key"),
        ("root key", _no_passphrase, "phrase: No such file"),
        ("root key", _open_passphrase, "phrase is open to others"),
    ],
)
def test_what_is_wrong_is_found_and_has_a_remedy(
    home: Path, check: str, change: Callable[[Path], Any], said: str
) -> None:
    """Exit code 1; the other checks still run."""
    change(home)
    found = findings(home, code=1)
    problems = [each for each in found[check] if each["state"] == "problem"]
    assert any(said in each["what"] for each in problems), found[check]
    assert all(each["remedy"] for each in problems)
    assert found["sqlite"][0]["state"] == "ok"


def test_a_root_key_under_a_passphrase_is_tried_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong one is found before the next start; one that is in another's environment cannot be tried."""
    phrase = tmp_path / "phrase"
    phrase.write_text("correct horse battery staple\n")
    phrase.chmod(0o600)
    home = tmp_path / "vault"
    create(home, Wish(TrustDomain("vault.example"), Address("127.0.0.1", 1), phrase))
    assert findings(home)["root key"][0]["state"] == "ok"
    phrase.write_text("another horse, another staple\n")
    assert "does not open" in findings(home, code=1)["root key"][0]["what"]
    settings = (home / "vault.toml").read_text()
    (home / "vault.toml").write_text(settings.replace(f'passphrase_file = "{phrase}"', 'passphrase_env = "PHRASE"'))
    assert findings(home)["root key"][0]["state"] == "not checked"
    monkeypatch.setenv("PHRASE", "correct horse battery staple")
    assert findings(home)["root key"][0]["state"] == "ok"


def test_a_store_that_is_too_large_to_read_in_a_moment_is_not_called_whole(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was not looked at is not vouched for."""
    monkeypatch.setattr(stores, "_SECONDS", 0.0)
    monkeypatch.setattr(inspect, "_STEPS", 1)
    (found,) = findings(home)["stores"]
    assert "what could be read in 0 s" in found["what"]


@pytest.mark.parametrize(
    ("days", "state", "said"),
    [
        (90, "ok", "expires in 90 days"),
        (21, "warning", "expires in 21 days"),
        (1, "warning", "expires in 1 day"),
        (0, "warning", "expires in less than a day"),
        (-1, "problem", "expired less than a day ago"),
        (-2, "problem", "expired 1 day ago"),
        (-9, "problem", "expired 8 days ago"),
    ],
)
def test_certificates_are_counted_down(
    home: Path, monkeypatch: pytest.MonkeyPatch, days: int, state: str, said: str
) -> None:
    """Three weeks are time enough to replace one; days are whole ones, in both directions."""
    monkeypatch.setattr(certificates, "expiry", SimpleNamespace(days_left=lambda *_, **__: days))
    found = findings(home, code=1 if state == "problem" else 0)
    assert {each["state"] for each in found["certificates"]} == {state}
    assert said in found["certificates"][0]["what"]


@pytest.mark.parametrize(("mib", "state"), [(100, "problem"), (1000, "warning"), (5000, "ok")])
def test_a_disk_that_fills_up_is_noticed(home: Path, monkeypatch: pytest.MonkeyPatch, mib: int, state: str) -> None:
    """Without room for an entry nothing is served."""
    monkeypatch.setattr(disk, "shutil", SimpleNamespace(disk_usage=lambda _: SimpleNamespace(free=mib << 20)))
    found = findings(home, code=1 if state == "problem" else 0)
    assert [each["state"] for each in found["disk"]] == [state, state]


def test_an_old_sqlite_is_a_problem_with_a_remedy(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Most machines' own would lose commits."""
    old = SimpleNamespace(sqlite_version_info=(3, 40, 1), sqlite_version="3.40.1")
    monkeypatch.setattr(engine, "sqlite3", old)
    (found,) = findings(home, code=1)["sqlite"]
    assert "3.40.1" in found["what"]
    assert "pysqlite3" in found["what"]


def test_what_is_no_vault_is_named(tmp_path: Path) -> None:
    """Exit code 2: there was nothing to look at."""
    result = CliRunner().invoke(root, ["doctor", str(tmp_path / "missing")])
    assert result.exit_code == 2
    assert "customer-vault init" in result.stderr
