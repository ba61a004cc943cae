"""How much one caller may ask for: so that one cannot starve the others, and a stolen certificate is slow.

Three limits, because they stop three things. `records_per_second` bounds what a thief carries away: a call costs one, a
batch what it names, a list what it returns. `searches_per_second` bounds guessing, since a search is a question about
every customer at once. `concurrent` bounds how much of the server one caller occupies: what is over it waits, and the
others do not wait for it.

A table may leave out what the more general one says: a caller's own, then its roles', then the default. Of several
roles the larger number counts, as a caller may do what any of its roles may. A file without `[limits]` gets what
the shipped policy has.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Final


@dataclass(frozen=True, slots=True)
class Limit:
    """Of one caller."""

    records_per_second: float
    """For as long as it likes."""
    burst: float
    """Records that may come at once, after a rest."""
    searches_per_second: float
    search_burst: float
    concurrent: float
    """Calls at work at the same time; more of them wait."""


NAMES: Final = tuple(each.name for each in fields(Limit))
DEFAULT: Final = Limit(records_per_second=5_000, burst=50_000, searches_per_second=20, search_burst=200, concurrent=64)
STRANGER: Final = Limit(records_per_second=20, burst=500, searches_per_second=1, search_burst=10, concurrent=4)
"""For all certificates together that the policy does not name: every call of theirs is a refusal, and an entry."""

Table = Mapping[str, float]
"""The keys of a table that are there."""


@dataclass(frozen=True, slots=True)
class Limits:
    """All tables of a policy."""

    default: Limit = DEFAULT
    unknown: Limit = STRANGER
    roles: Mapping[str, Table] = field(default_factory=dict)
    callers: Mapping[str, Table] = field(default_factory=dict)

    def of(self, spiffe_id: str, roles: frozenset[str]) -> Limit:
        """The limits of a caller that the policy names."""
        own = self.callers.get(spiffe_id, {})
        return Limit(**{name: own.get(name) or self._of_roles(name, roles) for name in NAMES})

    def _of_roles(self, name: str, roles: frozenset[str]) -> float:
        default: float = getattr(self.default, name)
        return max((self.roles.get(role, {}).get(name, default) for role in roles), default=default)


NO_TABLES: Final = Limits()
"""Of a policy that says nothing of limits."""


def completed(table: Table, base: Limit) -> Limit:
    """A table, with what it leaves out from `base`."""
    return Limit(**{name: table.get(name) or getattr(base, name) for name in NAMES})
