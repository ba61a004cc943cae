"""A process: the same rows, fetched and opened (or sealed and stored) in a loop, without policy or network.

Two loops for each case, both with the storage's own statements and the functions of `vault.crypto`:

- **strict**: only the rows that were asked for. What the service takes longer is what its promises cost.
- **floor**: all that the design makes a call do and no change of ours can remove. For a read: the customer's own
  record, which holds the facts that decide, its key, and the log entry, durable in a group commit that as many calls
  share as there are callers. For a write: the rows sealed and locked, their keys, the entry and the request's id,
  durable in the same way. Together with an empty call it is the time under which no call can get.
"""

import asyncio
import json
import sys
from itertools import islice
from pathlib import Path

from vault.cli.bench import case as cases
from vault.cli.bench import people
from vault.cli.bench.bare_reads import ReadLoop, open_keys
from vault.cli.bench.bare_writes import WriteLoop
from vault.cli.bench.case import Reads, Writes
from vault.cli.bench.child import say
from vault.cli.bench.commits import GroupCommits
from vault.cli.deployment.layout import Layout
from vault.domain.names import RecordName
from vault.policy import load as policy_file
from vault.service.settings import Settings
from vault.storage.sqlite.reader import Reader


class Bare:
    """The loops of this process, each prepared once."""

    def __init__(self, home: Layout, commits: GroupCommits, customers: int) -> None:
        """Beside a vault with so many customers."""
        settings = Settings.load(home.config)
        self._reader = Reader(settings.storage.data, settings.storage.keys)
        self._keyring = asyncio.run(open_keys(self._reader, settings))
        audiences = {f.field: f.audience for f in policy_file.load(settings.vault.policy).fields.values()}
        self._commits = commits
        self._writes = WriteLoop(commits, audiences)
        # In the order in which the cases ask.
        order = islice(people.scattered(customers), people.different(customers))
        self._order = [people.customer_id(number) for number in order]
        self._loops: dict[str, ReadLoop] = {}

    def run(self, name: str, seconds: float) -> dict[str, float]:
        """Both loops of a case: strict items and floor calls, in a second; 0 where there is no such loop."""
        case = cases.calls(name)
        match case.bare:
            case Reads() as what:
                if name not in self._loops:
                    names = [RecordName(f"customers/{customer}/{what.suffix}") for customer in self._order]
                    making = ReadLoop.make(self._reader, self._keyring, self._commits, what, names, case.items)
                    self._loops[name] = asyncio.run(making)
                loop = self._loops[name]
                return {"items_per_s": loop.strict(seconds / 2), "floor_per_s": loop.floor(seconds / 2)}
            case None:
                return {"items_per_s": 0.0, "floor_per_s": 0.0}
            case Writes():
                return {"items_per_s": 0.0, "floor_per_s": self._writes.floor(seconds)}

    def load(self, rows: int, batch: int) -> dict[str, float]:
        """Store so many customers, so many in a commit, as an import does; customers in a second."""
        return {"items_per_s": self._writes.load(rows, batch)}


def _main(home: str, scratch: str, customers: str) -> None:
    folder = Path(scratch)
    with GroupCommits(folder / "bare-data.db", folder / "bare-keys.db") as commits:
        bare = Bare(Layout(Path(home)), commits, int(customers))
        for line in sys.stdin:
            command = json.loads(line)
            if command["do"] == "load":
                say(bare.load(command["rows"], command["batch"]))
            else:
                say(bare.run(command["case"], command["seconds"]))


if __name__ == "__main__":
    _main(*sys.argv[1:])
