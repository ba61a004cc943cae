"""`customer-vault visits`: a log in, counts out, against a running vault."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.running import RunningVault
from vault.client import sync
from vault.v1.visitor_service_pb2 import TRAFFIC_GROUPING_PAGE, Visit


def last_week() -> datetime:
    """The Monday of the newest week that has been over for a day."""
    day = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)
    return day - timedelta(days=day.weekday() + 7)


def log_of(path: Path, lines: int, page: str = "/shop") -> None:
    """An access log of last week's Wednesday."""
    time = (last_week() + timedelta(days=2, hours=9)).strftime("%d/%b/%Y:%H:%M:%S +0000")
    seen = f'pc.isp.de - - [{time}] "GET {page}?q=ann HTTP/1.1" 200 1 "http://other.example/" "agent"\n' * lines
    path.write_text(seen + "garbage of ann@example.org\n")


def test_a_log_becomes_reports(running_vault: RunningVault, tmp_path: Path) -> None:
    """Imported twice it counts once; analytics reads the counts, advertisers the report of the week."""
    log = tmp_path / "access.log"
    log_of(log, 300)
    first = running_vault.json("visits", "import", str(log))
    assert (first["lines"], first["visits"], first["new_lines"]) == (301, 300, 301)
    assert list(first["refused"].values()) == [1]
    assert running_vault.json("visits", "import", str(log))["new_lines"] == 0

    exact = running_vault.json("visits", "report", "--by", "page")
    assert {"name": "/shop", "visits": 300} in exact["groups"]
    assert exact["exact"]
    told = running_vault.json("visits", "report", "--as", "advertisers")
    assert told == running_vault.json("visits", "report", "--as", "advertisers")
    assert (told["exact"], told["k"], told["epsilon"]) == (False, 20, "2")
    assert {group["name"] for group in told["groups"]} <= {"isp.de"}


def test_people_are_told_what_was_not_counted_and_never_shown_it(running_vault: RunningVault, tmp_path: Path) -> None:
    """By reason."""
    log = tmp_path / "other.log"
    log_of(log, 1, "/other")
    shown = running_vault.run("visits", "import", str(log))
    assert "2 new lines" in shown.stdout
    assert "not a line of the common or combined format" in shown.stdout
    assert "ann" not in shown.stdout + shown.stderr
    assert "epsilon = 2" in running_vault.run("visits", "report", "--as", "advertisers", "--by", "hour").stdout


def test_a_log_without_a_visit_is_a_failure(running_vault: RunningVault, tmp_path: Path) -> None:
    """Most likely it is in another format."""
    log = tmp_path / "json.log"
    log.write_text('{"remote_addr": "192.0.2.7"}\n')
    running_vault.run("visits", "import", str(log), code=1)
    running_vault.run("visits", "import", str(tmp_path / "none.log"), code=2)


def test_the_facade_counts_and_reports(running_vault: RunningVault) -> None:
    """Without an event loop of the caller's."""
    visit = Visit(host="pc.other-isp.de", page="/facade")
    start = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    visit.time.FromDatetime(start)
    with sync.StorefrontClient.open(running_vault.caller("storefront")) as storefront:
        assert storefront.record_visits([visit]).recorded == 1
    with sync.TrafficClient.open(running_vault.caller("analytics")) as analytics:
        day = start.replace(hour=0)
        report = analytics.get_traffic_report(day, day + timedelta(days=1), TRAFFIC_GROUPING_PAGE)
    assert ("/facade", 1) in [(group.name, group.visits) for group in report.groups]
