"""What advertisers are told of a week."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest

from vault.domain import traffic
from vault.domain.noise import margin
from vault.domain.traffic import WeekCounts, by_hour_of_day, other, released, week
from vault.errors import InvalidArgument

MONDAY = datetime(2026, 11, 16, tzinfo=UTC)
K, EPSILON = 20, Fraction(2)
LINE = K + margin(EPSILON / 4, 6)


def ms(time: datetime) -> int:
    """Milliseconds since 1970."""
    return int(time.timestamp() * 1000)


def counts(**domains: int) -> WeekCounts:
    """A week with these domains."""
    return WeekCounts(sum(domains.values()), list(domains.items()), [], [])


def no_noise(_epsilon: Fraction) -> int:
    """As if the noise fell on zero each time."""
    return 0


def test_small_groups_are_part_of_other() -> None:
    """Fewer than k visits; and up to the margin above k, which is what hides where k lies."""
    told = released(counts(small=K - 1, near=LINE - 1, large=LINE), K, EPSILON, no_noise)
    assert told.domains == [("large", LINE)]
    assert other(told.visits, told.domains) == K - 1 + LINE - 1


def test_no_noise_lifts_a_small_group_over_the_line() -> None:
    """The k is a promise, not a probability."""
    assert released(counts(small=K - 1), K, EPSILON, lambda _: 10**6).domains == []


def test_all_questions_of_a_week_share_its_epsilon() -> None:
    """Each draw is for a quarter of it, and each count has a draw of its own, named or not."""
    drawn: list[Fraction] = []

    def note(share: Fraction) -> int:
        drawn.append(share)
        return 0

    true = WeekCounts(9, [("a.de", 4), ("b.de", 5)], [("/", 9)], by_hour_of_day([(7, 9)]))
    released(true, K, EPSILON, note)
    assert drawn == [EPSILON / 4] * (1 + 2 + 1 + 24)


def test_other_is_made_of_what_is_told_only() -> None:
    """The noisy total less what is named, and never below zero."""
    assert other(100, [("a", 60), ("b", 30)]) == 10
    assert other(50, [("a", 60)]) == 0


def test_a_week_is_told_with_the_largest_first_and_hours_in_their_order() -> None:
    """As people read it."""
    true = WeekCounts(600, [("a.de", 100), ("b.de", 500)], [], by_hour_of_day([(1, 200), (25, 300), (23, 100)]))
    told = released(true, K, EPSILON, no_noise)
    assert [name for name, _ in told.domains] == ["b.de", "a.de"]
    assert told.hours == [("01", 500), ("23", 100)]


def test_the_week_that_is_over_for_a_day_is_told() -> None:
    """By its first hour."""
    end = MONDAY + timedelta(days=7)
    assert week(ms(MONDAY), ms(end), ms(end + timedelta(days=1))) == ms(MONDAY) // 3_600_000


@pytest.mark.parametrize(
    ("start", "end", "now", "field"),
    [
        (MONDAY + timedelta(days=1), MONDAY + timedelta(days=8), timedelta(days=30), "start_time"),
        (MONDAY + timedelta(minutes=1), MONDAY + timedelta(days=7, minutes=1), timedelta(days=30), "start_time"),
        (MONDAY, MONDAY + timedelta(days=6), timedelta(days=30), "end_time"),
        (MONDAY, MONDAY + timedelta(days=14), timedelta(days=30), "end_time"),
        (MONDAY, MONDAY + timedelta(days=7), timedelta(days=7, hours=23), "end_time"),
    ],
)
def test_times_that_overlap_or_are_not_over_are_refused(
    start: datetime, end: datetime, now: timedelta, field: str
) -> None:
    """Two reports whose times overlap would differ by the report of a short time."""
    with pytest.raises(InvalidArgument, match=f"^{field}: "):
        week(ms(start), ms(end), ms(MONDAY + now))


def test_one_visit_more_changes_an_answer_as_rarely_as_epsilon_says() -> None:
    """By counting: what is told of a group at the line, with 19 visits and with 20, is the same but once in a million.

    The one visit decides about k; the margin hides it, since a group is named only if its noise exceeds the margin.
    """
    named = []
    for visits in (K - 1, K):
        draws: list[Callable[[Fraction], int]] = [no_noise, lambda share: margin(share, 6) - 1]
        named.append([released(counts(group=visits), K, EPSILON, draw).domains for draw in draws])
    assert named[0] == named[1] == [[], []]
    assert traffic.QUESTIONS == 4
