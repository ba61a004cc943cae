"""Facts that changed while a call was under way: an answer must not leave that rests on what was true before.

A batch of a thousand contacts takes a while, and consent may be withdrawn meanwhile. "Effective on the next read" would
be a poor promise if a read that began a moment earlier could still answer for seconds. So the log's order decides: in
the log, no read that was allowed stands behind the change that forbids it.

How: whoever changes the facts of an owner (or a disclosure order) marks its name in `changing`, which is called inside
of the log's transaction, where entries get their order. A read takes `now()` before it fetches, and asks `stale` in its
own transaction, at the moment when its entry would get its place. If something that it rests on was changed since, the
entry is not written, nothing leaves, and the read is done again with the new facts. Usually it costs one comparison.

A change that is in the transaction and not yet durable cannot be read, so `now()` is the last moment before all that
are not settled. Marks are forgotten beyond `KEPT`; who began before the oldest one that is left starts again.

This is one process's memory. It is enough as long as one process writes a data store, which SQLite demands; a driver
for several needs the same comparison in its database.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterable
from typing import Final

KEPT: Final = 4096
ANY_ORDER: Final = "orders"
"""Marked by every change of every order of disclosure: what destroys must know of those that are new, too."""


class StaleError(Exception):
    """Never leaves a read: what a read rests on was changed before its entry had its place; it is done again."""


class Freshness:
    """Which owners' facts were changed, and in which order; called from the loop's and the writer's thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0
        self._changed: OrderedDict[str, int] = OrderedDict()
        self._unsettled: set[int] = set()
        """Changes that may not be durable yet."""
        self._forgotten = 0
        """The newest change that was forgotten."""

    def now(self) -> int:
        """The moment from which on a read must know of changes; to be taken before it fetches."""
        with self._lock:
            return min(self._unsettled) - 1 if self._unsettled else self._count

    def changing(self, name: str) -> int:
        """Note a change; called where the log's entries get their order.

        Returns:
            What to call `settled` with.
        """
        with self._lock:
            self._count += 1
            self._changed[name] = self._count
            self._changed.move_to_end(name)
            self._unsettled.add(self._count)
            if len(self._changed) > KEPT:
                _, self._forgotten = self._changed.popitem(last=False)
            return self._count

    def settled(self, changes: Iterable[int]) -> None:
        """Note that changes are durable, or were given up: from now on they can be read."""
        with self._lock:
            self._unsettled.difference_update(changes)

    def stale(self, since: int, names: Iterable[str]) -> bool:
        """Whether one of these was changed since a moment."""
        if self._count == since:  # read without the lock: a change that is about to be noted stands behind in the log
            return False
        with self._lock:
            if since < self._forgotten:
                return True
            return any(self._changed.get(name, 0) > since for name in names)
