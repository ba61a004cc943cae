"""How long records are kept: the words of the policy, and what they come to."""

from datetime import UTC, datetime

import pytest

from tests.policy.policies import changed, without
from vault.errors import ConfigError
from vault.policy.load import DEFAULT, load, parse
from vault.policy.retention import KINDS, Duration, duration

HOUR, DAY = 3_600_000, 24 * 3_600_000


def at(text: str) -> int:
    """Milliseconds since 1970 of a moment in UTC."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def test_the_shipped_policy_keeps_what_the_design_says() -> None:
    """Logs 13 months, forms a day, mail five days."""
    kept = load(DEFAULT).retention
    assert {kind: getattr(kept, kind).text for kind in KINDS} == {
        "customer_logs": "13 months",
        "order_forms": "24h",
        "preferences": "13 months",
        "messages": "5 days",
        "visits": "13 months",
    }
    assert kept.order_forms.after(1000) == 1000 + 24 * HOUR
    assert kept.messages.after(0) == 5 * DAY


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("1 minute", HOUR // 60),
        ("24h", DAY),
        ("24 hours", DAY),
        ("1 hour", HOUR),
        ("5d", 5 * DAY),
        ("2 weeks", 14 * DAY),
    ],
)
def test_durations(text: str, length: int) -> None:
    """Of a fixed length."""
    assert duration(text, "f", "k") == Duration(0, length, text)


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("1 month", "2026-01-31T10:00:00.250", "2026-02-28T10:00:00.250"),
        ("13 months", "2026-12-01T00:00:00", "2028-01-01T00:00:00"),
        ("1 month", "2026-11-15T00:00:00", "2026-12-15T00:00:00"),
        ("12 months", "2028-02-29T00:00:00", "2029-02-28T00:00:00"),
        ("2 years", "2026-02-28T23:59:59", "2028-02-28T23:59:59"),
    ],
)
def test_months_are_months_of_the_calendar(text: str, start: str, end: str) -> None:
    """The same day, or the last that the month has."""
    assert duration(text, "f", "k").after(at(start)) == at(end)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0 days",
        "1",
        "days",
        "-1 days",
        "1.5 days",
        "5 fortnights",
        "1 day ",
        "1  day",
        "101 years",
        "999999d",
        "1\nday",
    ],
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    """By the path of the line, with what it should be, and not what it is."""
    with pytest.raises(ConfigError, match="must be how long") as refused:
        parse(changed("[retention]", '"24h"', '"""' + text + '"""'), "policy.toml")
    assert refused.value.key == "retention.order_forms"


@pytest.mark.parametrize(
    ("text", "now", "first"),
    [
        ("1 hour", "2026-11-24T10:00:00", "2026-11-24T09:00:00"),
        ("1 hour", "2026-11-24T10:59:59.999", "2026-11-24T09:00:00"),
        ("1 hour", "2026-11-24T11:00:00", "2026-11-24T10:00:00"),
        ("2 days", "2026-11-24T10:30:00", "2026-11-22T10:00:00"),
        ("13 months", "2027-12-24T10:30:00", "2026-11-24T10:00:00"),
        ("1 month", "2026-02-28T12:30:00", "2026-01-28T12:00:00"),
        ("1 month", "2026-03-01T00:00:00", "2026-02-01T00:00:00"),
        ("100 years", "2026-11-24T10:00:00", "1970-01-01T00:00:00"),
    ],
)
def test_counts_of_an_hour_are_kept_from_its_end_on(text: str, now: str, first: str) -> None:
    """The first hour that is kept is not over for so long; the one before it is."""
    kept = duration(text, "f", "k")
    hour = kept.first_kept_hour(at(now))
    assert hour * HOUR == at(first)
    assert kept.after((hour + 1) * HOUR) > at(now)
    assert not hour or kept.after(hour * HOUR) <= at(now)


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_must_have_a_line(kind: str) -> None:
    """What ends by itself ends at a time that somebody chose."""
    with pytest.raises(ConfigError, match="is missing; add it") as refused:
        parse(changed("[retention]", kind, f"# {kind}"), "policy.toml")
    assert refused.value.key == f"retention.{kind}"


def test_the_table_must_be_there() -> None:
    """A policy that promises nothing about it is none."""
    with pytest.raises(ConfigError, match="is missing; add it") as refused:
        parse(without("[retention]"), "policy.toml")
    assert refused.value.key == "retention"


@pytest.mark.parametrize(
    ("line", "why"), [('contacts = "1 day"', "is no key of a policy"), ("order_forms = 24", "must be text in quotes")]
)
def test_other_lines_are_refused(line: str, why: str) -> None:
    """A kind that does not end by itself, and a number without a unit."""
    name = line.partition(" ")[0]
    text = changed(
        "[retention]", "order_forms", f"{line}\n# order_forms" if name == "order_forms" else f"{line}\norder_forms"
    )
    with pytest.raises(ConfigError, match=why) as refused:
        parse(text, "policy.toml")
    assert refused.value.key == f"retention.{name}"
