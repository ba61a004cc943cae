"""How long records are kept that are not kept for as long as the customer: from the words of a policy to a time.

A month is a month of the calendar and not 30 days, because that is how people who sign a policy count: what was
written on 31 January and is kept for a month ends on 28 February (the last day there is). Everything is in UTC.

Records carry the time at which they end under their lock, from the day on which they are written. A shorter line in a
later policy is for what is written from then on.
"""

import calendar
import re
from bisect import bisect_right
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Final

from vault.errors import ConfigError

MOST_MONTHS: Final = 1200
"""A hundred years: more is no promise but a slip."""
RULE: Final = 'must be how long, as "24h", "5 days", "13 months" or "2 years", and at most 100 years'

_SHAPE: Final = re.compile(r"([1-9][0-9]{0,5}) ?(minutes?|h|hours?|d|days?|weeks?|months?|years?)", re.ASCII)
_MINUTE_MS: Final = 60_000
_HOUR_MS: Final = 60 * _MINUTE_MS
_DAY_MS: Final = 24 * 60 * _MINUTE_MS
_MOST_MS: Final = MOST_MONTHS * 30 * _DAY_MS
_UNITS: Final = {"minute": _MINUTE_MS, "h": 60 * _MINUTE_MS, "hour": 60 * _MINUTE_MS, "d": _DAY_MS, "day": _DAY_MS}
_MONTHS: Final = {"month": 1, "year": 12}


@dataclass(frozen=True, slots=True)
class Duration:
    """Months of the calendar, or milliseconds; never both."""

    months: int
    milliseconds: int
    text: str
    """As the policy has it."""

    def after(self, moment: int) -> int:
        """The time at which it ends; both in milliseconds since 1970."""
        if not self.months:
            return moment + self.milliseconds
        seconds, millis = divmod(moment, 1000)
        start = datetime.fromtimestamp(seconds, UTC)
        years, month = divmod(start.month - 1 + self.months, 12)
        year, month = start.year + years, month + 1
        day = min(start.day, calendar.monthrange(year, month)[1])
        return int(start.replace(year=year, month=month, day=day).timestamp()) * 1000 + millis

    def first_kept_hour(self, now: int) -> int:
        """The first hour since 1970 whose counts are still kept at a time: an hour's time runs from its end.

        Args:
            now: milliseconds since 1970.
        """
        # A month cannot be taken off a day as it is added: `after` decides, which only ever grows.
        return bisect_right(range(now // _HOUR_MS + 1), now, key=lambda hour: self.after((hour + 1) * _HOUR_MS))


@dataclass(frozen=True, slots=True)
class Retention:
    """The table `[retention]`: one line for each kind of record that ends by itself."""

    customer_logs: Duration
    """After the end of the month that a log covers."""
    order_forms: Duration
    """After the visitor last saved the form."""
    preferences: Duration
    """After the visitor last saved them."""
    messages: Duration
    """After the message was stored; what is not delivered by then is given up."""
    visits: Duration
    """After the hour that a count of visits is of. Counts are no records: they carry no end, and this line counts."""


KINDS: Final = tuple(each.name for each in fields(Retention))
"""The lines that a policy must have."""


def duration(text: str, file: str, key: str) -> Duration:
    """Read `13 months`.

    Args:
        text: of the policy.
        file: its name, for errors.
        key: the path of the line.

    Raises:
        ConfigError: it is no duration, or one of more than a hundred years.
    """
    match = _SHAPE.fullmatch(text)
    if not match:
        raise ConfigError(file, key, RULE)
    count, unit = int(match[1]), match[2].rstrip("s")
    months = count * _MONTHS.get(unit, 0)
    length = 0 if months else count * (7 * _DAY_MS if unit == "week" else _UNITS[unit])
    if months > MOST_MONTHS or length > _MOST_MS:
        raise ConfigError(file, key, RULE)
    return Duration(months, length, text)
