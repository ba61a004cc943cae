"""Import a CSV file with the real importer: cards sealed on its side, a hundred customers for each call.

The bare loop seals, locks and commits the same people in groups of the same size, in one process, and checks, parses
and sends nothing. An importer and a server are two processes, so on two cores they may pass the half of it.
"""

import csv
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from vault.cli.bench import apart, figures, people
from vault.cli.bench.apart import Desk
from vault.cli.bench.case import Special, require
from vault.cli.bench.figures import Goal
from vault.cli.bench.place import Place
from vault.cli.bench.rounds import Plan
from vault.cli.importer import run, sheet
from vault.cli.importer.rows import Checker
from vault.cli.importer.state import StateFile
from vault.client import StorefrontClient
from vault.domain.card import Month

_LEAST: Final = 0.4
_ROWS_EACH_SECOND: Final = 1_000
"""In a round, for each second of the plan."""


class Apart:
    """The importer, with a client that lasts."""

    def __init__(self, desk: Desk) -> None:
        caller = desk.settings("storefront")
        self._vault_id = caller.pins.vault_id.hex()
        self._client = StorefrontClient(caller)
        self._folder = desk.home.parent

    async def do(self, command: dict[str, Any]) -> dict[str, Any]:
        """Import `rows` customers of the round `round`; the file is written before."""
        file = self._folder / f"import-{command['round']}.csv"
        _write(file, f"row-{command['round']}", command["rows"])
        today = datetime.now(UTC)
        cpu, began = time.process_time(), time.perf_counter()
        table = sheet.inspect(file)
        state = StateFile(file.with_suffix(".json"), table.digest, self._vault_id)
        checker = Checker(Month(today.year, today.month))
        done = await run.run(table, self._client, checker, state, lambda _: None)
        taken = time.perf_counter() - began
        require(holds=done.stored == command["rows"])
        return {"per_s": done.stored / taken, "cpu_us": (time.process_time() - cpu) * 1e6 / done.stored}


def _write(file: Path, prefix: str, rows: int) -> None:
    with file.open("w", encoding="utf-8", newline="") as out:
        table = csv.DictWriter(out, sheet.COLUMNS)
        table.writeheader()
        for number in range(rows):
            contact, card = people.contact(number), people.card(number)
            table.writerow(
                {
                    "customer_id": f"{prefix}-{number}",
                    **{name: getattr(contact, name) for name in people.CONTACT_FIELDS},
                    "card_number": card.card_number,
                    "card_expiry": card.expiry,
                    "card_holder": card.holder_name,
                }
            )


def _measure(at: Place, plan: Plan) -> dict[str, Any]:
    rows = max(run.BATCH, round(_ROWS_EACH_SECOND * plan.seconds))
    imported, bare, server = [], [], []
    with at.start("import", *apart.arguments("import", at)) as importer:
        importer.ask(round="warm", rows=run.BATCH)
        at.bare.ask(do="load", rows=run.BATCH, batch=run.BATCH)
        for number in range(plan.rounds):
            before = at.vault.cpu_seconds()
            imported.append(importer.ask(round=number, rows=rows))
            server.append((at.vault.cpu_seconds() - before) * 1e6 / rows)
            bare.append(at.bare.ask(do="load", rows=rows, batch=run.BATCH)["items_per_s"])
    ratios = [each["per_s"] / beside for each, beside in zip(imported, bare, strict=True)]
    return figures.special(
        {
            "customers, imported": ("/s", [each["per_s"] for each in imported]),
            "customers, in a bare loop": ("/s", bare),
            "ratio_to_primitives": ("", ratios),
            "CPU of a customer, server": ("µs", server),
            "CPU of a customer, importer": ("µs", [each["cpu_us"] for each in imported]),
        },
        [Goal("ratio_to_primitives", figures.spread(ratios)["median"], least=_LEAST)],
    )


CASE = Special(_measure)
