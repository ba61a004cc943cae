"""VisitorService: visits become counts, and reports of them are exact or noisy by role."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.vaults import OpenVault, new_request_id, opened
from vault.audit.entry import parse
from vault.domain.visits import HOUR_MS
from vault.errors import InvalidArgument, PermissionDenied
from vault.service.clock import Doubt
from vault.storage.visits import CountedBy
from vault.v1 import status_pb2 as status
from vault.v1 import visitor_service_pb2 as v1
from vault.v1.retention_service_pb2 import RunRetentionRequest

RECORD = "VisitorService.RecordVisits"
REPORT = "VisitorService.GetTrafficReport"
DOMAIN, PAGE, HOUR = v1.TRAFFIC_GROUPING_DOMAIN, v1.TRAFFIC_GROUPING_PAGE, v1.TRAFFIC_GROUPING_HOUR
WEEK = timedelta(days=7)
DAY_MS = 24 * HOUR_MS
RUN_RETENTION = "RetentionService.RunRetention"


def last_week() -> datetime:
    """The Monday of the newest week that has been over for a day."""
    day = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)
    return day - timedelta(days=day.weekday()) - WEEK


def visit(host: str = "pc7.isp.de", page: str = "/", time: datetime | None = None, count: int = 0) -> v1.Visit:
    """A visit of last week's Tuesday, 10 o'clock, unless told."""
    found = v1.Visit(host=host, page=page, count=count)
    found.time.FromDatetime(time or last_week() + timedelta(days=1, hours=10))
    return found


async def record(vault: OpenVault, *visits: v1.Visit, request_id: str = "") -> v1.RecordVisitsResponse:
    """Send visits."""
    answer: v1.RecordVisitsResponse = await vault.call(
        "storefront", RECORD, v1.RecordVisitsRequest(visits=visits, request_id=request_id)
    )
    return answer


def question(group_by: Any = DOMAIN, start: datetime | None = None, length: timedelta = WEEK) -> Any:
    """About last week unless told."""
    request = v1.GetTrafficReportRequest(group_by=group_by)
    request.start_time.FromDatetime(start or last_week())
    request.end_time.FromDatetime((start or last_week()) + length)
    return request


async def report(vault: OpenVault, role: str, *args: Any) -> v1.GetTrafficReportResponse:
    """Ask for counts."""
    answer: v1.GetTrafficReportResponse = await vault.call(role, REPORT, question(*args))
    return answer


def named(answer: v1.GetTrafficReportResponse) -> dict[str, int]:
    """Groups by name."""
    return {group.name: group.visits for group in answer.groups}


async def test_the_message_of_a_visit_has_no_room_for_who_it_was() -> None:
    """The site "does not collect your e-mail address or [...] what other pages on the Web you have accessed"."""
    assert [f.name for f in v1.Visit.DESCRIPTOR.fields] == ["host", "time", "page", "count"]


async def test_analytics_reads_the_counts_as_they_are(vault: OpenVault) -> None:
    """They are of "your ISP's domain, the time you accessed our web site, and the pages [...] that you visit"."""
    answer = await record(
        vault,
        visit("pc7.isp.de", "/a?q=ann"),
        visit("pc8.isp.de", "/a"),
        visit("192.0.2.7", "/b", count=3),
        visit(page="http://elsewhere.example/"),
        visit(time=datetime(2001, 1, 1, tzinfo=UTC), count=2),
    )
    assert (answer.recorded, answer.refused_page, answer.refused_time) == (5, 1, 2)
    domains = await report(vault, "analytics", DOMAIN)
    assert named(domains) == {"unresolved": 3, "isp.de": 2}
    assert (domains.visits, domains.other, domains.exact) == (5, 0, True)
    assert named(await report(vault, "analytics", PAGE)) == {"/b": 3, "/a": 2}
    assert named(await report(vault, "analytics", HOUR))["10"] == 5


async def test_nothing_else_of_a_visit_is_stored(vault: OpenVault) -> None:
    """Not in the counts, not in the log, in no file."""
    await record(vault, visit("ann-pc.home.isp.de", "/find/ann@example.org?name=ann-example&card=4111111111111111"))
    await vault.vault.close()
    stored = b"".join(path.read_bytes() for path in (vault.home / "data").iterdir())
    assert b"isp.de" in stored
    for word in (b"ann-pc", b"home.isp", b"ann@example", b"ann-example", b"4111111111111111"):
        assert word not in stored


async def test_a_request_that_is_sent_twice_counts_once(vault: OpenVault) -> None:
    """Also at the same moment."""
    request_id = new_request_id()
    answers = await asyncio.gather(*(record(vault, visit(count=7), request_id=request_id) for _ in range(20)))
    assert {answer.recorded for answer in answers} == {7}
    assert (await report(vault, "analytics")).visits == 7


async def test_an_hour_has_a_bounded_number_of_names(vault: OpenVault) -> None:
    """What comes after them is other, and pages that are known go on being counted."""
    for start in (0, 400):
        await record(
            vault, *(visit(page=f"/page-{'x' * (i // 26)}{chr(97 + i % 26)}") for i in range(start, start + 400))
        )
    await record(vault, visit(page="/page-a"), visit(page="/entirely-new"))
    pages = await report(vault, "analytics", PAGE)
    assert len(pages.groups) == 500
    assert (pages.visits, pages.other) == (802, 301)
    assert named(pages)["/page-a"] == 2


async def test_advertisers_see_no_small_group_and_no_exact_count(vault: OpenVault) -> None:
    """They get "aggregate information on our web site's traffic profile": groups under k are part of other."""
    many = [visit(f"pc.isp-{chr(97 + i)}.de", count=100_000) for i in range(8)]
    await record(vault, *many, visit("pc.small.de", count=19))
    told = await report(vault, "advertisers")
    assert (told.exact, told.k, told.epsilon) == (False, 20, "2")
    assert set(named(told)) == {f"isp-{chr(97 + i)}.de" for i in range(8)}
    assert all(abs(count - 100_000) < 100 for count in named(told).values())
    # The chance that all of eight draws are zero is 1 in 87,000.
    assert set(named(told).values()) != {100_000}
    assert abs(told.visits - 800_019) < 100


async def test_the_same_question_has_the_same_answer(vault: OpenVault) -> None:
    """Whoever asks, however often, at once, after a start, after more visits, under another policy."""
    await record(vault, *(visit(f"pc.isp-{chr(97 + i)}.de", count=1000 * (i + 1)) for i in range(8)))
    answers = [a.SerializeToString() for a in await asyncio.gather(*(report(vault, "advertisers") for _ in range(8)))]
    assert len(set(answers)) == 1
    await record(vault, visit("pc.late.de", count=10_000))
    made = [{c.name: c.value for c in parse(e).counts} for e in await vault.entries() if parse(e).action == REPORT]
    assert sum(counts.get("traffic_reports_made", 0) for counts in made) == 1
    await vault.vault.close()
    policy = vault.home / "policy.toml"
    policy.write_text(policy.read_text().replace('epsilon = "2"', 'epsilon = "0.5"'))
    async with opened(vault.home) as again:
        assert (await report(again, "advertisers")).SerializeToString() == answers[0]


@pytest.mark.parametrize("role", ["advertisers", "analytics"])
async def test_a_report_has_no_field_for_a_person(vault: OpenVault, role: str) -> None:
    """Names of groups and numbers."""
    await record(vault, visit(count=1000))
    answer = await report(vault, role, HOUR)
    assert sum(named(answer).values()) > 0
    assert set(named(answer)) <= {f"{hour:02}" for hour in range(24)}


async def test_advertisers_are_told_weeks_that_are_over_and_nothing_else(vault: OpenVault) -> None:
    """Reports of overlapping times would differ by the report of an hour."""
    monday = last_week()
    for start, length in ((monday, timedelta(hours=1)), (monday + timedelta(days=1), WEEK), (monday + 2 * WEEK, WEEK)):
        with pytest.raises(InvalidArgument):
            await vault.call("advertisers", REPORT, question(DOMAIN, start, length))
    with pytest.raises(InvalidArgument, match="400 days"):
        await vault.call("advertisers", REPORT, question(DOMAIN, monday - 60 * WEEK))
    assert (await report(vault, "analytics", HOUR, monday, timedelta(hours=1))).exact
    for length in (timedelta(0), timedelta(days=32), timedelta(minutes=90)):
        with pytest.raises(InvalidArgument, match=r"^end_time: "):
            await vault.call("analytics", REPORT, question(HOUR, monday, length))


@pytest.mark.parametrize("by", [DOMAIN, PAGE])
@pytest.mark.parametrize(("after", "length"), [(0, 1), (1, 24), (0, 25), (12, 12)])
async def test_domains_and_pages_are_told_of_whole_days(vault: OpenVault, by: Any, after: int, length: int) -> None:
    """Of an hour with one visit they would be told together, which is a line of the web server's log.

    Nor do two longer times that are allowed differ by an hour.
    """
    start = last_week() + timedelta(hours=after)
    refused = await vault.refusal("analytics", REPORT, question(by, start, timedelta(hours=length)))
    assert isinstance(refused, InvalidArgument)
    assert refused.field == "end_time"
    assert (await report(vault, "analytics", by, last_week(), timedelta(days=1))).exact


async def test_a_purpose_that_reads_fields_is_none_for_counts(vault: OpenVault) -> None:
    """And there is one purpose for counts."""
    request = question()
    request.purpose = "order_tracking"
    with pytest.raises(PermissionDenied) as refused:
        await vault.call("analytics", REPORT, request)
    assert refused.value.reason == status.REASON_PURPOSE_NOT_ALLOWED
    request.purpose = "traffic_analysis"
    await vault.call("analytics", REPORT, request)


async def test_a_time_that_is_none_is_refused(vault: OpenVault) -> None:
    """In a question, as a whole; in a visit, with its name."""
    request = question()
    request.start_time.seconds = 1 << 60
    with pytest.raises(InvalidArgument):
        await vault.call("analytics", REPORT, request)
    broken = visit()
    broken.time.nanos = -5
    assert (await record(vault, broken, visit(page="/b"))).refused_time == 1


async def test_the_log_says_how_many_visits_and_names_none(vault: OpenVault) -> None:
    """One entry for each call."""
    await record(vault, visit(page="/secret-page", count=3), visit(page="*"))
    (entry,) = [parse(e) for e in await vault.entries() if parse(e).action == RECORD]
    assert {c.name: c.value for c in entry.counts} == {"visits_recorded": 3, "visits_refused": 1}
    assert not entry.records
    assert b"secret-page" not in entry.SerializeToString()


async def test_old_counts_can_be_forgotten(vault: OpenVault) -> None:
    """By hour."""
    await record(vault, visit(), visit(time=datetime.now(UTC)))
    before = int(last_week().timestamp() * 1000 + WEEK.total_seconds() * 1000) // HOUR_MS
    assert await vault.parts.store.forget_visits(before) == 2
    assert (await report(vault, "analytics")).visits == 0
    assert (await report(vault, "analytics", DOMAIN, last_week() + WEEK, timedelta(days=14))).visits == 1


async def test_counts_end_by_themselves(vault: OpenVault) -> None:
    """The sweep removes those of hours past `[retention] visits`, the log says how many, and no other is touched."""
    await vault.vault._upkeep.close()  # its rounds are those of this test
    vault.now_shift = -400 * DAY_MS
    old = datetime.now(UTC) - timedelta(days=400)
    assert (await record(vault, visit(page="/old", time=old))).recorded == 1
    vault.now_shift = 0
    assert (await record(vault, visit())).recorded == 1
    done = await vault.call("operator", RUN_RETENTION, RunRetentionRequest())
    assert done.visit_counts == 2
    assert await vault.parts.store.visits_by_name(CountedBy.PAGE, 0, 1 << 40) == [("/", 1)]
    swept = [parse(e) for e in await vault.entries() if parse(e).action == "Vault.ExpireRecords"]
    assert [{c.name: c.value for c in entry.counts} for entry in swept] == [{"visit_counts": 2}]
    assert (await vault.call("operator", RUN_RETENTION, RunRetentionRequest())).visit_counts == 0


async def test_a_visit_whose_count_would_be_over_is_refused(vault: OpenVault) -> None:
    """It would go with the next sweep, and until then be told."""
    age = timedelta(days=398)  # 13 months are 395 to 397 days
    answer = await record(
        vault, visit(time=datetime.now(UTC) - age), visit(time=datetime.now(UTC) - timedelta(days=390))
    )
    assert (answer.recorded, answer.refused_time) == (1, 1)


async def test_a_week_whose_counts_are_going_is_not_made_up_of_the_rest(vault: OpenVault) -> None:
    """Its epsilon would be spent on half of it; one that was made while it was whole is given on."""
    start = last_week() - 54 * WEEK
    vault.now_shift = int((last_week() - start).total_seconds() * 1000) * -1
    made = await report(vault, "advertisers", DOMAIN, start)
    vault.now_shift = 0
    later = await report(vault, "advertisers", DOMAIN, start)
    assert (later.visits, later.k) == (made.visits, made.k)
    age = datetime.now(UTC) - (start - WEEK)
    vault.now_shift = int((timedelta(days=399) - age).total_seconds() * 1000)
    refused = await vault.refusal("advertisers", REPORT, question(DOMAIN, start - WEEK))
    assert isinstance(refused, InvalidArgument)
    assert refused.field == "start_time"
    assert "still keeps" in str(refused)


async def test_nothing_of_visits_ends_while_the_clock_is_in_doubt(vault: OpenVault) -> None:
    """A clock that runs ahead would take all of it."""
    await record(vault, visit())
    vault.parts.clock.doubt = Doubt.EARLIER
    await vault.vault._upkeep.round()
    assert (await report(vault, "analytics")).visits == 1
