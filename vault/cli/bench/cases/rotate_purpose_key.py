"""Rotate billing's key: each epoch's secret is opened with the old key and sealed to the new one. No record is touched.

The vault has its customers already, and the new key stands in policy and pins as `next`. Billing's own SDK does the
work, over the wire, page by page, durable on the vault's side. Afterwards every record is compared with what was stored
before: how many were rewritten is counted, not assumed.
"""

import asyncio
import json
import time
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from vault.cli.bench import figures, place, stock
from vault.cli.bench.apart import Desk
from vault.cli.bench.case import Special, require
from vault.cli.bench.figures import Goal
from vault.cli.bench.place import Place
from vault.cli.bench.rounds import Plan
from vault.cli.deployment.layout import Layout
from vault.client import BillingClient
from vault.client.custodian import Resealed
from vault.crypto.hpke import PurposeKeyPair, new_seed
from vault.domain.secret import Secret

_PURPOSE: Final = "payment_processing"
_MOST_MS: Final = 0.4
_EPOCHS_EACH_SECOND: Final = 500
"""For each second of the plan; the two audiences that billing reads have so many each."""


class Apart:
    """Billing, with its old key in its folder."""

    def __init__(self, desk: Desk) -> None:
        self._billing = BillingClient(desk.settings("billing"))

    async def do(self, command: dict[str, Any]) -> dict[str, Any]:
        """Rotate to the key of `seed`; milliseconds and stanzas of each page."""
        seed = Secret(bytes.fromhex(command["seed"]))
        await self._billing.register_purpose_key(seed)
        pages: list[tuple[float, int]] = [(time.perf_counter(), 0)]
        cpu = time.process_time()
        done = await self._billing.reseal_epochs(seed, lambda so_far: pages.append(_page(so_far)))
        require(holds=done.added > 0 and done.unopened == 0)
        steps = [
            (after - before) * 1000 / (now - earlier)
            for (before, earlier), (after, now) in pairwise(pages)
            if now > earlier
        ]
        return {
            "stanzas": done.added,
            "ms": (pages[-1][0] - pages[0][0]) * 1000 / done.added,
            "page_ms": steps,
            "cpu_ms": (time.process_time() - cpu) * 1000 / done.added,
        }


def _page(so_far: Resealed) -> tuple[float, int]:
    return time.perf_counter(), so_far.added


def _measure(at: Place, plan: Plan) -> dict[str, Any]:
    home = place.new_home(at.folder / "rotated")
    epochs = max(4, round(_EPOCHS_EACH_SECOND * plan.seconds))
    asyncio.run(stock.publish(home, epochs, {_PURPOSE, "service_provisioning"})).fill(at.customers)
    seed = new_seed()
    _announce(home, PurposeKeyPair(seed).fingerprint.hex())
    with ExitStack() as stack:
        server = stack.enter_context(at.start("rotated", "vault.cli", "serve", str(home), "--json"))
        target = server.answer()["ready"]
        billing = stack.enter_context(
            at.start("billing", "vault.cli.bench.apart", "rotate_purpose_key", str(home), target)
        )
        before, cpu = stock.rows(home, at.customers), server.cpu_seconds()
        done = billing.ask(seed=seed.reveal().hex())
        cpu = (server.cpu_seconds() - cpu) * 1000 / done["stanzas"]
        after = stock.rows(home, at.customers)
    require(holds=len(before) == len(after) == 3 * at.customers)
    rewritten = sum(before[name] != after[name] for name in before)
    return figures.special(
        {
            "a stanza": ("ms", done["page_ms"]),
            "CPU of a stanza, billing": ("ms", [done["cpu_ms"]]),
            "CPU of a stanza, server": ("ms", [cpu]),
            "records rewritten": ("", [rewritten]),
        },
        [Goal("a stanza", round(done["ms"], 3), most=_MOST_MS), Goal("records rewritten", rewritten, most=0)],
        notes=[f"{done['stanzas']} stanzas of {epochs} epochs for each audience; {len(before)} records compared."],
    )


def _announce(home: Path, fingerprint: str) -> None:
    """Do what the operator does: name the next key in the policy, and in billing's pins."""
    layout = Layout(home)
    text = layout.policy.read_text(encoding="utf-8")
    table = f"[keys.{_PURPOSE}]\n"
    layout.policy.write_text(text.replace(table, f'{table}next = "{fingerprint}"\n'), encoding="utf-8")
    file = layout.caller("billing") / "pins.json"
    pins = json.loads(file.read_text(encoding="utf-8"))
    pins["purposes"][_PURPOSE]["next"] = fingerprint
    file.write_text(json.dumps(pins), encoding="utf-8")


CASE = Special(_measure)
