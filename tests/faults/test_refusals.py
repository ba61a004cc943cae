"""T26: what a server must not start with. Each case is a real start, which must refuse, say why and name the remedy.

SQLite has no `fsync = off` to be found in a configuration: the store sets `synchronous = FULL` itself and asks nobody.
What turns syncs off under it is a library that is loaded before it, so that is the case here.
"""

import ctypes
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.figures import Figures
from tests.running import _ENVIRONMENT, COMMAND, RunningVault
from vault.storage.engine import OLDEST

NOBODY = 65534
_PR_CAPBSET_DROP, _DAC_OVERRIDE, _DAC_READ_SEARCH = 24, 1, 2


@dataclass(frozen=True, slots=True)
class Case:
    """What is wrong, what must be said of it, and what to do."""

    why: str
    remedy: str
    change: Callable[[Path], Any] = lambda _home: None
    environment: dict[str, str] = field(default_factory=dict)


def old_sqlite(home: Path) -> None:
    """Hide the wheel, so that Python's own is found, which on most machines is old."""
    found = subprocess.run(
        [sys.executable, "-c", "import sqlite3; print(sqlite3.sqlite_version)"], check=False, **PIPED
    )
    if tuple(map(int, found.stdout.split("."))) >= OLDEST:
        pytest.skip("this machine's own SQLite is new enough")
    (home / "shadow").mkdir()
    (home / "shadow/pysqlite3.py").write_text("raise ImportError")


def foreign_keys(home: Path) -> None:
    """The key store of another vault."""
    from vault.storage.engine import sqlite3  # noqa: PLC0415 - of this process, for this file

    connection = sqlite3.connect(home / "keys/keys.db")
    connection.execute("UPDATE meta SET vault_id = randomblob(16)")
    connection.commit()
    connection.close()


def folder_in_place_of(name: str) -> Callable[[Path], None]:
    """A folder where a file should be."""

    def change(home: Path) -> None:
        (home / name).unlink()
        (home / name).mkdir()

    return change


PIPED: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "timeout": 60}
OTHERS = "chmod 600"
CASES = {
    "an old SQLite": Case(
        "can corrupt databases", "pip install 'pysqlite3", old_sqlite, {"PYTHONPATH": "{home}/shadow"}
    ),
    "fsync that does nothing": Case("fsync do nothing", "unset it", environment={"LD_PRELOAD": "libeatmydata.so"}),
    "GRPC_TRACE": Case("prints messages in the clear", "unset it", environment={"GRPC_TRACE": "all"}),
    "GRPC_VERBOSITY": Case("may only be ERROR", "unset it", environment={"GRPC_VERBOSITY": "debug"}),
    "SSLKEYLOGFILE": Case("keys of TLS connections", "unset it", environment={"SSLKEYLOGFILE": "/dev/null"}),
    "pure-python protobuf": Case(
        "protobuf runs as python", "unset it", environment={"PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": "python"}
    ),
    "a key store for the world": Case("other users may", OTHERS, lambda h: (h / "keys/keys.db").chmod(0o644)),
    "a root key for the world": Case("can be read by others", OTHERS, lambda h: (h / "root.key").chmod(0o644)),
    "a TLS key for the world": Case("others may read this key", OTHERS, lambda h: (h / "server/key.pem").chmod(0o644)),
    "a key store of another user": Case(
        "belongs to another user", "chown", lambda h: os.chown(h / "keys/keys.db", NOBODY, NOBODY)
    ),
    "a data store of another user": Case(
        "belongs to another user", "chown", lambda h: os.chown(h / "data/vault.db", NOBODY, NOBODY)
    ),
    "an unreadable policy": Case("policy.toml", "next: ", lambda h: (h / "policy.toml").chmod(0)),
    "no policy": Case("policy.toml", "next: ", folder_in_place_of("policy.toml")),
    "a policy that is none": Case("policy.toml", "next: ", lambda h: (h / "policy.toml").write_bytes(b"\xff")),
    "unreadable settings": Case("vault.toml", "next: ", lambda h: (h / "vault.toml").chmod(0)),
    "a foreign key store": Case("is of another vault than", "put back", foreign_keys),
    "an unwritable data folder": Case(
        "data: cannot be written", "let the server's user write", lambda h: (h / "data").chmod(0o500)
    ),
    "an unwritable key folder": Case(
        "keys: cannot be written", "let the server's user write", lambda h: (h / "keys").chmod(0o500)
    ),
    "an unwritable data store": Case(
        "vault.db: cannot be written", "let the server's user write", lambda h: (h / "data/vault.db").chmod(0o400)
    ),
}


def bound_by_modes() -> None:
    """Let modes bind the child, as they bind everybody but root."""
    libc = ctypes.CDLL(None)
    for capability in (_DAC_OVERRIDE, _DAC_READ_SEARCH):
        libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)


def start(home: Path, environment: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    """Start the server; it must end by itself."""
    filled = {key: value.format(home=home) for key, value in environment.items()}
    return subprocess.run(
        [*COMMAND, "serve", str(home)],
        env=_ENVIRONMENT | filled,
        preexec_fn=bound_by_modes,
        check=False,
        **PIPED,
    )


@pytest.fixture
def home(pristine: Path, quick_disk: Path, tmp_path: Path) -> Path:
    """A deployment of this test's own, on a free port."""
    copy = shutil.copytree(pristine, quick_disk / tmp_path.name / "home")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = copy / "vault.toml"
    settings.write_text(settings.read_text().replace("127.0.0.1:7443", f"127.0.0.1:{port}"))
    return copy


@pytest.mark.parametrize("name", CASES)
def test_a_start_refuses_says_why_and_names_the_remedy(home: Path, name: str, figures: Figures) -> None:
    """Exit code 2, one line that says what is wrong, one that says what to do, and nothing served."""
    case = CASES[name]
    if "another user" in name and os.geteuid():
        pytest.skip("only root can give files away")
    case.change(home)
    refused = start(home, case.environment)
    said = refused.stderr.strip().splitlines()
    figures(f"{name}: {' '.join(said[-2:]).replace(str(home), 'DIR')}")
    assert refused.returncode == 2, refused.stderr
    assert not refused.stdout
    assert "Traceback" not in refused.stderr
    assert case.why in refused.stderr
    assert case.remedy in refused.stderr
    assert said[-1].startswith("next: ")


def test_a_second_server_on_the_same_folder_is_refused(running_vault: RunningVault) -> None:
    """The first one goes on."""
    refused = start(running_vault.home, {})
    assert refused.returncode == 2
    assert "another process has this vault open: stop it first" in refused.stderr
    assert running_vault.process.poll() is None


def test_a_server_gives_up_core_dumps_whatever_the_shell_allows(running_vault: RunningVault) -> None:
    """Not refused, since it can be mended: asked of the kernel."""
    limits = Path(f"/proc/{running_vault.process.pid}/limits").read_text()
    (core,) = (line.split() for line in limits.splitlines() if line.startswith("Max core file size"))
    assert core[4:6] == ["0", "0"]


def test_refusals_are_json_for_programs(home: Path) -> None:
    """A supervisor's log keeps kind, message and next step apart."""
    (home / "root.key").chmod(0o644)
    done = subprocess.run([*COMMAND, "serve", str(home), "--json"], env=_ENVIRONMENT, check=False, **PIPED)
    error = json.loads(done.stderr.splitlines()[-1])["error"]
    assert error["reason"] == "CONFIGURATION"
    assert error["next"]
