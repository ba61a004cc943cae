"""Erase a customer with contact and card, receipt included: milliseconds for each, one after another.

The customers are created first and not measured. Nothing else is going on in the vault: an erasure cuts the write-ahead
log, which is what takes its time, and calls beside it would wait for the same writer.
"""

import time
from typing import Any, Final

from vault.cli.bench import apart, figures, people
from vault.cli.bench.apart import Desk
from vault.cli.bench.case import Special, require
from vault.cli.bench.figures import Goal, nearest_rank
from vault.cli.bench.place import Place
from vault.cli.bench.rounds import Plan
from vault.client import OfficerClient, StorefrontClient
from vault.client.records import NewCustomer

_MOST_MS: Final = 50
_EACH_SECOND: Final = 25
"""Erasures in a round, for each second of the plan."""
_RECORDS: Final = 3


class Apart:
    """An officer, and a storefront before them."""

    def __init__(self, desk: Desk) -> None:
        self._officer = OfficerClient(desk.settings("officer"))
        self._storefront = StorefrontClient(desk.settings("storefront"))

    async def do(self, command: dict[str, Any]) -> dict[str, Any]:
        """Create `count` customers in the round `round`, and erase them."""
        customers = [f"gone-{command['round']}-{number}" for number in range(command["count"])]
        for number, customer in enumerate(customers):
            await self._storefront.create_customer(
                NewCustomer(customer, people.contact(number), [people.card(number)]), sealed=False
            )
        taken = []
        for customer in customers:
            began = time.perf_counter()
            receipt = await self._officer.erase_customer(customer)
            taken.append((time.perf_counter() - began) * 1000)
            require(holds=receipt.records_removed == _RECORDS)
        return {"taken_ms": sorted(taken)}


def _measure(at: Place, plan: Plan) -> dict[str, Any]:
    count = max(2, round(_EACH_SECOND * plan.seconds))
    with at.start("erase", *apart.arguments("erase", at)) as officer:
        officer.ask(round="warm", count=2)
        rounds = []
        cpu = []
        for number in range(plan.rounds):
            before = at.vault.cpu_seconds()
            rounds.append(officer.ask(round=number, count=count)["taken_ms"])
            cpu.append((at.vault.cpu_seconds() - before) * 1000 / count)
    all_ms = sorted(ms for each in rounds for ms in each)
    return figures.special(
        {
            **{f"p{p}": ("ms", [nearest_rank(each, p) for each in rounds]) for p in (50, 95, 99)},
            "CPU of a creation and an erasure": ("ms", cpu),
        },
        [Goal("p99", round(nearest_rank(all_ms, 99), 1), most=_MOST_MS)],
        notes=[f"{len(all_ms)} erasures, the slowest {all_ms[-1]:.0f} ms."],
    )


CASE = Special(_measure)
