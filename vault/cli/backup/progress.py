"""How far a backup or a restore is: a bar on a terminal, nothing in a log or for a program."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from vault.cli.options import wants_json

Step = Callable[[str, int, int], None]
"""(what is being done, done, of how much; 0 if unknown)."""


@contextmanager
def shown() -> Iterator[Step]:
    """Show progress on standard error while the block runs."""
    if wants_json() or not sys.stderr.isatty():
        yield lambda _what, _done, _total: None
        return
    from rich.console import Console  # noqa: PLC0415 - only for terminals
    from rich.progress import Progress  # noqa: PLC0415

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda what, done, total: bar.update(task, description=what, completed=done, total=total or None)
