"""The attacker's process: `python -m tests.faults.attacker NAME PORT FOLDER SECONDS SIZE`.

A process of its own, so that the callers whose times are measured do not wait for its Python. It says `begun` once the
attack stands and at the end one JSON object of what it did; it ends by itself, and when its standard input closes.
"""

import json
import os
import resource
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from tests.faults.floods import FLOODS
from tests.faults.holds import HOLDS
from tests.faults.target import Tally, Target

ATTACKS: dict[str, Callable[[Target, Tally], None]] = {**FLOODS, **HOLDS}


def _end_with_parent() -> None:
    """End when whoever started this closes its side."""
    os.read(0, 1)
    os._exit(1)


def main() -> None:
    """Attack."""
    name, port, folder, seconds, size = sys.argv[1:]
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    tally = Tally()
    target = Target(int(port), Path(folder), float(seconds), int(size))
    ATTACKS[name](target, tally)
    tally["milliseconds"] = int((time.monotonic() - target.began) * 1000)
    sys.stdout.write(json.dumps(tally))


if __name__ == "__main__":
    main()
