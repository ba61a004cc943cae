"""What the process refuses to start with, and what it gives up before it opens anything.

Everything here closes a way out for memory: a core dump, a debugger of the same user, a trace. They are checked in
code and not in a guide for operators, since the one time that somebody sets GRPC_TRACE to look for a network fault
is in production, with real customers' data on the line.
"""

import ctypes
import os
import resource
from collections.abc import Mapping
from typing import Final

from google.protobuf.internal import api_implementation

from vault.errors import ConfigError

_PR_GET_DUMPABLE: Final = 3
_PR_SET_DUMPABLE: Final = 4

_TRACES: Final = {
    "GRPC_TRACE": "prints messages in the clear",
    "SSLKEYLOGFILE": "writes the keys of TLS connections to a file",
}
_QUIET: Final = {"", "none", "error"}


def refuse(environment: Mapping[str, str] = os.environ) -> None:
    """Check that nobody has asked for more output than may leave the process; call it before anything opens.

    Raises:
        ConfigError: something must be unset, or another build of protobuf installed.
    """
    for name, effect in _TRACES.items():
        if environment.get(name):
            raise ConfigError("environment", name, f"{effect}: unset it")
    if "eatmydata" in environment.get("LD_PRELOAD", ""):
        raise ConfigError(
            "environment", "LD_PRELOAD", "libeatmydata lets fsync do nothing, so writes are lost: unset it"
        )
    if environment.get("GRPC_VERBOSITY", "").lower() not in _QUIET:
        raise ConfigError("environment", "GRPC_VERBOSITY", "may only be ERROR or NONE here: unset it")
    if (kind := api_implementation.Type()) != "upb":
        # The pure-Python one is thirty times slower, and has other limits on depth and size than those we tested.
        raise ConfigError(
            "environment",
            "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION",
            f"protobuf runs as {kind}, not as upb: unset it, or install protobuf's wheel for this platform",
        )


def confine() -> None:
    """Give up core dumps, being looked into, and files that others can read.

    Raises:
        ConfigError: the system does not let us.
    """
    os.umask(0o077)
    # No core file, whatever the shell or the unit file says ...
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # ... nor one by way of a pipe in kernel.core_pattern, which ignores that limit but not this flag; it also keeps
    # other processes of the same user from attaching or reading /proc/PID/mem.
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    if libc.prctl(_PR_GET_DUMPABLE, 0, 0, 0, 0) != 0:
        raise ConfigError("environment", "PR_SET_DUMPABLE", "the kernel refused: run on Linux, outside of a debugger")
    # A connection is a file descriptor: with the usual soft limit of 1,024, a thousand idle connections would be
    # enough to keep everybody else out.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
