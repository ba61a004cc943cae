"""What has come to its end is destroyed; what is not over, held, or does not open is not."""

import asyncio
import sqlite3
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pytest

from tests.service.test_kinds import HOUR_MS, call_now, preferences, read, write
from tests.vaults import OpenVault
from vault.audit.entry import parse
from vault.domain import names
from vault.domain.names import CustomerId, RecordName
from vault.errors import DataLoss, FailedPrecondition, InvalidArgument, PermissionDenied
from vault.service.call import Call
from vault.service.clock import Doubt
from vault.service.drafts import Draft
from vault.service.kinds import CUSTOMER_LOG, PREFERENCES
from vault.service.opening import Opened
from vault.service.retention import ACTION, AT_ONCE, NoHolds
from vault.storage.expiring import FIRST
from vault.v1 import records_pb2 as records
from vault.v1 import retention_service_pb2 as v1

RUN = "RetentionService.RunRetention"


def name(at: int) -> RecordName:
    """A visitor's preferences."""
    return names.preferences_name(names.VisitorId(f"{at:032x}"))


def draft(at: int, ends_in: int) -> Draft:
    """Preferences that end in so many milliseconds."""
    made = preferences(expires_at=call_now().now + ends_in)
    made.name = name(at)
    return made


async def run(vault: OpenVault, role: str = "operator", **asked: Any) -> v1.RunRetentionResponse:
    """Have the sweep done."""
    answer: v1.RunRetentionResponse = await vault.call(role, RUN, v1.RunRetentionRequest(**asked))
    return answer


async def there(vault: OpenVault, *wanted: RecordName) -> set[RecordName]:
    """Those whose rows are there."""
    return set(await vault.parts.store.fetch(wanted))


async def keyed(vault: OpenVault, wanted: RecordName) -> int:
    """Keys of a record, live or retired."""
    with sqlite3.connect(f"file:{vault.home / 'keys' / 'keys.db'}?mode=ro", uri=True) as store:
        found: int = store.execute("SELECT count(*) FROM key_places WHERE record_name = ?", (wanted,)).fetchone()[0]
    return found


async def alter(vault: OpenVault, sql: str, *values: Any) -> None:
    """Write in the database, as who has broken in does."""
    store: Any = vault.parts.store
    await store._writer.run(lambda stores: stores.data.execute(sql, values).rowcount)


async def test_what_is_over_goes_with_its_key_and_what_is_not_stays(vault: OpenVault) -> None:
    """One millisecond decides, and the log says which records went, by their digests."""
    await vault.create()
    log = names.log_name(CustomerId("42"), "2025-01")
    month = Draft(log, CUSTOMER_LOG, records.CustomerLog(log_entries=records.LogLines()), 0, expires_at=1)
    await write(vault, draft(1, -1), draft(2, HOUR_MS), month)
    answer = await run(vault)
    assert (answer.removed, answer.held, answer.kept, answer.unreadable) == (2, 0, 0, 0)
    assert await there(vault, name(1), name(2), log) == {name(2)}
    assert (await keyed(vault, name(1)), await keyed(vault, name(2))) == (0, 1)
    swept, asked = [parse(entry) for entry in (await vault.entries())[-2:]]
    assert (swept.action, sorted(swept.records)) == (ACTION, ["logs/2025-01", "preferences"])
    assert all(len(digest) == 32 for digest in swept.replaced)
    assert (asked.action, {c.name: c.value for c in asked.counts}) == (RUN, {"removed": 2})
    customer = names.customer_name(CustomerId("42"))
    opened = (await vault.parts.records.open([customer], call_now().now))[customer]
    assert isinstance(opened, Opened)
    assert opened.record.unprotected[2:18] in swept.subjects
    assert (await vault.get_contact()).name


async def test_the_upkeep_sweeps(vault: OpenVault) -> None:
    """At start and every hour, without being asked."""
    await write(vault, draft(1, -1))
    await vault.vault._upkeep.round()
    assert not await there(vault, name(1))


@pytest.mark.parametrize("column", ["expires_at", "stored"])
async def test_what_does_not_open_is_reported_once_and_left(vault: OpenVault, column: str) -> None:
    """To write an end into a row destroys nothing: the end that counts is under the lock."""
    await write(vault, draft(1, HOUR_MS), draft(2, -1))
    await alter(vault, f"UPDATE records SET expires_at = 1 WHERE record_name = '{name(1)}'")  # noqa: S608
    if column == "stored":
        await alter(vault, "UPDATE records SET stored = zeroblob(200) WHERE record_name = ?", name(1))
    answer = await run(vault)
    assert (answer.removed, answer.unreadable) == (1, 1)
    answer = await run(vault)
    assert (answer.removed, answer.unreadable) == (0, 1)
    assert await there(vault, name(1)) == {name(1)}
    assert await keyed(vault, name(1)) == 1
    reports = [e for e in map(parse, await vault.entries()) if e.action == ACTION and not e.replaced]
    assert [(list(r.records), {c.name: c.value for c in r.counts}) for r in reports] == [
        (["preferences"], {"unreadable": 1})
    ]
    assert isinstance(await read(vault, PREFERENCES, name(1), "storefront", "site_personalization"), DataLoss)


async def test_a_record_that_was_written_again_stays(vault: OpenVault) -> None:
    """Its end has moved on: the version that the sweep opened is not there any more."""
    await write(vault, draft(1, -1))
    sweep = vault.parts.retention
    found = (await vault.parts.records.open([name(1)], call_now().now, expired=True))[name(1)]
    assert isinstance(found, Opened)
    again = draft(1, HOUR_MS)
    again.replaces = found
    await write(vault, again)
    call = Call(call_now().caller, ACTION, call_now().now)
    assert await sweep._remove(call, [found], await sweep.holds.moment()) == []
    assert await there(vault, name(1)) == {name(1)}


class Orders(NoHolds):
    """Of which one covers a record."""

    def __init__(self, *covered: RecordName) -> None:
        self.covered = dict.fromkeys(covered, "order-1")

    async def held(self, records: Sequence[RecordName], _now: int) -> Mapping[RecordName, str]:
        """Those covered."""
        return {name: order for name, order in self.covered.items() if name in records}


async def test_what_an_order_covers_is_held_until_it_ends(vault: OpenVault) -> None:
    """And is read by nobody meanwhile, who has no order."""
    await write(vault, draft(1, -1), draft(2, -1))
    vault.parts.retention.holds = Orders(name(1))
    answer = await run(vault)
    assert (answer.removed, answer.held) == (1, 1)
    assert await there(vault, name(1), name(2)) == {name(1)}
    vault.parts.retention.holds = Orders()
    assert (await run(vault)).removed == 1


class Keeper:
    """A kind that keeps one record, and hears of those that went."""

    def __init__(self, *kept: RecordName) -> None:
        self.kept = kept
        self.heard: list[RecordName] = []

    async def stay(self, _call: Call, records: Sequence[Opened]) -> Collection[RecordName]:
        """Those to keep; only records of the kind are asked about."""
        assert all(o.locked.record_name.endswith("/preferences") for o in records)
        return self.kept

    async def gone(self, _call: Call, records: Sequence[RecordName]) -> None:
        """Told."""
        self.heard += records


async def test_a_kind_has_a_word_and_hears_what_went(vault: OpenVault) -> None:
    """As mail does, that goes back to its sender first."""
    keeper = Keeper(name(1))
    vault.parts.retention.register("preferences", keeper)
    vault.parts.retention.register("messages", Keeper())
    await write(vault, draft(1, -1), draft(2, -1))
    answer = await run(vault)
    assert (answer.removed, answer.kept) == (1, 1)
    assert keeper.heard == [name(2)]


async def test_a_sweep_is_done_in_parts_and_goes_on_after_what_stays(vault: OpenVault) -> None:
    """However many records are held, those behind them are reached; and the counts add up."""
    many = 2 * AT_ONCE + 5
    for start in range(0, many, 50):
        await write(vault, *(draft(at, -1) for at in range(start, min(start + 50, many))))
    vault.parts.retention.holds = Orders(*map(name, range(AT_ONCE + 1)))
    pages: list[tuple[int, int]] = []
    token = ""
    while not pages or token:
        answer = await run(vault, page_size=1, page_token=token)
        token = answer.next_page_token
        assert len(pages) < 10
        pages.append((answer.removed, answer.held))
    assert len(pages) == 3
    assert [sum(column) for column in zip(*pages, strict=True)] == [AT_ONCE + 4, AT_ONCE + 1]


async def test_the_operator_cannot_read_a_page_token_nor_make_one(vault: OpenVault) -> None:
    """It names a record, and an operator reads no names."""
    await write(vault, *(draft(at, -1) for at in range(AT_ONCE + 1)))
    vault.parts.retention.holds = Orders(*map(name, range(AT_ONCE + 1)))
    token = (await run(vault, page_size=100)).next_page_token
    assert token
    assert "visitors" not in token
    for other in ("x", "dmlzaXRvcnM=", token[:-4] + "AAA="):
        error = await vault.refusal("operator", RUN, v1.RunRetentionRequest(page_token=other))
        assert isinstance(error, InvalidArgument)
        assert error.field == "page_token"


async def test_nothing_is_destroyed_while_the_clock_is_in_doubt(vault: OpenVault) -> None:
    """To a clock that runs ahead everything is over; who asks is told what to do."""
    await write(vault, draft(1, -1))
    vault.parts.clock.doubt = Doubt.EARLIER
    error = await vault.refusal("operator", RUN, v1.RunRetentionRequest())
    assert isinstance(error, FailedPrecondition)
    assert "clock confirm" in str(error)
    await vault.vault._upkeep.round()
    assert await there(vault, name(1)) == {name(1)}


async def test_only_the_operator_may_ask(vault: OpenVault) -> None:
    """Not even the privacy officer: it is a job of running the vault."""
    error = await vault.refusal("officer", RUN, v1.RunRetentionRequest())
    assert isinstance(error, PermissionDenied)


async def test_calls_are_served_while_it_sweeps(vault: OpenVault) -> None:
    """A read that comes in the middle is answered before the sweep is over."""
    await vault.create()
    for start in range(0, 5 * AT_ONCE, 100):
        await write(vault, *(draft(at, -1) for at in range(start, start + 100)))
    sweeping = asyncio.ensure_future(run(vault))
    await asyncio.sleep(0)
    assert (await vault.get_contact()).name
    assert not sweeping.done()
    assert (await sweeping).removed == 5 * AT_ONCE


async def test_a_customer_who_does_not_open_keeps_nothing_alive(vault: OpenVault) -> None:
    """The pseudonym is lost then, and the entry has another."""
    await vault.create()
    log = names.log_name(CustomerId("42"), "2025-01")
    await write(vault, Draft(log, CUSTOMER_LOG, records.CustomerLog(log_entries=records.LogLines()), 0, expires_at=1))
    await alter(vault, "UPDATE records SET stored = zeroblob(99) WHERE record_name = ?", "customers/42")
    assert (await run(vault)).removed == 1


async def test_rows_without_an_end_are_never_looked_at(vault: OpenVault) -> None:
    """Most have none."""
    await vault.create()
    far = time.time_ns()
    assert await vault.parts.store.expired(far, FIRST, 10) == []
