"""What the writer does between groups: settle what is owed, finish erasures, cut deleted keys from the WAL, checkpoint.

Nobody waits for any of it. What fails definitely is tried again later; an I/O error ends the writer as anywhere else.
"""

import contextlib
import time
from collections.abc import Iterator

from vault.errors import OutcomeUnknown, Unavailable
from vault.storage.engine import sqlite3
from vault.storage.sqlite import failures
from vault.storage.sqlite.connection import checkpoint, truncate
from vault.storage.sqlite.stores import Stores

SETTLE_AFTER_S = 0.5
"""How long retired and deleted keys wait for a commit to ride on before they get one of their own."""
CHECKPOINT_BYTES = 4 << 20
"""Of WAL: about a thousand pages, SQLite's own default."""


class House:
    """When what is due."""

    def __init__(self) -> None:
        self._due: float | None = None

    def due(self) -> float | None:
        """The monotonic time at which something must be settled, if anything must."""
        return self._due

    def keep(self, stores: Stores) -> None:
        """After a turn, or when something is due."""
        if stores.written > CHECKPOINT_BYTES:
            with _later():
                checkpoint(stores.data)
                checkpoint(stores.keys)
                stores.written = 0
        if not (stores.owed or stores.destroyed or stores.unfinished):
            self._due = None
        elif self._due is None:
            self._due = time.monotonic() + SETTLE_AFTER_S
        elif time.monotonic() >= self._due:
            self._due = time.monotonic() + SETTLE_AFTER_S
            with stores.waiting(0):  # this can come later
                settle(stores)

    def leave(self, stores: Stores) -> None:
        """Before the files are closed: leave nothing owed, and no WAL."""
        settle(stores)
        with _later():
            truncate(stores.data)
        with _later():
            truncate(stores.keys)
        stores.close()


def settle(stores: Stores) -> None:
    """Commit what is owed, finish erasures, and cut the key store's WAL if keys were deleted."""
    for erasure in list(stores.unfinished.values()):
        with _later():
            erasure(stores)
    with _later():
        if stores.owed:
            with stores.key_transaction():
                pass
        if stores.destroyed:
            truncate(stores.keys)
            stores.destroyed = False


@contextlib.contextmanager
def _later() -> Iterator[None]:
    """Drop an error after which the same can be tried again; raise `Fatal` for one after which it cannot."""
    try:
        yield
    except (Unavailable, OutcomeUnknown):
        pass
    except sqlite3.Error as error:
        verdict = failures.while_writing(error)
        if isinstance(verdict, failures.Fatal):
            raise verdict from None
