"""Import an access log with the real importer: lines read, reduced to counts and counted in the vault.

Beside it stands a plain parse: one expression that takes the same lines apart, as any program that looks at logs must,
and keeps nothing. The importer looks at each line as well, takes away whatever could say who it was, by the public
suffix list and the rules for paths, adds up, and sends what is left; the vault does it once more and commits.

The log is made up and looks like one: visits follow each other in time, most of a few hundred domains and pages, one in
ten an error, one in six with a query.
"""

import random
import re
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from vault.cli.bench import apart, figures
from vault.cli.bench.apart import Desk
from vault.cli.bench.case import Special, require
from vault.cli.bench.place import Place
from vault.cli.bench.rounds import Plan
from vault.cli.weblog import run
from vault.cli.weblog.state import StateFile, identity_of
from vault.client import StorefrontClient

_LINES_EACH_SECOND: Final = 50_000
"""In a round, for each second of the plan."""
_WARM: Final = 2_000
_HOURS: Final = 48
_PLAIN: Final = re.compile(rb'(\S+) (\S+) (\S+) \[([^\]]+)\] "([^"]*)" (\d{3}) (\S+)(?: "([^"]*)" "([^"]*)")?')


class Apart:
    """The importer, with a client that lasts, and the plain parse."""

    def __init__(self, desk: Desk) -> None:
        caller = desk.settings("storefront")
        self._vault_id = caller.pins.vault_id.hex()
        self._client = StorefrontClient(caller)
        self._folder = desk.home.parent

    async def do(self, command: dict[str, Any]) -> dict[str, Any]:
        """Read the log of `lines` lines of the round `round`; it is written before."""
        file = self._folder / f"access-{command['round']}.log"
        seen = _write(file, str(command["round"]), command["lines"])
        began = time.perf_counter()
        with file.open("rb") as opened:
            parsed = sum(_PLAIN.match(line) is not None for line in opened)
        plain = time.perf_counter() - began
        require(holds=parsed == command["lines"])
        with file.open("rb") as opened:
            state = StateFile(file.with_suffix(".json"), identity_of(opened), self._vault_id)
        cpu, began = time.process_time(), time.perf_counter()
        done = await run.run(file, self._client, time.time_ns() // 1_000_000, state, lambda _: None)
        taken = time.perf_counter() - began
        require(holds=(done.lines, done.visits) == (command["lines"], seen))
        return {
            "per_s": done.lines / taken,
            "plain_per_s": parsed / plain,
            "cpu_us": (time.process_time() - cpu) * 1e6 / done.lines,
        }


def _write(file: Path, name: str, lines: int) -> int:
    """Make a log up; how many of its lines are visits. Its first line is its own: no two are the same log."""
    chance = random.Random(name)  # noqa: S311 - made-up visits
    start, seen = datetime.now(UTC) - timedelta(hours=_HOURS), 0
    with file.open("w", encoding="ascii") as out:
        for number in range(lines):
            at = start + timedelta(hours=_HOURS - 1) * (number / lines)
            host = f"pc{chance.randrange(10_000)}.dsl.isp{chance.randrange(300)}.de"
            page = "/first" if not number else f"/shop/{'abcdefghij'[chance.randrange(10)]}/page-{chance.randrange(40)}"
            query = f"?q={name}-{number}" if not number or not chance.randrange(6) else ""
            status = 200 if number == 0 or chance.randrange(10) else 404
            seen += status == 200  # noqa: PLR2004 - it is HTTP's
            out.write(
                f'{host} - - [{at:%d/%b/%Y:%H:%M:%S +0000}] "GET {page}{query} HTTP/1.1" {status} 5120 '
                f'"https://search.example/?q=fibre" "Mozilla/5.0 (X11; Linux x86_64)"\n'
            )
    return seen


def _measure(at: Place, plan: Plan) -> dict[str, Any]:
    lines = max(_WARM, round(_LINES_EACH_SECOND * plan.seconds))
    found, server = [], []
    with at.start("visits_import", *apart.arguments("visits_import", at)) as importer:
        importer.ask(round="warm", lines=_WARM)
        for number in range(plan.rounds):
            before = at.vault.cpu_seconds()
            found.append(importer.ask(round=number, lines=lines))
            server.append((at.vault.cpu_seconds() - before) * 1e6 / lines)
    return figures.special(
        {
            "lines, imported": ("/s", [each["per_s"] for each in found]),
            "lines, in a plain parse": ("/s", [each["plain_per_s"] for each in found]),
            "ratio_to_parse": ("", [each["per_s"] / each["plain_per_s"] for each in found]),
            "CPU of a line, importer": ("µs", [each["cpu_us"] for each in found]),
            "CPU of a line, server": ("µs", server),
        }
    )


CASE = Special(_measure)
