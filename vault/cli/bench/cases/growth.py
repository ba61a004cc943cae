"""The same reads in vaults of 10,000, 100,000 and, with --full, a million customers.

What grows with a vault is found here before it is found in production: the time of a read, bytes, memory. All servers
run during the whole case and take turns, so that they share the machine's moods. The customers are written into the
files directly, as a server would have written them; their history (replaced values, logs of years) is not.
"""

import asyncio
import time
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import median
from typing import Any, Final

from vault.cli.bench import figures, place, rounds, stock
from vault.cli.bench.case import Special
from vault.cli.bench.child import Child
from vault.cli.bench.figures import Goal, Sample
from vault.cli.bench.place import Place
from vault.cli.bench.rounds import Plan

_CASE: Final = "contact_read_unary"
_SIZES: Final = (10_000, 100_000)
_FULL: Final = 1_000_000
_MOST: Final = 1.5
_CALLERS: Final = 4
"""A service that is used and not flooded: with more, a p99 is the length of the queue and little else."""


@dataclass(frozen=True, slots=True)
class _Vault:
    customers: int
    server: Child
    load: Child
    bytes: int
    start_s: float


def _measure(at: Place, plan: Plan) -> dict[str, Any]:
    sizes = list(_SIZES) if at.customers >= _SIZES[0] // 10 else [at.customers, at.customers * 2]
    with ExitStack() as stack:
        vaults = [_grown(stack, at, size) for size in [*sizes, *([_FULL] if plan.full else [])]]
        for vault in vaults:
            _read(vault, plan.seconds / 2)
        samples = [[_read(vault, plan.seconds) for vault in vaults] for _ in range(plan.rounds)]
        points = [_point(vault, [each[n] for each in samples]) for n, vault in enumerate(vaults)]
    growth = [each[-1].percentile_ms(99) / each[0].percentile_ms(99) for each in samples]
    found = {f"p99, {points[-1]['customers']:,} beside {points[0]['customers']:,}": ("", growth)}
    (what,) = found
    columns = ["customers", "p50 ms", "p99 ms", "bytes/customer", "memory MiB", "start s"]
    rows = [[f"{value:,}" for value in point.values()] for point in points]
    return figures.special(
        found,
        [Goal(what, figures.spread(growth)["median"], most=_MOST)],
        points=points,
        tables=[{"title": f"contact reads, {_CALLERS} callers", "columns": columns, "rows": rows}],
    )


def _grown(stack: ExitStack, at: Place, customers: int) -> _Vault:
    home = place.new_home(at.folder / f"grown-{customers}")
    made = asyncio.run(stock.publish(home, 1))
    made.fill(customers)
    stored = made.bytes()
    began = time.perf_counter()
    server = stack.enter_context(at.start(f"grown-{customers}", "vault.cli", "serve", str(home), "--json"))
    addresses = {**at.addresses, "vault": server.answer()["ready"]}
    started = time.perf_counter() - began
    arguments = place.callers(home, addresses, 0, customers)
    load = stack.enter_context(at.start(f"grown-load-{customers}", "vault.cli.bench.load", *arguments))
    return _Vault(customers, server, load, stored, started)


def _read(vault: _Vault, seconds: float) -> Sample:
    return rounds.side([vault.load], vault.server, _CASE, "vault", seconds, callers=_CALLERS)


def _point(vault: _Vault, samples: list[Sample]) -> dict[str, float]:
    return {
        "customers": vault.customers,
        "p50_ms": round(median(each.percentile_ms(50) for each in samples), 2),
        "p99_ms": round(median(each.percentile_ms(99) for each in samples), 2),
        "bytes_per_customer": round(vault.bytes / vault.customers),
        "memory_mib": round(vault.server.memory_mib()),
        "start_s": round(vault.start_s, 1),
    }


CASE = Special(_measure)
