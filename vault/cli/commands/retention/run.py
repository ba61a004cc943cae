"""Destroy what has come to its end by the policy's `[retention]`, and say what was done."""

from collections import Counter
from pathlib import Path

import click

from vault.cli import options, output, profile
from vault.client import OperatorClient

_COUNTED = ("removed", "held", "kept", "unreadable", "visit_counts")


@click.command()
@options.client_options
def command(home: Path, role: str | None) -> None:
    """Have a running vault destroy what has come to its end: logs, forms, preferences, mail, visits past their time.

    The vault does so by itself, at start and every hour. Called as the operator, unless --as names another role.

    Example:
      customer-vault retention run
    """
    done = profile.run(home, role or "operator", OperatorClient, _run)
    output.emit(dict(done), lambda: _tell(done))


async def _run(vault: OperatorClient) -> Counter[str]:
    done = Counter(dict.fromkeys(_COUNTED, 0))
    async for part in vault.run_retention():
        done.update({name: getattr(part, name) for name in _COUNTED})
    return done


def _tell(done: Counter[str]) -> None:
    output.line(f"destroyed: {done['removed']} records that had come to their end")
    if done["visit_counts"]:
        output.line(f"removed: {done['visit_counts']} counts of visits past their time")
    if done["held"]:
        output.line(f"held by an order of disclosure: {done['held']}")
    if done["kept"]:
        output.line(f"kept by their kind for a while: {done['kept']}")
    if done["unreadable"]:
        output.line(f"left, because they do not open: {done['unreadable']} (customer-vault audit tail names them)")
