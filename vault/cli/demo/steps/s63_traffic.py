"""The web site's access log is counted, for analytics and for advertisers."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from vault.cli.demo.screen import NotSo, Screen
from vault.cli.demo.stage import Stage
from vault.cli.demo.stage import run as command

_PAGES: Final = {"/products": 1500, "/careers": 3}
_LINE: Final = '192.0.2.{} - ann [{:%d/%b/%Y:%H:%M:%S} +0000] "GET {}?q=secret HTTP/1.1" 200 1 "-" "agent"\n'


def run(stage: Stage, say: Screen) -> None:
    """Write a log of a week that is over, import it, and ask twice."""
    # Two Mondays ago: its week has been over for a day whatever day it is.
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    monday = today - timedelta(days=today.weekday() + 14)
    log = stage.folder / "access.log"
    visits = [page for page, count in _PAGES.items() for _ in range(count)]
    log.write_text(
        "".join(_LINE.format(at % 250, monday + timedelta(minutes=at), page) for at, page in enumerate(visits))
    )
    counted = command("visits", "import", log, "--home", stage.home).document
    exact = _report(stage, "analytics", monday)
    say.claim(
        f"{counted.get('visits')} visits; analytics: " + ", ".join(f"{name} {count}" for name, count in _PAGES.items()),
        held=counted.get("visits") == len(visits) and _groups(exact) == _PAGES,
    )
    coarse, again = _report(stage, "advertisers", monday), _report(stage, "advertisers", monday)
    shown = ", ".join(f"{name} {count}" for name, count in _groups(coarse).items())
    say.claim(
        f"advertisers: {shown}; with noise, no small page, and the same when asked again",
        held=set(_groups(coarse)) == {"/products"} and coarse["exact"] is False and coarse == again,
    )


def _report(stage: Stage, role: str, monday: datetime) -> Mapping[str, Any]:
    """A week's report by page.

    Raises:
        NotSo: there is none.
    """
    answer = command(
        "visits", "report", "--as", role, "--by", "page", "--since", f"{monday:%Y-%m-%d}", "--home", stage.home
    )
    if answer.exit_code != 0:
        raise NotSo(f"there is a report for {role}")
    return answer.document


def _groups(report: Mapping[str, Any]) -> dict[str, int]:
    return {group["name"]: group["visits"] for group in report["groups"]}
