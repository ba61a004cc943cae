"""Many lines as few counts: a stretch of the file, added up, until there are enough different ones.

A batch begins where the one before ended, so the same file is cut at the same places in each run, and a batch that is
sent again after a crash is the same batch. Memory is bounded by the number of different counts and one line.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, Final

from vault.cli.weblog.lines import LONGEST, Hit, Reader, Reason

MOST_COUNTS: Final = 4_000
MOST_LINES: Final = 50_000


@dataclass(slots=True)
class Batch:
    """A stretch of the file."""

    start: int
    end: int
    """Bytes; the end is not included."""
    lines: int = 0
    counts: Counter[Hit] = field(default_factory=Counter)
    refused: Counter[Reason] = field(default_factory=Counter)


def batches(file: BinaryIO, start: int, reader: Reader, first_end: int = 0) -> Iterator[Batch]:
    """The batches of a file from an offset on; a last line without its end is being written, and is left for later.

    Args:
        file: the log.
        start: where to begin.
        reader: of its lines.
        first_end: where the first batch ends, if that is known: it was sent, maybe, when the log was shorter.
    """
    file.seek(start)
    batch = Batch(start, start)
    while line := file.readline(LONGEST + 2):
        length = len(line)
        while line[-1:] != b"\n" and (more := file.readline(LONGEST)):
            # A line that is too long is passed over in pieces.
            length += len(more)
            line = line[:LONGEST] + b"x" + more[-1:] if len(line) <= LONGEST + 1 else line[:-1] + more[-1:]
        if line[-1:] != b"\n":
            break
        found = reader.read(line)
        if isinstance(found, Hit):
            batch.counts[found] += 1
        else:
            batch.refused[found] += 1
        batch.lines += 1
        batch.end += length
        if len(batch.counts) >= MOST_COUNTS or batch.lines >= MOST_LINES or batch.end == first_end:
            yield batch
            batch = Batch(batch.end, batch.end)
    if batch.lines:
        yield batch
