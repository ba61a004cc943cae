"""Tells systemd when calls are answered and when the server is stopping (the protocol of sd_notify(3)).

With `Type=notify` the units that need the vault start when it serves, not when its process exists: between the two lies
the opening of both stores, which after a crash takes as long as it takes. Without a supervisor nothing is sent.
"""

import contextlib
import os
import socket
from typing import Final

READY: Final = "READY=1"
STOPPING: Final = "STOPPING=1"


def tell(state: str) -> None:
    """Send a state to the socket that `NOTIFY_SOCKET` names; one that cannot be reached stops nobody from serving."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        # "@" stands for the NUL with which names begin that are in no file system.
        notify.connect(f"\0{address[1:]}" if address.startswith("@") else address)
        notify.sendall(state.encode())
