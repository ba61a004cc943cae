"""A whole vault as its users have it: made by `init`, served by `serve` in a process of its own, called by the command.

`running_vault` is shared by all tests of a worker, so a test that writes takes ids of its own (`new_id`), and a test
that breaks something makes a vault of its own with `make_home` and `serving`.
"""

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

COMMAND = (sys.executable, "-m", "vault.cli")
READY_SECONDS = 30
_ENVIRONMENT = {key: value for key, value in os.environ.items() if not key.startswith(("CUSTOMER_VAULT_", "GRPC_"))}


@dataclass(frozen=True, slots=True)
class RunningVault:
    """A vault that answers.

    Attributes:
        home: The folder that `init` made.
        address: `host:port`.
        process: The server's.
    """

    home: Path
    address: str
    process: "subprocess.Popen[str]"

    def run(self, *args: str, stdin: str = "", code: int = 0) -> "subprocess.CompletedProcess[str]":
        """Run `customer-vault ARGS` on this vault, and check the exit code."""
        return command(*args, stdin=stdin, code=code, home=self.home)

    def json(self, *args: str, stdin: str = "", code: int = 0) -> Any:
        """The same with --json: what it printed."""
        return json.loads(self.run(*args, "--json", stdin=stdin, code=code).stdout)

    def caller(self, role: str) -> Path:
        """A caller's folder, as `vault.client` takes it."""
        return self.home / "callers" / role


def command(
    *args: str, stdin: str = "", code: int = 0, home: Path | None = None, cwd: Path | None = None
) -> "subprocess.CompletedProcess[str]":
    """Run `customer-vault ARGS` in a process, and check the exit code."""
    environment = dict(_ENVIRONMENT) | ({"CUSTOMER_VAULT_HOME": str(home)} if home else {})
    done = subprocess.run(
        [*COMMAND, *args],
        input=stdin,
        capture_output=True,
        text=True,
        env=environment,
        cwd=cwd,
        timeout=100,
        check=False,
    )
    assert done.returncode == code, f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr
    return done


def new_id() -> str:
    """A customer id that no other test uses."""
    return f"c-{secrets.token_hex(6)}"


def make_home(folder: Path, *options: str) -> Path:
    """A vault's folder, made by `init`, that listens on a port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    home = folder / "vault"
    command("init", str(home), "--listen", f"127.0.0.1:{port}", "--admin", "127.0.0.1:0", *options)
    return home


@contextmanager
def serving(home: Path, **environment: str) -> Iterator[RunningVault]:
    """Serve a vault until the block ends; then it must stop in order, unless the block ended it."""
    log = (home.parent / f"{home.name}.log").open("w")
    with (
        log,
        subprocess.Popen(
            [*COMMAND, "serve", str(home)],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env=_ENVIRONMENT | environment,
        ) as process,
    ):
        try:
            yield RunningVault(home, _address(process, Path(log.name)), process)
        finally:
            ended = process.poll()
            if ended is None:
                process.send_signal(signal.SIGTERM)
                ended = process.wait(timeout=READY_SECONDS)
                assert ended == 0, Path(log.name).read_text()


def _address(process: "subprocess.Popen[str]", log: Path) -> str:
    """What the ready line says; it comes, or the process ends."""
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith("ready: "), f"the server did not start: {line}\n{log.read_text()}"
    return line.removeprefix("ready: ").strip()


@pytest.fixture(scope="session")
def running_vault(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningVault]:
    """One vault that answers, for all tests of this worker."""
    with serving(make_home(tmp_path_factory.mktemp("running"))) as vault:
        yield vault
