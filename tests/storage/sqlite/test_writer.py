"""How works share commits: one turn at a time, handed over by the loop, in order."""

import asyncio
from collections.abc import Sequence

import pytest

from tests.storage.conftest import SqliteDriver
from tests.storage.values import LOG, entries, item, name, owner, put, work
from vault.storage.port import Result, Work
from vault.storage.sqlite import group, thread
from vault.storage.sqlite.group import commit
from vault.storage.sqlite.plan import Facts, Plan, decide
from vault.storage.sqlite.stores import Stores


async def test_works_of_one_moment_share_a_commit(sqlite: SqliteDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many callers wait, up to the size of a group."""
    sizes: list[int] = []

    def counting(stores: Stores, works: Sequence[Work]) -> Plan:
        sizes.append(len(works))
        return commit(stores, works)

    monkeypatch.setattr(group, "commit", counting)
    store = await sqlite.open()
    await asyncio.gather(*[store.commit(work()) for _ in range(300)])
    assert sizes == [128, 128, 44]
    await store.close()


async def test_other_jobs_keep_their_place_among_works(sqlite: SqliteDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was asked for first is done first."""
    monkeypatch.setattr(thread, "MOST_WORKS", 3)
    store = await sqlite.open()

    async def entry(text: bytes) -> None:
        await store.commit(work(finish=lambda _: (text, None)))

    erasing = store.erase(owner(1), 1, LOG, lambda *_: b"erasure")
    await asyncio.gather(*[entry(b"%d" % i) for i in range(5)], erasing, *[entry(b"%d" % i) for i in range(5, 8)])
    assert await entries(store) == [b"0", b"1", b"2", b"3", b"4", b"erasure", b"5", b"6", b"7"]
    await store.close()


async def test_reads_cost_one_statement_a_group(sqlite: SqliteDriver) -> None:
    """Works that only make an entry: no transaction around it, and nothing in the key store."""
    store = await sqlite.open()
    executed: list[str] = []
    await store.commit(work())
    await store._writer.run(lambda stores: stores.data.set_trace_callback(executed.append))
    await store._writer.run(lambda stores: stores.keys.set_trace_callback(executed.append))
    await asyncio.gather(*[store.commit(work()) for _ in range(32)])
    assert len(executed) == 1
    assert executed[0].startswith("INSERT INTO log_entries")
    await store.close()


def test_a_plan_holds_only_the_net_result() -> None:
    """Ten versions of a record in one group are one row to write, ten keys, and nine to retire."""
    versions = [put(name(1))]
    for version in range(2, 11):
        versions.append(put(name(1), versions[-1].row.key_id, version=version))
    plan = decide([work(item(each)) for each in versions], Facts({}, {}, ()), {LOG: 5})
    assert [outcome.results for outcome in plan.outcomes] == [(Result.DONE,)] * 10  # type: ignore[union-attr]
    assert plan.changes.rows == {name(1): versions[-1].row}
    assert plan.changes.puts == versions
    assert len(plan.changes.retirements()) == 9
    assert [index for _, index, _, _ in plan.entries] == list(range(5, 15))
    assert plan.log_sizes == {LOG: 15}


def test_a_plan_forgets_a_work_without_an_entry() -> None:
    """The next one finds the place as it was."""

    def fails(_: tuple[Result, ...]) -> tuple[bytes, bytes | None]:
        raise LookupError

    bad, good = work(item(put(name(1))), finish=fails), work(item(put(name(1))))
    plan = decide([bad, good], Facts({}, {}, ()), {})
    assert isinstance(plan.outcomes[0], LookupError)
    assert plan.changes.puts == list(good.items[0].puts)
    assert plan.log_sizes == {LOG: 1}
