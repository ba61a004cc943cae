"""What advertisers are told of a week: counts with noise, and no small groups. Pure functions of counts.

**What a week's report shows of one visit.** A visit stands in four places: in the total, in one domain, one page and
one hour of the day. Each of the four is a histogram whose cells have independent noise of a quarter of epsilon, so all
that is ever told of the week is epsilon-differentially private in one visit (composition of four, each cell of a
histogram being of other visits). That is about a visit and not about a visitor: nothing is kept that could say which
visits are one person's, so somebody who came m times is hidden by m times epsilon only.

**Which groups are named.** A domain that is named at all is one that somebody came from, so a small group must not
appear however the noise falls. A group is named if it has at least k visits *and* its noisy count is at least k + m,
where m is exceeded by noise once in a million groups. The first rule is the promise. The second is what keeps the first
from telling more than it should: where they differ (19 visits against 20) the group is hidden in both cases but for
that one in a million, which is the delta beside the epsilon.

It holds while no hour has reached `names_per_hour`: from there on a new name may take the place of another one, and one
visit changes more than its own counts.

**Other** is the noisy total less the noisy counts that are named: arithmetic on what is told already. The true sum of
the hidden groups would show a group's whole count when it crosses the line.

**Differences.** Reports of overlapping times subtract to reports of short ones, and a question asked twice averages the
noise away. So times do not overlap: there are weeks, from Monday 00:00 UTC, and nothing else. A week is reported when
it has been over for a day, once: what was rolled is kept and given to everybody who asks, in every grouping. What is
recorded of that week later changes nothing.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from vault.domain.noise import discrete_laplace, margin
from vault.domain.visits import HOUR_MS, OTHER
from vault.errors import InvalidArgument

WEEK_HOURS: Final = 7 * 24
OVER_HOURS: Final = 24
"""A week is reported when it has been over so long: logs of its last day are imported by then."""
QUESTIONS: Final = 4
"""Total, domains, pages, hours: what a visit stands in."""
_MONDAY: Final = 4 * 24
"""Hours from 1970-01-01, a Thursday, to the first Monday."""
_ZEROS: Final = 6
"""Of delta: 10^-6 for each group."""

Counts = Sequence[tuple[str, int]]
Noise = Callable[[Fraction], int]


@dataclass(frozen=True, slots=True)
class WeekCounts:
    """All that is counted of one week, as it is."""

    visits: int
    domains: Counts
    pages: Counts
    hours: Counts


def week(start_ms: int, end_ms: int, now_ms: int) -> int:
    """The first hour of the week that is asked for.

    Raises:
        InvalidArgument: it is no week, or not over long enough.
    """
    start = start_ms // HOUR_MS
    if start_ms % HOUR_MS or (start - _MONDAY) % WEEK_HOURS:
        raise InvalidArgument("start_time", "must be a Monday, 00:00 UTC: what is not exact is told by the week")
    if end_ms != start_ms + WEEK_HOURS * HOUR_MS:
        raise InvalidArgument("end_time", "must be the Monday after start_time, 00:00 UTC")
    if now_ms < end_ms + OVER_HOURS * HOUR_MS:
        raise InvalidArgument("end_time", "must be over for a day: visits of the week may still come in")
    return start


def released(true: WeekCounts, k: int, epsilon: Fraction, noise: Noise = discrete_laplace) -> WeekCounts:
    """A week as it may be told; to be made once and kept.

    Args:
        true: the counts.
        k: groups of fewer visits are not named.
        epsilon: for all of it together.
        noise: draws from the discrete Laplace distribution of its argument.
    """
    share = epsilon / QUESTIONS

    def named(counts: Counts) -> Counts:
        # Noise for every group, named or not: which is named depends on it.
        noisy = ((name, visits, visits + noise(share)) for name, visits in counts if name != OTHER)
        shown = [(name, told) for name, visits, told in noisy if visits >= k and told >= k + margin(share, _ZEROS)]
        return sorted(shown, key=lambda group: (-group[1], group[0]))

    total = max(0, true.visits + noise(share))
    return WeekCounts(total, named(true.domains), named(true.pages), sorted(named(true.hours)))


def other(total: int, named: Iterable[tuple[str, int]]) -> int:
    """What is left of a total when the named groups are taken out."""
    return max(0, total - sum(visits for _, visits in named))


def by_hour_of_day(hours: Iterable[tuple[int, int]]) -> Counts:
    """`00` to `23` from hours since 1970."""
    day = [0] * 24
    for hour, visits in hours:
        day[hour % 24] += visits
    return [(f"{hour:02}", visits) for hour, visits in enumerate(day)]
