"""See the main job from start to end, in a temporary folder."""

import signal
import sys
from types import FrameType

import click

from vault.cli import options
from vault.cli.demo.play import play
from vault.cli.demo.screen import Screen
from vault.cli.failures import REFUSED


@click.command()
@click.option("--keep", is_flag=True, help="Leave the folder there: a vault to look at, and what was stolen from it.")
@options.json_option
def command(*, keep: bool) -> None:
    """Make a vault, start its server, and let every kind of caller use it, and a thief.

    Everything is real: the server is a process, callers have certificates, and the thief tries. All customers are made
    up. Exit code 0 only if each step did what it says.

    Example:
      customer-vault demo
      customer-vault demo --keep --json
    """
    before = signal.signal(signal.SIGTERM, _ended)
    try:
        if not play(Screen(as_json=options.wants_json()), keep=keep):
            sys.exit(REFUSED)
    finally:
        signal.signal(signal.SIGTERM, before)


def _ended(number: int, _: FrameType | None) -> None:
    """Leave by an exception, so that the server and the folder are cleared up."""
    sys.exit(128 + number)
