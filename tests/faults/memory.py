"""What lies in a process's memory: its writable pages, read as root's debugger would read them for gcore."""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

_CHUNK = 4 << 20
_OVERLAP = 64
"""Bytes kept from the chunk before, so that what lies across a border is found."""


def pages(pid: int) -> Iterator[bytes]:
    """The writable memory of a process, in overlapping chunks.

    Raises:
        PermissionError: it may not be read: the server has switched itself undumpable, and this is not root.
    """
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            span, modes, _, _, inode, *name = line.split(maxsplit=5)
            if not modes.startswith("rw") or inode != "0" or (name and name[0] in ("[vvar]", "[vsyscall]")):
                continue
            start, end = (int(each, 16) for each in span.split("-"))
            yield from _span(memory, start, end)


def _span(memory: BinaryIO, start: int, end: int) -> Iterator[bytes]:
    held = b""
    for at in range(start, end, _CHUNK):
        try:
            memory.seek(at)
            raw = memory.read(min(_CHUNK, end - at))
        except OSError:  # gone since it was listed, or reserved and never used
            return
        yield held + raw
        held = raw[-_OVERLAP:]
