"""The web site's traffic: the storefront's side, which counts visits, and that of those who look at the counts."""

from collections.abc import Sequence
from datetime import datetime

from vault.client.base import VaultClient
from vault.client.chosen_ids import checked
from vault.v1 import visitor_service_pb2 as v1


class VisitCounter(VaultClient):
    """Counts visits."""

    async def record_visits(self, visits: Sequence[v1.Visit], *, request_id: str = "") -> v1.RecordVisitsResponse:
        """Count visits of the web site, at most 1,000 in a call.

        Args:
            visits: each with host name, time and page. What of them may be kept, the vault cuts out; it is better not
                sent at all (`vault.domain.visits`).
            request_id: a UUID: the call repeated with it counts once, for 24 hours; the SDK's own if empty.

        Returns:
            How many were counted, and how many refused because of their page or their time.
        """
        request = v1.RecordVisitsRequest(visits=visits, request_id=checked(request_id))
        return await self._connection.call(self._connection.visitors.RecordVisits, request)


class TrafficClient(VaultClient):
    """Looks at counts: analytics as they are, advertisers as the report of a week."""

    async def get_traffic_report(
        self, start: datetime, end: datetime, group_by: "v1.TrafficGrouping.ValueType", *, purpose: str = ""
    ) -> v1.GetTrafficReportResponse:
        """How many visits there were.

        Args:
            start: with its time zone; a whole hour; for domains and pages 00:00 UTC, for advertisers that of a Monday.
            end: not included.
            group_by: `TRAFFIC_GROUPING_DOMAIN`, `_PAGE` or `_HOUR`.
            purpose: may be left out.

        Raises:
            InvalidArgument: the times are none that may be asked for.
        """
        request = v1.GetTrafficReportRequest(purpose=purpose, group_by=group_by)
        request.start_time.FromDatetime(start)
        request.end_time.FromDatetime(end)
        return await self._connection.call(self._connection.visitors.GetTrafficReport, request)
