"""What the process refuses to start with, each by really starting one, and what it gives up."""

import ctypes
import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf.internal import api_implementation

from vault.errors import ConfigError
from vault.server import hardening

REFUSE = """
from vault.errors import ConfigError
from vault.server import hardening
try:
    hardening.refuse()
except ConfigError as error:
    print(error)
else:
    print("started")
"""

CASES = {
    "GRPC_TRACE": ("all", "prints messages in the clear"),
    "SSLKEYLOGFILE": ("/dev/null", "writes the keys of TLS connections"),
    "GRPC_VERBOSITY": ("DEBUG", "may only be ERROR or NONE"),
    "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": ("python", "protobuf runs as python, not as upb"),
}


def start(program: str, **environment: str) -> str:
    """Run a program in a process of its own; return what it prints."""
    clean = {key: value for key, value in os.environ.items() if key not in CASES}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=clean | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("name", CASES)
def test_each_way_to_print_more_is_refused(name: str) -> None:
    """Naming the variable, the reason, and that it should be unset."""
    value, why = CASES[name]
    said = start(REFUSE, **{name: value})
    assert said.startswith(f"environment: {name}: ")
    assert why in said
    assert "unset it" in said


def test_a_clean_environment_is_accepted() -> None:
    """And so are the quiet settings of gRPC."""
    assert start(REFUSE) == "started"
    assert start(REFUSE, GRPC_VERBOSITY="ERROR", GRPC_TRACE="") == "started"


def test_another_engine_of_protobuf_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever has chosen it."""
    monkeypatch.setattr(api_implementation, "Type", lambda: "cpp")
    with pytest.raises(ConfigError, match="install protobuf's wheel"):
        hardening.refuse({})


CONFINE = """
import ctypes, json, os, resource
from vault.server import hardening
hardening.confine()
made = os.open(os.environ["MADE"], os.O_CREAT | os.O_WRONLY, 0o666)
print(json.dumps({
    "core": resource.getrlimit(resource.RLIMIT_CORE),
    "mode": os.fstat(made).st_mode & 0o777,
    "files": resource.getrlimit(resource.RLIMIT_NOFILE),
    "dumpable": ctypes.CDLL(None).prctl(3, 0, 0, 0, 0),
}))
"""


def test_the_process_gives_up_cores_and_files_for_others(tmp_path: Path) -> None:
    """Asked of the kernel, not of our own bookkeeping."""
    said = json.loads(start(CONFINE, MADE=str(tmp_path / "made")))
    assert said["core"] == [0, 0]
    assert said["dumpable"] == 0
    assert said["mode"] == 0o600
    assert said["files"][0] == said["files"][1]


def test_a_system_that_refuses_is_not_served_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that can be dumped would be as good as a file of keys."""

    class Libc:
        def prctl(self, *_: int) -> int:
            return 1

    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: Libc())
    monkeypatch.setattr(resource, "setrlimit", lambda *_: None)
    monkeypatch.setattr(os, "umask", lambda _: None)
    with pytest.raises(ConfigError, match="PR_SET_DUMPABLE"):
        hardening.confine()
