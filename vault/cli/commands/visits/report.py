"""Show how many visits there were, by domain, page or hour of the day."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import click

from vault.cli import options, output, profile
from vault.client.traffic import TrafficClient
from vault.v1 import visitor_service_pb2 as v1

_BY: Final = {
    "domain": v1.TRAFFIC_GROUPING_DOMAIN,
    "page": v1.TRAFFIC_GROUPING_PAGE,
    "hour": v1.TRAFFIC_GROUPING_HOUR,
}
_DAY: Final = click.DateTime(["%Y-%m-%d"])


@click.command()
@click.option("--by", type=click.Choice(list(_BY)), default="domain", show_default=True, help="What to count by.")
@click.option(
    "--since", type=_DAY, help="The first day, UTC (default: Monday of the newest week that is over for a day)."
)
@click.option("--days", type=click.IntRange(1, 31), default=7, show_default=True, help="How many days.")
@options.client_options
def command(by: str, since: datetime | None, days: int, home: Path, role: str | None) -> None:
    """Show counts of visits: as they are for analytics, as which this is called unless --as names another role.

    Advertisers (--as advertisers) get the report of a week, Monday to Sunday, once it has been over for a day: without
    small groups, and with noise that hides any one visit. It is made once; asking again gives the same numbers.

    Example:
      customer-vault visits report --by page
      customer-vault visits report --as advertisers --since 2026-11-16
    """
    start = since.replace(tzinfo=UTC) if since else _newest_week()
    report = profile.run(
        home,
        role or "analytics",
        TrafficClient,
        lambda vault: vault.get_traffic_report(start, start + timedelta(days=days), _BY[by]),
    )
    document = {
        "by": by,
        "since": start.date().isoformat(),
        "days": days,
        "groups": [{"name": group.name, "visits": group.visits} for group in report.groups],
        "other": report.other,
        "visits": report.visits,
        "exact": report.exact,
    }
    if not report.exact:
        document |= {"k": report.k, "epsilon": report.epsilon}
    output.emit(document, lambda: _tell(by, report))


def _newest_week() -> datetime:
    over = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)
    return over - timedelta(days=over.weekday() + 7)


def _tell(by: str, report: v1.GetTrafficReportResponse) -> None:
    rows = [(group.name, str(group.visits)) for group in report.groups]
    output.table((by, "visits"), [*rows, ("(other)", str(report.other)), ("(all)", str(report.visits))], empty="")
    if not report.exact:
        output.line(
            f"with noise: no group of fewer than {report.k} visits is named, and all reports of this week together "
            f"show at most epsilon = {report.epsilon} of any one visit"
        )
