"""A vault in a temporary folder, and the processes of a run.

The vault is made by `init` and served by `serve`, as a user's is: default policy, mTLS, and a log that is on the disk
before an answer leaves. Its folder is where temporary files go (TMPDIR); if that is memory and no disk, writes cost
nothing there, so the run says how long the disk takes to sync.
"""

import json
import os
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

from vault.cli.bench.child import Child
from vault.cli.deployment.create import Wish, create
from vault.cli.deployment.layout import Address, Layout
from vault.pki import spiffe

_SYNCS: Final = 20
_UNLIMITED: Final = """
[limits.callers."{}"]
records_per_second = 10_000_000
burst = 10_000_000
concurrent = 1_000
"""
"""What a run asks for is what the vault can do, which is many times what the shipped policy lets one caller do."""


@dataclass(frozen=True, slots=True)
class Place:
    """What a run works with."""

    home: Path
    vault: Child
    empty: Child
    bare: Child
    load: Sequence[Child]
    addresses: Mapping[str, str]
    """Of the vault, of the empty method, and of the same without TLS (`plain`)."""
    customers: int
    sync_ms: float
    """Median time of a write of 4 KiB that is on the disk."""

    @property
    def folder(self) -> Path:
        """Where everything is; it goes when the run ends."""
        return self.home.parent

    def start(self, name: str, module: str, *arguments: str) -> Child:
        """One more process, which the caller ends; what it says goes to a file of this name."""
        return Child(module, *arguments, log=self.folder / f"{name}.log")


@contextmanager
def prepared(customers: int, load_processes: int) -> Iterator[Place]:
    """Make a vault, start everything, store the customers; in the end all of it is gone.

    Raises:
        Unavailable: a process did not start.
    """
    with tempfile.TemporaryDirectory(prefix="customer-vault-bench-") as folder, ExitStack() as stack:
        home = new_home(Path(folder) / "vault")

        def start(name: str, module: str, *arguments: str) -> Child:
            return stack.enter_context(Child(module, *arguments, log=Path(folder) / f"{name}.log"))

        vault = start("vault", "vault.cli", "serve", str(home), "--json")
        empty = start("empty", "vault.cli.bench.empty", str(home))
        addresses = {"vault": vault.answer()["ready"], **empty.answer()["ready"]}
        load = [
            start(f"load-{number}", "vault.cli.bench.load", *callers(home, addresses, number, customers))
            for number in range(load_processes)
        ]
        load[0].ask(do="fill")
        bare = start("bare", "vault.cli.bench.bare", str(home), folder, str(customers))
        yield Place(home, vault, empty, bare, load, addresses, customers, _sync_ms(Path(folder) / "sync"))


def new_home(home: Path) -> Path:
    """A vault's folder, as `init` makes it, for a server on a port that is free."""
    made = create(home, Wish(spiffe.parse_trust_domain("vault.example"), Address("127.0.0.1", 0)))
    with Layout(home).policy.open("a", encoding="utf-8") as policy:
        policy.writelines(_UNLIMITED.format(caller.spiffe_id) for caller in made.callers)
    return home


def callers(home: Path, addresses: Mapping[str, str], number: int, customers: int) -> tuple[str, ...]:
    """The arguments of a process of callers."""
    return str(home), json.dumps(dict(addresses)), str(number), str(customers)


def _sync_ms(path: Path) -> float:
    taken = []
    with path.open("wb", buffering=0) as file:
        for _ in range(_SYNCS):
            began = time.perf_counter()
            file.write(bytes(4096))
            os.fsync(file.fileno())
            taken.append((time.perf_counter() - began) * 1000)
    return round(median(taken), 2)
