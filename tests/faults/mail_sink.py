"""A next hop in a process of its own, to be killed: what it has said 250 to stands in a file, on the disk.

python -m tests.faults.mail_sink PORT FILE
"""

import asyncio
import hashlib
import os
import sys
from pathlib import Path

from tests.gateway.talk import Got, Hop


class Sink(Hop):
    """Writes a line for each message: its recipient, and the digest of its text."""

    file: Path

    def take(self, got: Got) -> None:
        """Durable before it is answered for."""
        text = (b"\r\n" + got.text).replace(b"\r\n.", b"\r\n")[2:]
        recipient = got.recipients[0].split("<")[1].split(">")[0]
        with self.file.open("a") as out:
            out.write(f"{recipient} {hashlib.sha256(text).hexdigest()}\n")
            out.flush()
            os.fsync(out.fileno())


async def _serve(port: int, file: Path) -> None:
    sink = Sink()
    sink.file = file
    server = await asyncio.start_server(sink.serve, "127.0.0.1", port, limit=1 << 20)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), Path(sys.argv[2])))
