"""Memory of a server that was started and has nothing to do."""

import time
from contextlib import ExitStack
from typing import Any, Final

from vault.cli.bench import figures, place
from vault.cli.bench.case import Special
from vault.cli.bench.figures import Goal
from vault.cli.bench.place import Place
from vault.cli.bench.rounds import Plan

_MOST_MIB: Final = 120
_SETTLE_SECONDS: Final = 1.0
"""What a start does afterwards: the first round of upkeep, the first checkpoint."""


def _measure(at: Place, plan: Plan) -> dict[str, Any]:
    home = place.new_home(at.folder / "idle")
    with ExitStack() as stack:
        server = stack.enter_context(at.start("idle", "vault.cli", "serve", str(home), "--json"))
        server.answer()
        time.sleep(min(_SETTLE_SECONDS, plan.seconds))
        found = server.memory_mib()
    return figures.special({"resident": ("MiB", [found])}, [Goal("resident", round(found, 1), most=_MOST_MIB)])


CASE = Special(_measure)
