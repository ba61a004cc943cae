"""Group commits without a server: the storage's own, in a thread, one group behind the loop that makes them.

This is the least that durability costs: while one group is on its way to the disk, the next one is made, and as many
share a commit as there could ever be callers. The files are new ones beside the vault's, on the same disk.
"""

import os
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from vault.storage.port import Work
from vault.storage.sqlite import group, startup
from vault.storage.sqlite.house import House
from vault.storage.sqlite.stores import Stores

LOG_ID: Final = "log-0"


class GroupCommits:
    """Two stores of somebody's own; a context manager."""

    def __init__(self, data: Path, keys: Path) -> None:
        """Open them, or make them if they are not there."""
        if not data.exists():
            startup.create(data, keys, os.urandom(startup.VAULT_ID_SIZE))
        self._thread = ThreadPoolExecutor(1, "bench-commits")
        self._stores: Stores = self._thread.submit(startup.open_stores, data, keys).result()
        self._house = House()
        self._under_way: Future[None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.finish()
        self._thread.submit(self._house.leave, self._stores).result()
        self._thread.shutdown()

    def add(self, works: Sequence[Work]) -> None:
        """Commit these as one group, once the group before is durable."""
        self.finish()
        self._under_way = self._thread.submit(self._commit, works)

    def finish(self) -> None:
        """Wait until all is durable."""
        if self._under_way is not None:
            self._under_way.result()
            self._under_way = None

    def _commit(self, works: Sequence[Work]) -> None:
        for outcome in group.commit(self._stores, works).outcomes:
            if isinstance(outcome, Exception):
                raise outcome
        # As the server's writer does: or the bare loop would read from a log that only grows.
        self._house.keep(self._stores)
