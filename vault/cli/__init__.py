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
        # All is closed and said. What would follow is gRPC's own end, in which one thread may wait in epoll on what
        # another has just closed: it takes that for a fault and aborts, so that a start which was refused with 2 ended
        # with SIGABRT (once in some 4,000). Where nothing can be written any more, the end is Python's.
        if "grpc" in sys.modules and isinstance(ended.code, int):
            with suppress(OSError):
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(ended.code)
        raise
