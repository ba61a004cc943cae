"""The log of a process: what it signs, when it refuses to start, and how it lives with a store that fails."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from tests.audit.fakes import KEY, ORIGIN, OTHER_KEY, FakeLogStore, make_entry
from vault.audit import log as module
from vault.audit.log import AuditLog, origin_of
from vault.crypto.merkle import EMPTY_ROOT, RootHash, leaf_hash, root_of
from vault.crypto.note import Checkpoint, open_checkpoint, sign_checkpoint
from vault.errors import DataLoss, ResourceExhausted, Unavailable


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hundredths of a second instead of seconds."""
    monkeypatch.setattr(module, "INTERVAL_S", 0.01)
    monkeypatch.setattr(module, "_WAIT_S", 0.001)


class Clock:
    """Milliseconds that pass when told, and a little at each reading."""

    def __init__(self) -> None:
        self.time = 1_000_000
        self.step = 0

    def __call__(self) -> int:
        """Read it."""
        self.time += self.step
        return self.time


class Process:
    """A log with what it told its process."""

    def __init__(self, store: FakeLogStore, holder: str = "a", clock: Clock | None = None) -> None:
        self.deaths: list[Exception] = []
        self.clock = clock or Clock()
        self.log = AuditLog(store, "0", ORIGIN, KEY, holder, fatal=self.deaths.append, now=self.clock)


@asynccontextmanager
async def running(process: Process) -> AsyncIterator[AuditLog]:
    """Started, and closed in any case."""
    await process.log.start()
    try:
        yield process.log
    finally:
        await process.log.close()


async def until(condition: Callable[[], object]) -> None:
    """Wait for it; the test's own time limit is the last word."""
    while not condition():  # noqa: ASYNC110 - the condition is on plain values
        await asyncio.sleep(0.005)


def true_checkpoint(store: FakeLogStore, size: int) -> Checkpoint:
    """Of the first entries, computed anew."""
    return Checkpoint(ORIGIN, size, root_of(leaf_hash(entry) for _, entry in store.entries[:size]))


def sign(store: FakeLogStore, size: int) -> None:
    """Store a true checkpoint."""
    store.checkpoints.append((size, sign_checkpoint(true_checkpoint(store, size), KEY)))


def test_an_origin_names_the_vault_and_the_log() -> None:
    """As the SDK pins it."""
    assert origin_of("vault.example", "0") == ORIGIN


async def test_a_new_log_starts_with_a_checkpoint_of_nothing() -> None:
    """So the first response carries one."""
    store = FakeLogStore()
    async with running(Process(store)) as log:
        assert open_checkpoint(log.newest, ORIGIN, log.public_key) == Checkpoint(ORIGIN, 0, EMPTY_ROOT)
        assert store.checkpoints == [(0, log.newest.decode())]


async def test_entries_are_signed_while_they_arrive() -> None:
    """Each interval covers what has become durable, and the checkpoints are consistent."""
    store = FakeLogStore()
    async with running(Process(store)) as log:
        for burst in (1, 7, 1030, 2):
            before = log.newest
            store.append(*(make_entry(i) for i in range(burst)))
            await until(lambda before=before: log.newest != before)  # type: ignore[misc]
    assert store.checkpoints[-1][0] == 1040
    for size, note in store.checkpoints:
        assert open_checkpoint(note, ORIGIN, KEY.public_key) == true_checkpoint(store, size)


async def test_an_idle_log_signs_nothing() -> None:
    """Nor does it read entries."""
    store = FakeLogStore([make_entry(0)])
    sign(store, 1)
    async with running(Process(store)):
        reads, count = store.reads, len(store.checkpoints)
        await asyncio.sleep(0.1)
        assert (store.reads, len(store.checkpoints)) == (reads, count)


async def test_closing_signs_what_is_left_and_gives_the_lease_back() -> None:
    """The next process need not wait."""
    store, clock = FakeLogStore(), Clock()
    process = Process(store, "a", clock)
    await process.log.start()
    store.append(make_entry(0))
    await process.log.close()
    assert store.checkpoints[-1][0] == 1
    async with running(Process(store, "b", clock)):
        assert store.lease is not None
        assert store.lease[0] == "b"
    await process.log.close()  # again: nothing to do


async def test_a_restart_goes_on_from_the_newest_checkpoint() -> None:
    """Entries behind it are signed before the first call; the same size is not signed again."""
    store = FakeLogStore([make_entry(i) for i in range(2500)])
    sign(store, 2100)
    async with running(Process(store)) as log:
        assert open_checkpoint(log.newest, ORIGIN, KEY.public_key) == true_checkpoint(store, 2500)
    note = store.checkpoints[-1]
    async with running(Process(store)) as log:
        assert log.newest == note[1].encode()
    assert [size for size, _ in store.checkpoints] == [2100, 2500]


async def test_the_loop_breathes_while_a_long_log_is_read() -> None:
    """Other tasks run between the pages."""
    store, turns = FakeLogStore([make_entry(0)] * 20_000), 0
    sign(store, 20_000)

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    async with running(Process(store)):
        assert turns >= 20_000 // 1024
    task.cancel()


def edit(store: FakeLogStore) -> None:
    """Change an old entry."""
    store.entries[3] = (3, make_entry(99))


def cut(store: FakeLogStore) -> None:
    """Remove the newest entries."""
    del store.entries[5:]


def delete(store: FakeLogStore) -> None:
    """Remove one in the middle."""
    del store.entries[3]
    store.append(make_entry(99))


def forge(store: FakeLogStore) -> None:
    """Sign with another key."""
    store.checkpoints = [(8, sign_checkpoint(true_checkpoint(store, 8), OTHER_KEY))]


def fork(store: FakeLogStore) -> None:
    """Sign another tree with the right key."""
    store.checkpoints = [(8, sign_checkpoint(Checkpoint(ORIGIN, 8, RootHash(bytes(32))), KEY))]


def mislabel(store: FakeLogStore) -> None:
    """Put a true checkpoint in the place of another."""
    store.checkpoints = [(8, sign_checkpoint(true_checkpoint(store, 7), KEY))]


@pytest.mark.parametrize("tamper", [edit, cut, delete, forge, fork, mislabel])
async def test_a_process_never_extends_a_log_that_was_altered(tamper: Callable[[FakeLogStore], None]) -> None:
    """It says which command to run, signs nothing, and leaves the lease to the next start."""
    store = FakeLogStore([make_entry(i) for i in range(8)])
    sign(store, 8)
    tamper(store)
    checkpoints = list(store.checkpoints)
    with pytest.raises(DataLoss, match=r"log 0: .*customer-vault audit verify"):
        await Process(store).log.start()
    assert store.checkpoints == checkpoints
    assert await store.acquire_log("0", "next", Clock().time, 1)


async def test_entries_without_any_checkpoint_are_refused() -> None:
    """The first start signs the empty log, so they were signed, and the checkpoints were taken away."""
    process = Process(FakeLogStore([make_entry(0)]))
    with pytest.raises(DataLoss, match="no checkpoint"):
        await process.log.start()


async def test_a_running_log_notices_that_entries_shrink() -> None:
    """It dies rather than sign less than before."""
    store = FakeLogStore([make_entry(i) for i in range(8)])
    sign(store, 8)
    process = Process(store)
    async with running(process):
        cut(store)
        await until(lambda: process.deaths)
    assert isinstance(process.deaths[0], DataLoss)
    assert [size for size, _ in store.checkpoints] == [8]


async def test_a_running_log_notices_a_gap() -> None:
    """The indices of new entries must follow."""
    store = FakeLogStore()
    process = Process(store)
    async with running(process):
        store.entries = [(1, make_entry(1))]
        await until(lambda: process.deaths)
    assert isinstance(process.deaths[0], DataLoss)


async def test_a_second_process_does_not_sign_the_same_log() -> None:
    """It waits for the lease to run out once, then says so."""
    store, clock = FakeLogStore(), Clock()
    async with running(Process(store, "a", clock)):
        late = Process(store, "b", Clock())
        late.clock.step = 500
        store.lease = ("a", late.clock.time + 10**9)
        with pytest.raises(Unavailable, match="another process"):
            await late.log.start()


async def test_the_lease_of_a_killed_process_runs_out() -> None:
    """The next start waits for it."""
    store, clock = FakeLogStore(), Clock()
    store.lease = ("killed", clock.time + module.LEASE_MS)
    clock.step = 500
    async with running(Process(store, "b", clock)):
        assert store.lease[0] == "b"


async def test_the_lease_is_renewed_in_time() -> None:
    """Before it runs out, and not at every round."""
    store = FakeLogStore()
    process = Process(store)
    async with running(process):
        first = store.lease
        await asyncio.sleep(0.05)
        assert store.lease == first
        process.clock.time += module.RENEW_MS
        await until(lambda: store.lease != first)


async def test_a_process_that_lost_its_lease_signs_nothing_more() -> None:
    """It was stopped for too long, and another one took over."""
    store = FakeLogStore()
    process = Process(store)
    async with running(process):
        process.clock.time += 2 * module.LEASE_MS
        store.lease = ("b", process.clock.time + module.LEASE_MS)
        await until(lambda: process.deaths)
        store.append(make_entry(0))
    assert isinstance(process.deaths[0], Unavailable)
    assert [size for size, _ in store.checkpoints] == [0]
    assert store.lease[0] == "b"


async def test_a_store_that_fails_for_a_while_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is signed stays; calls are refused only when it lasts; then all goes on by itself."""
    store = FakeLogStore()
    process = Process(store)
    async with running(process) as log:
        newest = log.newest
        store.append(make_entry(0))
        store.failure = ResourceExhausted("the disk is full")
        await until(lambda: log._failing_since)
        log.check()
        monkeypatch.setattr(module, "LATE_S", 0.0)
        with pytest.raises(Unavailable):
            log.check()
        assert log.newest == newest
        store.failure = None
        await until(lambda: log.newest != newest)
        await until(lambda: log._failing_since is None)
        log.check()
    assert process.deaths == []


async def test_closing_over_a_broken_store_does_not_raise() -> None:
    """The entries are durable; the next start signs them."""
    store = FakeLogStore()
    process = Process(store)
    await process.log.start()
    store.failure = Unavailable("gone")
    await process.log.close()


async def test_a_mistake_in_the_task_ends_the_process() -> None:
    """A log that stops being signed must not go unseen."""
    store = FakeLogStore()
    process = Process(store)
    async with running(process):
        store.failure = RuntimeError("a bug")
        await until(lambda: process.deaths)
        store.failure = None
    assert isinstance(process.deaths[0], RuntimeError)


async def test_a_log_that_never_started_can_be_closed() -> None:
    """Nothing was taken."""
    store = FakeLogStore()
    await Process(store).log.close()
    assert store.lease is None


def test_the_lease_counts_in_milliseconds_since_1970() -> None:
    """As every time that is stored."""
    assert abs(module.wall_clock() / 1000 - time.time()) < 5
