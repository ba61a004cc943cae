"""The command `customer-vault`.

    plugins     what stands in a folder is found there: commands, demo steps, bench cases, doctor checks
    frame       a folder as a click group, and the one place where errors become an exit code
    failures    what each kind of error asks its reader to do next
    options     --json, --home and --as, spelled once
    output      for people or for programs: tables and lines, or one JSON document
    profile     which certificate and keys a command uses, and the client made of them
    commands    one file for each command, one folder for each group

Exit codes: 0 done, 1 refused or failed, 2 usage or configuration, 3 done in part (some rows of an import refused).
Results go to standard output, all else to standard error. An error is one line and what to do next; it never carries
a value, and there is no traceback.

Everything but the frame is imported when its command runs, so `--help` answers at once.
"""

import os
import sys
from contextlib import suppress


def main() -> None:
    """Run the command; the entry point of the distribution."""
    from vault.cli.frame import root  # noqa: PLC0415 - whoever imports a submodule need not load click's groups

    try:
        root()
    except SystemExit as ended:
        # All is closed and said. What would follow is gRPC's own end, in which a thread of its may wait in epoll on a
        # descriptor that another one has just closed: it takes that for a fault and aborts the process, and a start that
        # was refused with 2 ends with SIGABRT (seen once in some 4,000). Whoever cannot be told ends as Python does.
        if "grpc" in sys.modules and isinstance(ended.code, int):
            with suppress(OSError):
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(ended.code)
        raise
