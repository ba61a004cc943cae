"""Counts of visits, as a store keeps them: by domain and hour, and by page and hour, never by both.

A count of one domain, one page and one hour is mostly one, and then it is a line of the web server's log with the
address left out: who came from where would be told with what was looked at. Two tables of counts are joined again only
where there was little to count: of an hour with one visit, whoever holds the files knows both (reports name domains and
pages of whole days only). It also bounds the store: an hour has at most so many names of each kind, and what comes
after them is `other`, so whoever makes up paths fills nobody's disk.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Protocol


class CountedBy(StrEnum):
    """What a count is of."""

    DOMAIN = "domain"
    PAGE = "page"


class VisitKey(NamedTuple):
    """One count."""

    by: CountedBy
    hour: int
    """Since 1970."""
    name: str


@dataclass(frozen=True, slots=True)
class Visits:
    """Counts to be added in one transaction with the entry of who sent them."""

    counts: Mapping[VisitKey, int]
    most: int
    """Names of each kind in one hour; those that come later count as `other`."""


class VisitStore(Protocol):
    """What reports ask for. Hours are counted from 1970, the end is not included."""

    async def visits_by_name(self, by: CountedBy, start: int, end: int) -> Sequence[tuple[str, int]]:
        """(name, visits), the most visited first."""

    async def visits_by_hour(self, start: int, end: int) -> Sequence[tuple[int, int]]:
        """(hour, visits), ascending; hours without a visit are left out."""

    async def forget_visits(self, before: int) -> int:
        """Remove the counts of the hours before one; how many counts."""
