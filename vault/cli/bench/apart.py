"""A process: a service that calls the vault with the SDK, as a case needs one.

What it does stands in the case's own file, in a class `Apart`, so that both sides of a case are read together. A client
is made once and used by all commands, as a service would.
"""

import asyncio
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import uvloop

from vault.cli.bench import case as cases
from vault.cli.bench.child import say
from vault.cli.bench.place import Place
from vault.cli.deployment.layout import Layout
from vault.client import settings
from vault.client.settings import Settings


class Worker(Protocol):
    """What a case has as `Apart`; made inside of a running event loop."""

    async def do(self, command: dict[str, Any]) -> dict[str, Any]:
        """Do what the coordinator says."""


class Desk:
    """What a worker is given: where the vault is, and what its callers hold."""

    def __init__(self, home: Path, target: str) -> None:
        self.home = home
        self._target = target

    def settings(self, role: str) -> Settings:
        """A caller's settings, for the address at which this vault listens."""
        return replace(settings.load(Layout(self.home).caller(role)), target=self._target)


def arguments(name: str, at: Place) -> tuple[str, ...]:
    """Of such a process, for a case, beside the run's own vault."""
    return "vault.cli.bench.apart", name, str(at.home), at.addresses["vault"]


async def _serve(name: str, desk: Desk) -> None:
    worker: Worker = cases.module(name).Apart(desk)
    while line := await asyncio.to_thread(sys.stdin.readline):
        say(await worker.do(json.loads(line)))


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(sys.argv[1], Desk(Path(sys.argv[2]), sys.argv[3])))
