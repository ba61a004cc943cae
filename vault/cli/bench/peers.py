"""The same reads by the vault and by OpenBao's transit engine, in one run, in turns.

Both give a service the cards or contacts of made-up customers in plain. The vault: the service calls it over mTLS, the
vault decides, logs durably and answers; cards arrive sealed and are opened by the SDK in the service. OpenBao: the
service holds the ciphertexts and asks for their plaintexts, over HTTP without TLS, under a root token. Each side gets
the number of callers at which it is fastest, of those tried, and one caller alone.
"""

import socket
from contextlib import ExitStack
from typing import Any, Final

from vault.cli.bench import apart, figures, rounds
from vault.cli.bench.child import Child
from vault.cli.bench.openbao import OpenBao
from vault.cli.bench.place import Place
from vault.cli.bench.rounds import Plan

NAMES: Final = ("openbao",)
_OURS: Final = (1, 32)
_THEIRS: Final = (1, 4)
"""Callers that are tried."""
_SEALED: Final = "the vault, durable log; cards still sealed"
_OPENED: Final = "the vault, durable log; cards opened by the SDK"
_WHO: Final = {"audited": "OpenBao transit, file audit", "unaudited": "OpenBao transit, no log"}

Key = tuple[str, str, int]
"""Who, what, and how many callers."""


def openbao(at: Place, plan: Plan) -> dict[str, Any]:
    """Measure both.

    Raises:
        Unavailable: OpenBao is not installed, or does not start.
    """
    with ExitStack() as stack:
        servers = {
            name: stack.enter_context(OpenBao(at.folder / name, _free_port(), audited=name == "audited"))
            for name in _WHO
        }
        load = stack.enter_context(
            at.start("openbao-load", "vault.cli.bench.openbao_load", str(at.folder / "openbao.db"))
        )
        billing = stack.enter_context(at.start("peer-sdk", *apart.arguments("sdk_open_card", at)))
        billing.ask(do="fetch", customers=at.customers)
        for server in servers.values():
            load.ask(do="fill", port=server.port, token=server.token, customers=at.customers)
        found: dict[Key, list[float]] = {}
        for number in range(plan.rounds + 1):
            for key, rate in _round(at, servers, load, billing, plan.seconds if number else plan.seconds / 4):
                # The first is for connections and caches.
                if number:
                    found.setdefault(key, []).append(rate)
    return _document(found)


def _round(
    at: Place, servers: dict[str, OpenBao], load: Child, billing: Child, seconds: float
) -> list[tuple[Key, float]]:
    rates: list[tuple[Key, float]] = []
    for what, case in (("cards", "card_read_batch100"), ("contact", "contact_read_unary")):
        for callers in _OURS:
            sample = rounds.side(at.load, at.vault, case, "vault", seconds, callers=callers)
            rates.append(((_SEALED if what == "cards" else _OPENED, what, callers), sample.rps))
            if what == "cards":
                done = billing.ask(do="read", customers=at.customers, callers=callers, seconds=seconds)
                rates.append(((_OPENED, what, callers), done["per_s"]))
        for callers in _THEIRS:
            for name, server in servers.items():
                where = {"port": server.port, "token": server.token, "customers": at.customers}
                done = load.ask(do="run", **where, kind=what, callers=callers, seconds=seconds)
                rates.append(((_WHO[name], what, callers), done["per_s"]))
    return rates


def _document(found: dict[Key, list[float]]) -> dict[str, Any]:
    rows = []
    for who in (_SEALED, _OPENED, *_WHO.values()):
        cells = [who]
        for what in ("cards", "contact"):
            here = {callers: rates for (name, kind, callers), rates in found.items() if (name, kind) == (who, what)}
            best = max(here, key=lambda callers: sum(here[callers]), default=None)
            cells += [_shown(here[best], best) if best else "", _shown(here[1], 1) if 1 in here else ""]
        rows.append(cells)
    columns = ["", "100 cards, batches/s", "with one caller", "contacts/s", "with one caller"]
    spreads = {f"{what}, {n} callers: {who}": ("/s", rates) for (who, what, n), rates in found.items()}
    table = {"title": "beside OpenBao's transit engine, in turns", "columns": columns, "rows": rows}
    return figures.special(spreads, tables=[table])


def _shown(rates: list[float], callers: int) -> str:
    spread = figures.spread(rates)
    shown = f"{spread['median']:,.0f} [{spread['min']:,.0f} to {spread['max']:,.0f}]"
    return f"{shown}, {callers} callers" if callers > 1 else shown


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
