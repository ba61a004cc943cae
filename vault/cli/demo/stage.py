"""The place where the demo plays, and what one step leaves for the next."""

import json
import shutil
import socket
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vault.cli.demo import customers
from vault.cli.demo.customers import Row, Table
from vault.cli.demo.screen import NotSo
from vault.cli.demo.server import Server, command
from vault.cli.deployment.layout import Layout

_COMMAND_S = 60


@dataclass(frozen=True, slots=True)
class Loot:
    """Copies of both stores and of the root key: what somebody has who took the vault's whole disk."""

    data: Path
    keys: Path
    root_key: Path


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command printed."""

    exit_code: int
    document: Mapping[str, Any]
    text: str
    """All of it, standard error included."""


@dataclass(slots=True)
class Stage:
    """One run of the demo."""

    folder: Path
    table: Table = field(default_factory=customers.make)
    address: str = ""
    """Where the server is to listen."""
    server: Server | None = None
    card: str = ""
    """Record name of the card that the storefront adds."""
    loot: Loot | None = None
    """What the thief took while everybody was still there."""

    @property
    def home(self) -> Path:
        """The vault's folder."""
        return self.folder / "vault"

    @property
    def one(self) -> Row:
        """The customer whom the demo follows."""
        return self.table.good[42]

    def steal(self, name: str) -> Loot:
        """Copy the files as they are on the disk at this moment.

        Raises:
            NotSo: no server runs: a step that comes before is missing.
        """
        if self.server is None:
            raise NotSo("the server runs")
        at, to = Layout(self.home), self.folder / name
        loot = Loot(to / at.data.name, to / at.keys.name, to / at.root_key.name)
        to.mkdir(mode=0o700)
        with self.server.frozen():
            shutil.copy(at.root_key, loot.root_key)
            for store in (at.data, at.keys):
                # What is committed stands in the file or in its write-ahead log.
                for part in store.parent.glob(f"{store.name}*"):
                    if part.name in {store.name, f"{store.name}-wal"}:
                        shutil.copy(part, to / part.name)
        return loot


def run(*arguments: str | Path) -> Answer:
    """Run a `customer-vault` command with --json, as a user would without.

    Raises:
        NotSo: it did not end in time, or printed something else than JSON.
    """
    try:
        done = subprocess.run(  # noqa: S603 - our own command
            command(*arguments, "--json"), capture_output=True, text=True, check=False, timeout=_COMMAND_S
        )
        return Answer(done.returncode, json.loads(done.stdout or done.stderr), done.stdout + done.stderr)
    except (subprocess.TimeoutExpired, ValueError):
        raise NotSo(f"customer-vault {arguments[0]} answers") from None


def free_address() -> str:
    """A port of this machine that is free at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"
