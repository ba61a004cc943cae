"""How far an import is: a bar on a terminal, now and then a line in a log, nothing for a program."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from vault.cli import output
from vault.cli.options import wants_json

_EVERY_S: Final = 5.0

Advance = Callable[[int], None]
"""Told how many more rows have been dealt with."""


@contextmanager
def shown(total: int, already: int, unit: str = "rows") -> Iterator[Advance]:
    """Show progress on standard error while the block runs."""
    if wants_json():
        yield lambda _: None
    elif sys.stderr.isatty():
        yield from _bar(total, already)
    else:
        yield _Lines(total, already, unit).advance


def _bar(total: int, already: int) -> Iterator[Advance]:
    from rich.console import Console  # noqa: PLC0415 - only for terminals
    from rich.progress import Progress  # noqa: PLC0415

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("importing", total=total, completed=already)
        yield lambda rows: progress.advance(task, rows)


class _Lines:
    def __init__(self, total: int, already: int, unit: str) -> None:
        self._total = total
        self._unit = unit
        self._dealt_with = already
        self._said = time.monotonic()

    def advance(self, rows: int) -> None:
        """Say it, if the last time was a while ago."""
        self._dealt_with += rows
        if time.monotonic() - self._said >= _EVERY_S:
            self._said = time.monotonic()
            output.line(f"{self._dealt_with} of {self._total} {self._unit}", error=True)
