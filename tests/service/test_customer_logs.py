"""The log of a customer: lines are added and never changed, and each month ends as a whole."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from tests.vaults import OpenVault, new_request_id
from vault.audit.entry import parse
from vault.errors import DataLoss, FailedPrecondition, InvalidArgument, NotFound, PermissionDenied
from vault.service.customer_logs import month_of
from vault.v1 import account_service_pb2 as v1
from vault.v1 import records_pb2 as records
from vault.v1 import retention_service_pb2 as retention

APPEND, LIST = "AccountService.AppendLogEntries", "AccountService.ListLogEntries"
DAY_MS = 24 * 3_600_000
NOW = time.time_ns() // 1_000_000


def line(text: str, at: int | None = None) -> records.LogLine:
    """A line, of a time if one is given."""
    made = records.LogLine(text=text)
    if at is not None:
        made.time.FromMilliseconds(at)
    return made


async def append(vault: OpenVault, *lines: records.LogLine, role: str = "care", **asked: Any) -> list[str]:
    """Add lines; the months that they went to."""
    request = v1.AppendLogEntriesRequest(customer_id="42", lines=lines, **asked)
    answer: v1.AppendLogEntriesResponse = await vault.call(role, APPEND, request)
    return list(answer.record_names)


async def page(vault: OpenVault, start: int | None = None, end: int | None = None, **asked: Any) -> Any:
    """One page of the log, as care."""
    request = v1.ListLogEntriesRequest(customer_id="42", purpose="account_service", **asked)
    if start is not None:
        request.start_time.FromMilliseconds(start)
    if end is not None:
        request.end_time.FromMilliseconds(end)
    return await vault.call("care", LIST, request)


async def texts(vault: OpenVault, start: int | None = None, end: int | None = None) -> list[str]:
    """All of it."""
    return [each.text for each in (await page(vault, start, end)).lines]


def months_ago(months: int) -> int:
    """The middle of an earlier month."""
    today = datetime.now(UTC)
    back = today.year * 12 + today.month - 1 - months
    return int(datetime(back // 12, back % 12 + 1, 15, tzinfo=UTC).timestamp()) * 1000


async def test_lines_are_added_and_listed_in_order(vault: OpenVault) -> None:
    """By care and by provisioning, in one log, oldest first."""
    await vault.create()
    assert await append(vault, line("called"), line("asked for fibre")) == [f"customers/42/logs/{month_of(NOW)}"]
    await append(vault, line("line measured"), role="provisioning")
    await append(vault, line("earlier", NOW - 60_000))
    assert await texts(vault) == ["earlier", "called", "asked for fibre", "line measured"]


async def test_lines_of_one_request_go_to_their_months(vault: OpenVault) -> None:
    """In one transaction, each month a record of its own with its own end."""
    await vault.create()
    written = await append(vault, line("now"), line("old", months_ago(3)), line("older", months_ago(5)))
    assert [name[-7:] for name in written] == [month_of(months_ago(n)) for n in (5, 3, 0)]
    assert await texts(vault) == ["older", "old", "now"]
    rows = [row for _, row in sorted((await vault.parts.store.fetch(written)).items())]  # type: ignore[arg-type]
    ends = [row.expires_at for row in rows]
    assert ends == sorted(set(ends))
    kept = vault.parts.policy.retention.customer_logs
    first = datetime.fromtimestamp(months_ago(4) / 1000, UTC).replace(day=1)
    assert ends[0] == kept.after(int(first.timestamp()) * 1000)


async def test_writers_at_the_same_time_lose_nothing(vault: OpenVault) -> None:
    """Forty at once, of two roles: each line is there, once."""
    await vault.create()
    await asyncio.gather(
        *(append(vault, line(f"line {at}"), role=("care", "provisioning")[at % 2]) for at in range(40))
    )
    assert sorted(await texts(vault)) == sorted(f"line {at}" for at in range(40))


async def test_a_request_id_adds_its_lines_once(vault: OpenVault) -> None:
    """Also when it comes twenty times at once."""
    await vault.create()
    request_id = new_request_id()
    answers = await asyncio.gather(*(append(vault, line("once"), request_id=request_id) for _ in range(20)))
    assert len({tuple(answer) for answer in answers}) == 1
    assert await texts(vault) == ["once"]


async def test_a_time_is_listed_from_its_beginning_to_before_its_end(vault: OpenVault) -> None:
    """The start is included, the end is not; months outside are not even opened."""
    await vault.create()
    at = [months_ago(4), months_ago(2), months_ago(2) + 1, months_ago(1)]
    await append(vault, *(line(f"line {n}", moment) for n, moment in enumerate(at)))
    assert await texts(vault, start=at[1], end=at[2]) == ["line 1"]
    assert await texts(vault, start=at[2]) == ["line 2", "line 3"]
    assert await texts(vault, end=at[1]) == ["line 0"]
    await texts(vault, start=at[1], end=at[2])
    assert list(parse((await vault.entries())[-1]).records) == [f"logs/{month_of(at[1])}"]


async def test_pages_go_on_where_they_ended_whatever_is_added(vault: OpenVault) -> None:
    """No line twice and none left out, of those that were there; lines of one moment in their order."""
    await vault.create()
    moment = months_ago(1)
    await append(vault, *(line(f"line {at}", moment) for at in range(5)), line("last", months_ago(0) - 1))
    seen: list[str] = []
    token = ""
    while not seen or token:
        answer = await page(vault, page_size=2, page_token=token)
        seen += [each.text for each in answer.lines]
        token = answer.next_page_token
        await append(vault, line("before", moment - 1))
        assert len(seen) < 20
    assert seen == ["line 0", "line 1", "line 2", "line 3", "line 4", "last"]


@pytest.mark.parametrize("token", ["x", "NDIgMCAw", "AQ=="])
async def test_a_token_of_ones_own_making_is_refused(vault: OpenVault, token: str) -> None:
    """It is sealed."""
    await vault.create()
    request = v1.ListLogEntriesRequest(customer_id="42", purpose="account_service", page_token=token)
    error = await vault.refusal("care", LIST, request)
    assert isinstance(error, InvalidArgument)
    assert error.field == "page_token"


async def test_a_token_is_good_for_its_customer_alone(vault: OpenVault) -> None:
    """And refused for another."""
    await vault.create()
    await vault.create("43")
    await append(vault, line("a"), line("b"))
    token = (await page(vault, page_size=1)).next_page_token
    request = v1.ListLogEntriesRequest(customer_id="43", purpose="account_service", page_token=token)
    assert isinstance(await vault.refusal("care", LIST, request), InvalidArgument)


async def test_a_month_ends_as_a_whole(vault: OpenVault) -> None:
    """When the policy's time is over it is read by nobody, and the sweep destroys its key; later months stay."""
    await vault.create()
    vault.now_shift = months_ago(13) - NOW
    (old,) = await append(vault, line("of last year"))
    vault.now_shift = 0
    await append(vault, line("of now"))
    assert await texts(vault) == ["of last year", "of now"]
    vault.now_shift = 62 * DAY_MS
    assert await texts(vault) == ["of now"]
    swept = await vault.parts.retention.sweep(NOW + 62 * DAY_MS)
    assert swept.removed == 1
    assert not await vault.parts.store.fetch([old])  # type: ignore[list-item]
    vault.now_shift = 0
    assert await texts(vault) == ["of now"]
    assert (await vault.call("operator", "RetentionService.RunRetention", retention.RunRetentionRequest())).removed == 0


TIMES = {
    "ahead": NOW + 3_600_000,
    "over already": months_ago(16),
}


@pytest.mark.parametrize("what", TIMES)
async def test_a_time_that_is_not_kept_is_refused(vault: OpenVault, what: str) -> None:
    """A line ahead of time, and one that would be over before it is written."""
    await vault.create()
    request = v1.AppendLogEntriesRequest(customer_id="42", lines=[line("good"), line("bad", TIMES[what])])
    error = await vault.refusal("care", APPEND, request)
    assert isinstance(error, InvalidArgument)
    assert error.field == "lines[1].time"
    assert await texts(vault) == []


BAD = {
    "a card number": (records.LogLine(text="paid with 4111 1111 1111 1111"), "lines[0].text"),
    "nothing": (records.LogLine(), "lines[0].text"),
    "a line break": (records.LogLine(text="two\nlines"), "lines[0].text"),
    "too much": (records.LogLine(text="x" * 1025), "lines[0].text"),
    "no time of a calendar": (records.LogLine(text="x", time=Timestamp(seconds=1 << 50)), "lines[0].time"),
    "a time before 1970": (records.LogLine(text="x", time=Timestamp(seconds=-1)), "lines[0].time"),
}


@pytest.mark.parametrize("what", BAD)
async def test_bad_lines_are_refused_and_nothing_is_stored(vault: OpenVault, what: str) -> None:
    """By the name of the field; the text is not echoed."""
    bad, field = BAD[what]
    await vault.create()
    error = await vault.refusal("care", APPEND, v1.AppendLogEntriesRequest(customer_id="42", lines=[bad]))
    assert isinstance(error, InvalidArgument)
    assert error.field == field
    assert "4111" not in str(error)
    assert await texts(vault) == []


@pytest.mark.parametrize("count", [0, 101])
async def test_a_request_has_one_to_a_hundred_lines(vault: OpenVault, count: int) -> None:
    """More are sent in more requests."""
    await vault.create()
    request = v1.AppendLogEntriesRequest(customer_id="42", lines=[line("x")] * count)
    assert isinstance(await vault.refusal("care", APPEND, request), InvalidArgument)


async def test_a_full_month_says_so(vault: OpenVault, monkeypatch: pytest.MonkeyPatch) -> None:
    """And keeps what it has."""
    monkeypatch.setattr("vault.service.customer_logs.MOST_BYTES", 100)
    await vault.create()
    await append(vault, line("x" * 60))
    request = v1.AppendLogEntriesRequest(customer_id="42", lines=[line("y" * 60)])
    assert isinstance(await vault.refusal("care", APPEND, request), FailedPrecondition)
    assert await texts(vault) == ["x" * 60]
    await append(vault, line("z" * 60, months_ago(1)))
    assert await texts(vault) == ["z" * 60, "x" * 60]


async def test_an_unknown_customer_has_no_log(vault: OpenVault) -> None:
    """To add to or to list; both are in the log of the vault."""
    request = v1.AppendLogEntriesRequest(customer_id="42", lines=[line("x")])
    assert isinstance(await vault.refusal("care", APPEND, request), NotFound)
    asked = v1.ListLogEntriesRequest(customer_id="42", purpose="account_service")
    assert isinstance(await vault.refusal("care", LIST, asked), NotFound)
    assert [parse(entry).action for entry in (await vault.entries())[-2:]] == [APPEND, LIST]


async def test_an_empty_log_is_empty(vault: OpenVault) -> None:
    """And its reading is in the vault's log all the same."""
    await vault.create()
    assert await texts(vault) == []
    assert parse((await vault.entries())[-1]).action == LIST


@pytest.mark.parametrize("role", ["storefront", "billing", "notices", "officer", "operator"])
async def test_no_other_role_adds_or_lists(vault: OpenVault, role: str) -> None:
    """The policy's table of methods."""
    request = v1.AppendLogEntriesRequest(customer_id="42", lines=[line("x")])
    assert isinstance(await vault.refusal(role, APPEND, request), PermissionDenied)
    assert isinstance(await vault.refusal(role, LIST, v1.ListLogEntriesRequest(customer_id="42")), PermissionDenied)


async def test_a_month_that_does_not_open_is_named_and_the_others_are_listed(vault: OpenVault) -> None:
    """To add to it is refused: what was would be lost. A row that is no month is nobody's."""
    await vault.create()
    (lost, _) = await append(vault, line("lost", months_ago(1)), line("here"))
    store: Any = vault.parts.store
    for sql in (
        f"UPDATE records SET stored = zeroblob(200) WHERE record_name = '{lost}'",  # noqa: S608
        "INSERT INTO records VALUES ('customers/42', 'customers/42/logs/never', zeroblob(16), 1, 1, 0, zeroblob(9))",
    ):
        await store._writer.run(lambda stores, sql=sql: stores.data.execute(sql).rowcount)
    answer = await page(vault)
    assert [each.text for each in answer.lines] == ["here"]
    assert list(answer.unreadable) == [lost]
    request = v1.AppendLogEntriesRequest(customer_id="42", lines=[line("more", months_ago(1))])
    assert isinstance(await vault.refusal("care", APPEND, request), DataLoss)


async def test_large_months_are_read_one_after_the_other(vault: OpenVault, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a list of a year never has the year in memory: an entry for each part."""
    await vault.create()
    await append(vault, *(line("x" * 900, months_ago(at)) for at in range(3)))
    monkeypatch.setattr("vault.service.customer_logs.MOST_BYTES", 1000)
    before = len(await vault.entries())
    assert len(await texts(vault)) == 3
    assert len(await vault.entries()) == before + 3
