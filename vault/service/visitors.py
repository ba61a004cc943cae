"""VisitorService: counts of visits, and what is told of them.

Whoever holds a visit here is nobody's caller: what arrives is reduced before anything else is done with it
(`vault.domain.visits`), and what is committed are counts. A report leaves in one of two ways, and the policy says which
by role: as the counts are, or as the one report of a week that was made for everybody (`vault.domain.traffic`).
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

from google.protobuf.message import DecodeError
from google.protobuf.timestamp_pb2 import Timestamp

from vault.crypto.vault_key import RowName
from vault.domain.audience import Custody
from vault.domain.traffic import WEEK_HOURS, Counts, WeekCounts, by_hour_of_day, other, released, week
from vault.domain.visits import HOUR_MS, OLDEST_HOURS, OTHER, domain_of, hour_of, page_of
from vault.errors import DataLoss, InvalidArgument, PermissionDenied
from vault.keyring.system_rows import SYSTEM
from vault.policy.decide import DENIED
from vault.service.call import Call
from vault.service.entries import Touched, touched_entry
from vault.service.preferences import Preferences
from vault.storage.visits import CountedBy, VisitKey, Visits
from vault.store.v1.system_pb2 import TrafficCount, TrafficRelease
from vault.v1 import status_pb2 as status
from vault.v1 import visitor_service_pb2 as v1

_SLICE = 64
"""Visits between two breaths of the event loop: about a millisecond."""
_MOST_HOURS = 31 * 24
_DAY_MS = 24 * HOUR_MS
_MOST_GROUPS = 1000


class Visitors(Preferences):
    """Counts visits and reports them."""

    async def record_visits(self, call: Call, request: v1.RecordVisitsRequest) -> v1.RecordVisitsResponse:
        """Reduce visits to counts, and add these."""
        repeatable, seen = await self._parts.writer.repeat(call, request, request.request_id)
        if seen is not None:
            return v1.RecordVisitsResponse.FromString(seen)
        response = v1.RecordVisitsResponse()
        counts: Counter[VisitKey] = Counter()
        first = self._parts.policy.retention.visits.first_kept_hour(call.now)
        for at, visit in enumerate(request.visits, 1):
            _count(visit, call.now, first, counts, response)
            if at % _SLICE == 0:
                await asyncio.sleep(0)
        _, replay = await self._parts.journal.commit(
            call,
            (),
            lambda _: response,
            repeatable=repeatable,
            visits=Visits(counts, self._parts.policy.traffic.names_per_hour),
            counts={
                "visits_recorded": response.recorded,
                "visits_refused": response.refused_page + response.refused_time,
            },
        )
        return v1.RecordVisitsResponse.FromString(replay) if replay is not None else response

    async def get_traffic_report(self, call: Call, request: v1.GetTrafficReportRequest) -> v1.GetTrafficReportResponse:
        """Counts of visits, exact or as the week's report has them."""
        purpose = self._purpose(call, request.purpose)
        start, end = _milliseconds(request.start_time, "start_time"), _milliseconds(request.end_time, "end_time")
        rule = self._parts.policy.traffic
        new = False
        if call.caller.roles & rule.exact:
            response = await self._exact(start, end, request.group_by)
        else:
            first = week(start, end, call.now)
            if first < call.now // HOUR_MS - OLDEST_HOURS:
                raise InvalidArgument("start_time", "must be within the last 400 days")
            release, new = await self._release(call, first)
            response = _as_told(release, request.group_by)
        # The first question about a week is what spends its epsilon, so the log says which one it was.
        entry = touched_entry(call, Touched(), purpose=purpose, counts={"traffic_reports_made": 1} if new else None)
        await self._parts.journal.append(call, entry)
        return response

    def _purpose(self, call: Call, purpose: str) -> str:
        """The purpose in nobody's custody under which counts are given out."""
        policy = self._parts.policy
        own = {p for p in policy.purposes_of(call.caller.roles) if policy.purposes[p].custody is Custody.NONE}
        wanted = purpose or next(iter(sorted(own)), "")
        if wanted not in own:
            raise PermissionDenied(status.REASON_PURPOSE_NOT_ALLOWED, DENIED)
        return wanted

    async def _exact(
        self, start: int, end: int, group_by: "v1.TrafficGrouping.ValueType"
    ) -> v1.GetTrafficReportResponse:
        first, last = start // HOUR_MS, end // HOUR_MS
        by_name = group_by != v1.TRAFFIC_GROUPING_HOUR
        unit, word = (_DAY_MS, "day") if by_name else (HOUR_MS, "hour")
        # In an hour with one visit its domain and its page, asked for one after the other, are a line of the web
        # server's log. Windows of whole days do not subtract to an hour.
        if start % unit or end % unit or not 0 < last - first <= _MOST_HOURS:
            rule = f"must be after start_time by 1 {word} to 31 days, both the beginning of a {word} in UTC"
            raise InvalidArgument("end_time", rule)
        store = self._parts.store
        groups: Counts
        if not by_name:
            groups = by_hour_of_day(await store.visits_by_hour(first, last))
        else:
            by = CountedBy.PAGE if group_by == v1.TRAFFIC_GROUPING_PAGE else CountedBy.DOMAIN
            groups = await store.visits_by_name(by, first, last)
        visits = sum(count for _, count in groups)
        named = [group for group in groups if group[0] != OTHER][:_MOST_GROUPS]
        return _report(named, visits, exact=True)

    async def _release(self, call: Call, first: int) -> tuple[TrafficRelease, bool]:
        """The report of a week, and whether it was made just now."""
        rows = self._parts.keyring.rows
        name = f"traffic-reports/{datetime.fromtimestamp(first * 3600, UTC).date().isoformat()}"
        found = await rows.get(SYSTEM, name)
        new = False
        if found is None:
            if first < self._parts.policy.retention.visits.first_kept_hour(call.now):
                # What is left of it would be told as if it were all, and its epsilon spent on that.
                raise InvalidArgument("start_time", "must be of a week whose counts the policy still keeps")
            made = await self._make(call, first)
            # Whoever asks at the same moment rolls too; only one of them is kept, and both are given that one.
            row = (RowName(SYSTEM, name, 1), made.SerializeToString(deterministic=True))
            new = bool(await rows.add([row], ignore_existing=True))
            found = await rows.get(SYSTEM, name)
        try:
            return TrafficRelease.FromString(found[1] if found else b"\xff"), new
        except DecodeError:
            raise DataLoss("the report of this week does not open; restore the key store") from None

    async def _make(self, call: Call, first: int) -> TrafficRelease:
        store, rule, end = self._parts.store, self._parts.policy.traffic, first + WEEK_HOURS
        hours = by_hour_of_day(await store.visits_by_hour(first, end))
        true = WeekCounts(
            sum(visits for _, visits in hours),
            await store.visits_by_name(CountedBy.DOMAIN, first, end),
            await store.visits_by_name(CountedBy.PAGE, first, end),
            hours,
        )
        # Some draws for each of at most 168 * 500 names: not on the event loop.
        told = await asyncio.to_thread(released, true, rule.k, rule.epsilon)
        return TrafficRelease(
            release_time=call.now,
            epsilon=rule.epsilon_text,
            k=rule.k,
            visits=told.visits,
            domains=_kept(told.domains),
            pages=_kept(told.pages),
            hours=_kept(told.hours),
        )


def _count(visit: v1.Visit, now: int, first: int, counts: Counter[VisitKey], response: v1.RecordVisitsResponse) -> None:
    """Add one visit of an hour that is kept; nothing of it outlives this function but its domain, hour and page."""
    number = visit.count or 1
    try:
        page = page_of(visit.page)
        hour = hour_of(_milliseconds(visit.time, "time"), now)
    except InvalidArgument as error:
        if error.field == "page":
            response.refused_page += number
        else:
            response.refused_time += number
        return
    if hour < first:
        response.refused_time += number
        return
    counts[VisitKey(CountedBy.DOMAIN, hour, domain_of(visit.host))] += number
    counts[VisitKey(CountedBy.PAGE, hour, page)] += number
    response.recorded += number


def _milliseconds(time: Timestamp, field: str) -> int:
    try:
        return time.ToMilliseconds()
    except (ValueError, OverflowError):
        raise InvalidArgument(field, "must be a time") from None


def _as_told(release: TrafficRelease, group_by: "v1.TrafficGrouping.ValueType") -> v1.GetTrafficReportResponse:
    groups = {
        v1.TRAFFIC_GROUPING_DOMAIN: release.domains,
        v1.TRAFFIC_GROUPING_PAGE: release.pages,
        v1.TRAFFIC_GROUPING_HOUR: release.hours,
    }[group_by]
    named = [(group.name, group.visits) for group in groups]
    response = _report(named, release.visits, exact=False)
    response.k, response.epsilon = release.k, release.epsilon
    return response


def _report(named: Counts, visits: int, *, exact: bool) -> v1.GetTrafficReportResponse:
    groups = [v1.TrafficGroup(name=name, visits=count) for name, count in named]
    return v1.GetTrafficReportResponse(groups=groups, other=other(visits, named), visits=visits, exact=exact)


def _kept(counts: Counts) -> Sequence[TrafficCount]:
    return [TrafficCount(name=name, visits=visits) for name, visits in counts[:_MOST_GROUPS]]
