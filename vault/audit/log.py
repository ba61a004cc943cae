"""One log of this process: its tree, its lease and its signed checkpoints.

Entries become durable in the commits of the calls that they describe; this module never writes one. Once a second it
reads what has become durable since, extends the tree, signs a checkpoint and stores it. So hashing is off the path of a
call, and a checkpoint can only cover durable entries. It is stored before it is shown: whatever a caller has seen is
there after a crash, and a store that was put back to an older copy cannot serve a newer checkpoint.

A start recomputes the tree from the stored entries and compares it with the newest signed root, so a process never
extends a log that was altered behind its back. The lease makes sure that one process signs a log. It guards against
two servers with one slot, not against an attacker: were two to write, the store would still number their entries in
one sequence, and both would sign roots of the same tree.

When checkpoints cannot be stored, the next second tries again; `check` refuses calls once that has lasted. What cannot
be repaired from here (the lease lost, entries that shrink) goes to `fatal`, and the process is expected to exit.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol

from vault.audit.tree import Prover, Tree
from vault.crypto.merkle import leaf_hash
from vault.crypto.note import Checkpoint, LogKey, open_checkpoint, sign_checkpoint
from vault.errors import DataLoss, OpenError, OperatorError, Unavailable

INTERVAL_S = 0.9
"""Between checkpoints; the rest of the promised second is for the work itself."""
LEASE_MS = 10_000
RENEW_MS = 3_000
LATE_S = 15.0
"""How long checkpoints may fail before calls are refused."""
_PAGE = 1024
"""Entries hashed in one go, about a millisecond; between pages the loop breathes."""
_WAIT_S = 0.2


class LogStore(Protocol):
    """The bytes of logs, as this module needs them; storage has the rules."""

    async def acquire_log(self, log_id: str, holder: str, now: int, lease_ms: int) -> bool:
        """Take or renew the lease of one writer; False if another holder's lease has not run out."""

    async def log_size(self, log_id: str) -> int:
        """Durable entries of a log."""

    async def log_entries(self, log_id: str, start: int, limit: int) -> Sequence[tuple[int, bytes]]:
        """(index, entry) ascending from `start`."""

    async def add_checkpoint(self, log_id: str, size: int, note: str) -> None:
        """Keep a signed checkpoint, durable on return."""

    async def newest_checkpoint(self, log_id: str) -> tuple[int, str] | None:
        """(size, signed note)."""


def origin_of(vault_name: str, log_id: str) -> str:
    """The name that a log signs under: `vault.example/log/0`."""
    return f"{vault_name}/log/{log_id}"


def wall_clock() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


class AuditLog:
    """The log of one slot; `start` before the first call is served, `close` after the last."""

    newest: bytes
    """The newest signed checkpoint that is stored: what every response carries. Set by `start`."""
    proofs: Prover
    """Proofs about any size up to `signed`."""

    def __init__(
        self,
        store: LogStore,
        log_id: str,
        origin: str,
        key: LogKey,
        holder: str,
        *,
        fatal: Callable[[Exception], None],
        now: Callable[[], int] = wall_clock,
    ) -> None:
        """Nothing is read or written yet.

        Args:
            store: where the log's bytes are.
            log_id: the slot, stable across restarts.
            origin: as `origin_of`.
            key: this log's signing key.
            holder: who takes the lease. A process that comes back under the same name need not wait for its old lease;
                only a store that admits one process may be given a constant.
            fatal: called once with what this process cannot go on after.
            now: milliseconds since 1970, for the lease.
        """
        self.log_id = log_id
        self.origin = origin
        self.public_key = key.public_key
        self.newest = b""
        self._store = store
        self._key = key
        self._holder = holder
        self._fatal = fatal
        self._now = now
        self._tree = Tree()
        self.proofs = Prover(store, log_id, self._tree)
        self._signed = -1
        self._renew_at = 0
        self._failing_since: float | None = None
        self.current_at = time.monotonic()
        """Monotonic time at which a stored checkpoint was last found to cover all durable entries."""
        self._dead = False
        self._stop = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self, witnessed: Checkpoint | None = None) -> None:
        """Take the lease, check the stored log against its newest checkpoint, and keep signing from here on.

        Args:
            witnessed: a checkpoint of this log that was kept elsewhere; the stored log must have it in its tree.

        Raises:
            Unavailable: another process keeps the lease.
            DataLoss: the stored entries are not those that were signed.
        """
        await self._take_lease()
        try:
            await self._rebuild()
            if witnessed is not None:
                await self._check(witnessed)
            await self._advance()
        except BaseException:
            await self._release()
            raise
        self._task = asyncio.create_task(self._run(), name=f"audit log {self.log_id}")

    async def close(self) -> None:
        """Sign what has become durable, and give the lease back."""
        self._stop.set()
        if self._task is None:
            return
        await self._task
        self._task = None
        if self._dead:
            return
        # A store that fails now has all entries; the next start signs them.
        with suppress(OperatorError):
            await self._advance()
        await self._release()

    @property
    def signed(self) -> int:
        """Entries that the newest checkpoint covers."""
        return self._signed

    def check(self) -> None:
        """Refuse to serve when entries pile up unsigned.

        Raises:
            Unavailable: checkpoints have failed for 15 seconds.
        """
        if self._failing_since is not None and time.monotonic() - self._failing_since > LATE_S:
            raise Unavailable("the log cannot be signed: see why its checkpoints are not stored")

    async def _take_lease(self) -> None:
        """A process that was killed leaves its lease to run out; that is worth waiting for, once."""
        give_up = self._now() + LEASE_MS + RENEW_MS
        while not await self._renew():
            if self._now() > give_up:
                raise Unavailable(f"log {self.log_id}: another process holds it; stop that one, or use another log_id")
            await asyncio.sleep(_WAIT_S)

    async def _renew(self) -> bool:
        now = self._now()
        held = await self._store.acquire_log(self.log_id, self._holder, now, LEASE_MS)
        self._renew_at = now + RENEW_MS
        return held

    async def _release(self) -> None:
        """A lease without length is a lease given back; if that fails, it runs out by itself."""
        with suppress(OperatorError):
            await self._store.acquire_log(self.log_id, self._holder, self._now(), 0)

    async def _rebuild(self) -> None:
        """Recompute the tree up to the newest checkpoint, which must be this log's and true."""
        stored = await self._store.newest_checkpoint(self.log_id)
        if stored is None:
            # The first start signs the empty log before any entry can be written.
            if await self._store.log_size(self.log_id):
                raise DataLoss(f"log {self.log_id}: {_UNSIGNED}")
            return
        size, note = stored
        try:
            signed = open_checkpoint(note, self.origin, self.public_key)
        except OpenError:
            signed = None
        if signed is None or signed.size != size:
            raise DataLoss(f"log {self.log_id}: {_NOT_OURS}")
        if await self._store.log_size(self.log_id) < size:
            raise DataLoss(f"log {self.log_id}: {_TOO_SHORT}")
        await self._grow(size)
        if self._tree.root() != signed.root:
            raise DataLoss(f"log {self.log_id}: {_ALTERED}")
        self._signed, self.newest = size, note.encode()

    async def _check(self, witnessed: Checkpoint) -> None:
        """Nothing is signed over a log that is not the one that was seen: it would be a second history."""
        size = await self._store.log_size(self.log_id)
        if size < witnessed.size:
            why = f"the witness has seen {witnessed.size} entries, and {size} are stored: {_PUT_BACK}"
            raise DataLoss(f"log {self.log_id}: {why}")
        await self._grow(witnessed.size)
        if await self.proofs.root_at(witnessed.size) != witnessed.root:
            raise DataLoss(f"log {self.log_id}: of {witnessed.size} entries the witness has seen others; {_VERIFY}")

    async def _grow(self, size: int) -> None:
        """Extend the tree with stored entries until it has `size` of them."""
        while (start := self._tree.size) < size:
            page = await self._store.log_entries(self.log_id, start, min(_PAGE, size - start))
            if not page or any(index != start + i for i, (index, _) in enumerate(page)):
                raise DataLoss(f"log {self.log_id}: {_GAP}")
            self._tree.extend([leaf_hash(entry) for _, entry in page])
            await asyncio.sleep(0)

    async def _advance(self) -> None:
        """Sign and store a checkpoint over all durable entries, if there are more than the newest one covers."""
        size = await self._store.log_size(self.log_id)
        if size < self._tree.size:
            raise DataLoss(f"log {self.log_id}: {_TOO_SHORT}")
        await self._grow(size)
        if size == self._signed:
            return
        note = sign_checkpoint(Checkpoint(self.origin, size, self._tree.root()), self._key)
        await self._store.add_checkpoint(self.log_id, size, note)
        self._signed, self.newest = size, note.encode()

    async def _run(self) -> None:
        """The task: one round an interval, until `close`."""
        while not await self._stopped_within(INTERVAL_S):
            try:
                if self._now() >= self._renew_at and not await self._renew():
                    self._die(Unavailable(f"log {self.log_id}: {_LEASE_LOST}"))
                    return
                await self._advance()
            except OperatorError:
                # The store cannot work now (a full disk, a lost connection): keep what is signed and try again.
                self._failing_since = self._failing_since or time.monotonic()
            except Exception as error:  # noqa: BLE001 - whatever it is, a log that stops being signed must not go unseen
                self._die(error)
                return
            else:
                self._failing_since = None
                self.current_at = time.monotonic()

    def _die(self, error: Exception) -> None:
        """Sign nothing more, and have the process end."""
        self._dead = True
        self._fatal(error)

    async def _stopped_within(self, seconds: float) -> bool:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stop.wait(), seconds)
        return self._stop.is_set()


_VERIFY = "run `customer-vault audit verify`, which names the first bad entry, before anything is served"
_NOT_OURS = f"its newest checkpoint is not signed by its key under its origin; {_VERIFY}"
_UNSIGNED = f"it has entries and no checkpoint: its checkpoints were taken away; {_VERIFY}"
_TOO_SHORT = f"fewer entries are stored than were signed: the data store is an older copy, or was cut; {_VERIFY}"
_ALTERED = f"the stored entries are not those that were signed; {_VERIFY}"
_PUT_BACK = (
    "the stores are older copies, or were cut; put back newer ones, or if there are none, go on in a new log: "
    "customer-vault restore DIR --cut"
)
_GAP = f"an entry is missing; {_VERIFY}"
_LEASE_LOST = "another process took its lease: this one was stopped for too long, or two use the same log_id"
