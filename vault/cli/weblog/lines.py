"""One line of an access log: host, hour and page, or the reason why it does not count.

nginx's and Apache's common and combined formats begin alike:

    host ident user [23/Nov/2026:10:11:12 +0100] "GET /page?q=1 HTTP/1.1" 200 512 "referrer" "agent"

The expression below takes the host, the hour, the request and the status. Ident and user are passed over without being
taken, and what follows the size (referrer, agent, and whatever a format adds) is never looked at. What is taken is
reduced at once by the functions that the vault uses (`vault.domain.visits`): no address, host name, minute or query
leaves this module, and no part of a refused line does, only its reason.

A visit is a page that somebody saw: GET, answered with 2xx or 304.
"""

import re
from datetime import datetime, timedelta, timezone
from enum import StrEnum
from functools import lru_cache
from typing import Final, NamedTuple

from vault.domain.visits import HOUR_MS, OLDEST_HOURS, domain_of, page_of
from vault.errors import InvalidArgument

LONGEST: Final = 32_768
"""Bytes of a line; web servers themselves refuse requests of a quarter of it."""
_LINE: Final = re.compile(
    rb"(\S{1,1024}) \S{1,1024} [^\[\n]{1,1024}\[(\d\d/[A-Z][a-z]{2}/\d{4}:\d\d):\d\d:\d\d ([+-]\d{4})\] "
    rb'"([^"\\\n]*(?:\\.[^"\\\n]*)*)" (\d{3}) (?:\d{1,20}|-)(?=[ \r\n]|\Z)'
)
_MONTHS: Final = {
    name: number
    for number, name in enumerate(
        (b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"), 1
    )
}
_REMEMBERED: Final = 1000


class Reason(StrEnum):
    """Why a line does not count."""

    NO_LINE = "not a line of the common or combined format"
    TOO_LONG = "longer than any request"
    NO_TIME = "a time that is none, lies ahead, or is too long ago to be kept"
    NOT_SEEN = "no page was seen: another method than GET, or an error"
    NO_PAGE = "a target that is no path of the site, or no text"


class Hit(NamedTuple):
    """What is kept of a line."""

    domain: str
    hour: int
    """Since 1970."""
    page: str


class Reader:
    """Reads lines; remembers what it met last, since a log has thousands of lines for each hour, page and domain."""

    def __init__(self, now_ms: int) -> None:
        self._now = now_ms // HOUR_MS
        self._hours: dict[tuple[bytes, bytes], int | None] = {}
        self._page = lru_cache(_REMEMBERED)(_page)
        self._domain = lru_cache(_REMEMBERED)(_domain)

    def read(self, line: bytes) -> Hit | Reason:
        """Reduce one line, with or without its end."""
        if len(line) > LONGEST:
            return Reason.TOO_LONG
        found = _LINE.match(line)
        if found is None:
            return Reason.NO_LINE
        host, time, zone, request, status = found.groups()
        method, _, rest = request.partition(b" ")
        target, _, version = rest.rpartition(b" ")
        if method != b"GET" or not version.startswith(b"HTTP/") or not (status[:1] == b"2" or status == b"304"):
            return Reason.NOT_SEEN
        hour = self._hour(time, zone)
        if hour is None:
            return Reason.NO_TIME
        page = self._page(target)
        return Reason.NO_PAGE if page is None else Hit(self._domain(host), hour, page)

    def _hour(self, time: bytes, zone: bytes) -> int | None:
        key = (time, zone)
        if key not in self._hours:
            if len(self._hours) >= _REMEMBERED:
                self._hours.clear()
            hour = _parsed(time, zone)
            kept = hour is not None and self._now - OLDEST_HOURS <= hour <= self._now
            self._hours[key] = hour if kept else None
        return self._hours[key]


def _page(target: bytes) -> str | None:
    try:
        return page_of(target.decode())
    except (InvalidArgument, UnicodeDecodeError):
        return None


def _domain(host: bytes) -> str:
    return domain_of(host.decode("ascii", "replace"))


def _parsed(time: bytes, zone: bytes) -> int | None:
    """The hour of `23/Nov/2026:10` and `+0100`; of a zone with half hours, the one in which that hour begins."""
    try:
        offset = timedelta(hours=int(zone[1:3]), minutes=int(zone[3:5])) * (-1 if zone[:1] == b"-" else 1)
        year, month, day, hour = int(time[7:11]), _MONTHS[time[3:6]], int(time[:2]), int(time[12:14])
        return int(datetime(year, month, day, hour, tzinfo=timezone(offset)).timestamp()) // 3600
    except (ValueError, KeyError, OverflowError):
        return None
