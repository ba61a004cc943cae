"""Export a customer, and erase it: milliseconds, in a vault whose log has just begun and in one whose log is long.

Both say who had read the customer, which the log knows. The long log has 100,000 reads of other customers, with --full
a million, written into the file directly; nothing is asked of the vault until it has taken them into its index. Each
customer has a contact, a card and a few reads. The two vaults take turns.
"""

import time
from contextlib import ExitStack
from dataclasses import replace
from typing import Any, Final

from vault.audit.entry import Subject, entry_bytes, new_subject
from vault.cli.bench import apart, figures, people, place
from vault.cli.bench.apart import Desk
from vault.cli.bench.case import Special, require
from vault.cli.bench.child import Child
from vault.cli.bench.commits import GroupCommits
from vault.cli.bench.figures import Goal, nearest_rank
from vault.cli.bench.place import Place
from vault.cli.bench.rounds import Plan
from vault.cli.deployment.layout import Layout
from vault.client import BillingClient, OfficerClient, StorefrontClient
from vault.client.records import NewCustomer
from vault.domain.names import RecordName
from vault.storage.port import Work
from vault.store.v1.audit_entry_pb2 import OUTCOME_ALLOWED

_MOST_MS: Final = 50
_EACH_SECOND: Final = 15
"""Customers in a round, for each second of the plan."""
_READS: Final = 3
_ENTRIES: Final = 100_000
_FULL: Final = 1_000_000
_FEW: Final = 2_000
_MANY: Final = 1_000
"""Customers of a run that is to say something."""
_AT_ONCE: Final = 500
_OTHERS: Final = 20
"""Reads of each other customer, about."""
_INDEXED_S: Final = 0.3
"""For 100,000 entries it takes as long again, and the server has been starting meanwhile."""


class Apart:
    """An officer, a storefront before them, and billing in between."""

    def __init__(self, desk: Desk) -> None:
        self._officer = OfficerClient(desk.settings("officer"))
        self._storefront = StorefrontClient(desk.settings("storefront"))
        self._billing = BillingClient(desk.settings("billing"))

    async def do(self, command: dict[str, Any]) -> dict[str, Any]:
        """Create `count` customers in the round `round`, read, export and erase them."""
        customers = [f"moves-{command['round']}-{number}" for number in range(command["count"])]
        for number, customer in enumerate(customers):
            await self._storefront.create_customer(
                NewCustomer(customer, people.contact(number), [people.card(number)]), sealed=False
            )
            for _ in range(_READS):
                await self._billing.get_contact(customer)
        exported, erased = [], []
        for customer in customers:
            began = time.perf_counter()
            text = "".join([piece async for piece in self._officer.export_customer(customer)])
            exported.append((time.perf_counter() - began) * 1000)
            require(holds=text.count('"ContactService.GetContact"') == _READS)
        for customer in customers:
            began = time.perf_counter()
            receipt = await self._officer.erase_customer(customer)
            erased.append((time.perf_counter() - began) * 1000)
            require(holds='"reads": 3' in receipt.statement)
        return {"export": exported, "erase": erased}


def _measure(at: Place, plan: Plan) -> dict[str, Any]:
    count = max(2, round(_EACH_SECOND * plan.seconds))
    entries = _FULL if plan.full else (_ENTRIES if at.customers >= _MANY else _FEW)
    home = place.new_home(at.folder / "long-log")
    _lengthen(home_of := replace(at, home=home), entries)
    taken: dict[str, list[list[float]]] = {}
    with ExitStack() as stack:
        server = stack.enter_context(at.start("long-log", "vault.cli", "serve", str(home), "--json"))
        long = replace(home_of, addresses={**at.addresses, "vault": server.answer()["ready"]})
        officers = {
            "": stack.enter_context(at.start("export", *apart.arguments("export", at))),
            ", long log": stack.enter_context(at.start("export-long", *apart.arguments("export", long))),
        }
        _until_quiet(server)
        for number in range(-1, plan.rounds):
            for which, officer in officers.items():
                for what, each in officer.ask(round=f"r{number + 1}", count=count).items():
                    if number >= 0:
                        taken.setdefault(f"{what}{which}", []).append(sorted(each))
    found = {
        f"{what}, p{p}": ("ms", [nearest_rank(each, p) for each in samples])
        for what, samples in taken.items()
        for p in (50, 99)
    }
    slowest = round(nearest_rank(sorted(ms for each in taken["erase, long log"] for ms in each), 99), 1)
    return figures.special(
        found,
        [Goal("erase, long log, p99", slowest, most=_MOST_MS)],
        notes=[f"{count * plan.rounds} customers on each side; the long log has {entries:,} entries more."],
    )


def _lengthen(at: Place, entries: int) -> None:
    """Write reads of made-up customers into a log that is in the file beside the server's own."""
    others = [new_subject() for _ in range(entries // _OTHERS + 1)]
    layout = Layout(at.home)
    with GroupCommits(layout.data, layout.keys) as commits:
        for begin in range(0, entries, _AT_ONCE):
            numbers = range(begin, min(begin + _AT_ONCE, entries))
            commits.add([_read(number, others[number * 7919 % len(others)]) for number in numbers])


def _read(number: int, subject: Subject) -> Work:
    entry = entry_bytes(
        number,
        "spiffe://vault.example/provisioning",
        "service_provisioning",
        "ContactService.GetContact",
        outcome=OUTCOME_ALLOWED,
        subjects=[subject],
        records=[RecordName("customers/x/contact")],
        fields=[f"contact.{name}" for name in people.CONTACT_FIELDS],
    )
    return Work("prepared", lambda _: (entry, None))


def _until_quiet(server: Child) -> None:
    """Wait while a server works through what it found: until it takes hardly any time of a core."""
    before = -1.0
    while (now := server.cpu_seconds()) - before > _INDEXED_S / 10:
        before = now
        time.sleep(_INDEXED_S)


CASE = Special(_measure)
