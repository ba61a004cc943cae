"""What is told of the web site's traffic, and to whom exactly.

A file without `[traffic]` gets what the shipped policy has: nobody is told more than that by leaving it out.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

MOST_EPSILON: Final = 10
"""At 10 one visit may make a report 22,000 times as likely: nothing worth the name."""


@dataclass(frozen=True, slots=True)
class TrafficRule:
    """How counts of visits leave the vault."""

    exact: frozenset[str]
    """Roles that see them as they are."""
    k: int
    """Groups of fewer visits are never named to the others."""
    epsilon_text: str
    """As it stands in the file, `0.5`; what all reports of one week may show of one visit, together."""
    names_per_hour: int

    @property
    def epsilon(self) -> Fraction:
        """The same, exactly."""
        return Fraction(self.epsilon_text)


SHIPPED: Final = TrafficRule(frozenset({"analytics"}), 20, "2", 500)
