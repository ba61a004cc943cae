"""What a case is: requests to send, how to know that the answers are right, and what it is compared with.

A case names a method, not a stub, and its requests are bytes: what a client spends on its messages is not the
server's, and on two cores it would be taken from the server's time.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from vault.cli import plugins

_PACKAGE: Final = "vault.cli.bench.cases"


@dataclass(frozen=True, slots=True)
class Bare:
    """Records to fetch and open without a service."""

    suffix: str
    """Of their names under their customers."""
    category: str
    """Of their fields in the policy."""
    purpose: str = ""
    """Whose key opens their boxes; empty if the boxes stay closed."""


@dataclass(frozen=True, slots=True)
class Case:
    """One thing to measure."""

    method: str
    """`ContactService/GetContact`"""
    role: str
    """Who calls."""
    requests: Callable[[int, int], Iterator[bytes]]
    """Without end, of so many customers, for the caller process with this number."""
    check: Callable[[bytes], None]
    """Raises ValueError for an answer that is not the one that was asked for."""
    items: int = 1
    """Records in an answer."""
    bare: Bare | None = None
    least: Mapping[str, float] = field(default_factory=dict)
    """What each ratio is meant to be at least."""


def names() -> list[str]:
    """All cases."""
    return plugins.names(_PACKAGE)


def load(name: str) -> Case:
    """One of them."""
    case: Case = plugins.load(_PACKAGE, name).CASE
    return case


def require(*, holds: bool) -> None:
    """Refuse an answer: figures of wrong answers are worth nothing.

    Raises:
        ValueError: it does not hold.
    """
    if not holds:
        raise ValueError("an answer is not the one that was asked for")
