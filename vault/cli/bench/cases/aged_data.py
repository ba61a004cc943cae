"""Contacts of a vault that is years old: each lies under epochs of its own, 5,000 for each audience.

Cold: a server that has just started opens every epoch once, by HPKE, when its first record is read; what that costs is
the difference between the first pass over all records and the passes after it, divided by the epochs. Warm: the same
reads when all epochs are in the caches, beside a vault whose records lie under one epoch, in turns. A contact's fields
have two audiences, so there are twice as many epochs to open as customers.
"""

import asyncio
from contextlib import ExitStack
from dataclasses import replace
from typing import Any, Final

from vault.cli.bench import figures, place, rounds, stock
from vault.cli.bench.case import Special
from vault.cli.bench.figures import Goal
from vault.cli.bench.place import Place
from vault.cli.bench.rounds import Plan

_CASE: Final = "contact_read_batch100"
_BATCH: Final = 100
_EPOCHS: Final = 5_000
_AUDIENCES: Final = 2
_LEAST: Final = 0.9
_READERS: Final = frozenset({"service_provisioning", "payment_processing"})


def _measure(at: Place, plan: Plan) -> dict[str, Any]:
    # A short run has few customers; its epochs are as few, and the result says so.
    epochs = _EPOCHS if at.customers >= _BATCH * 10 else at.customers
    homes = {name: place.new_home(at.folder / name) for name in ("aged", "fresh")}
    for name, count in (("aged", epochs), ("fresh", 1)):
        asyncio.run(stock.publish(homes[name], count, _READERS)).fill(epochs)
    with ExitStack() as stack:
        aged, fresh = (_open(stack, at, name, epochs) for name in ("aged", "fresh"))
        # The first answer of all is read by itself, to know its size: with it, each pass is of as many calls.
        first = _pass(aged, epochs - _BATCH)
        again = [_pass(aged, epochs) for _ in range(plan.rounds)]
        _warm(fresh, plan.seconds / 4)
        pairs = [(_warm(aged, plan.seconds), _warm(fresh, plan.seconds)) for _ in range(plan.rounds)]
    cold = [(first.server_cpu - each.server_cpu) * 1000 / (epochs * _AUDIENCES) for each in again]
    ratios = [one.rps / other.rps for one, other in pairs]
    return figures.special(
        {
            "contacts, aged and warm": ("/s", [one.rps * _BATCH for one, _ in pairs]),
            "contacts, fresh": ("/s", [other.rps * _BATCH for _, other in pairs]),
            "warm beside fresh": ("", ratios),
            "an epoch, cold": ("ms of CPU", cold),
            "p99 of 100, cold": ("ms", [first.percentile_ms(99)]),
            "p99 of 100, warm": ("ms", [each.percentile_ms(99) for each in again]),
        },
        [Goal("warm beside fresh", figures.spread(ratios)["median"], least=_LEAST)],
        notes=[f"{epochs} epochs for each of {_AUDIENCES} audiences; the p99 are those of one caller."],
    )


def _open(stack: ExitStack, at: Place, name: str, customers: int) -> Place:
    """Serve one of the two, with a process of callers of its own."""
    home = at.folder / name
    server = stack.enter_context(at.start(name, "vault.cli", "serve", str(home), "--json"))
    addresses = {**at.addresses, "vault": server.answer()["ready"]}
    arguments = place.callers(home, addresses, 0, customers)
    load = stack.enter_context(at.start(f"{name}-load", "vault.cli.bench.load", *arguments))
    return replace(at, home=home, vault=server, load=[load], customers=customers)


def _pass(at: Place, customers: int) -> figures.Sample:
    """Every customer once, by one caller."""
    return rounds.side(at.load, at.vault, _CASE, "vault", 0.0, callers=1, calls=max(1, customers // _BATCH))


def _warm(at: Place, seconds: float) -> figures.Sample:
    return rounds.side(at.load, at.vault, _CASE, "vault", seconds)


CASE = Special(_measure)
