"""What a case is: something that is measured, in a file of its own.

Most are a `Case`: a method that is called as often as it can be, beside the empty method and the bare loop. A case
names a method, not a stub, and its requests are bytes: what a client spends on its messages is not the server's, and
on two cores it would be taken from the server's time.

What is no number of calls in a second (an erasure's milliseconds, bytes for each customer) is a `Special`: it measures
by itself, and says its figures by name.
"""

import keyword
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from vault.cli import plugins

if TYPE_CHECKING:
    from vault.cli.bench.place import Place
    from vault.cli.bench.rounds import Plan

_PACKAGE: Final = "vault.cli.bench.cases"

CALLERS: Final = 32
"""At once; each sends its next request when it has its answer."""


@dataclass(frozen=True, slots=True)
class Reads:
    """The bare loop of a read: records to fetch and open without a service."""

    suffix: str
    """Of their names under their customers."""
    category: str
    """Of their fields in the policy."""
    purpose: str = ""
    """Whose key opens their boxes; empty if the boxes stay closed."""


@dataclass(frozen=True, slots=True)
class Writes:
    """The bare loop of a write: made-up customers, sealed, locked and committed without a service."""


Bare = Reads | Writes


@dataclass(frozen=True, slots=True)
class Case:
    """A method, called as often as it can be."""

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


@dataclass(frozen=True, slots=True)
class Special:
    """Something that measures by itself."""

    measure: Callable[["Place", "Plan"], dict[str, Any]]
    """Returns a document of `figures.special`."""


def names() -> list[str]:
    """All cases."""
    return sorted(name.rstrip("_") for name in plugins.names(_PACKAGE))


def module(name: str) -> ModuleType:
    """The file of one of them."""
    return plugins.load(_PACKAGE, f"{name}_" if keyword.iskeyword(name) else name)


def load(name: str) -> Case | Special:
    """One of them."""
    case: Case | Special = module(name).CASE
    return case


def calls(name: str) -> Case:
    """One that is a method.

    Raises:
        TypeError: it is not.
    """
    case = load(name)
    if not isinstance(case, Case):
        raise TypeError(f"{name} calls no method")
    return case


def require(*, holds: bool) -> None:
    """Refuse an answer: figures of wrong answers are worth nothing.

    Raises:
        ValueError: it does not hold.
    """
    if not holds:
        raise ValueError("an answer is not the one that was asked for")
