"""Calls by method, role and outcome: noted on the way of each call, so it has to cost next to nothing.

A method has a `MethodCounts`, made with its handler: a dictionary of small integers and a histogram, touched by the
event loop alone. Labels are put together when somebody scrapes. Measured, a call costs about a microsecond here.
"""

from collections import Counter
from collections.abc import Iterator

from vault.domain.histogram import SECONDS, Histogram
from vault.service.gauges import Sample

UNKNOWN = "unknown"
"""The role of who has no acceptable certificate, or none that the policy names."""


class MethodCounts:
    """Of one method."""

    __slots__ = ("ended", "seconds")

    def __init__(self) -> None:
        self.ended: dict[tuple[str, str, str], int] = {}
        """By role, status code, and reason without its prefix."""
        self.seconds = Histogram(SECONDS)

    def note(self, role: str, code: str, reason: str, seconds: float) -> None:
        """A call has ended."""
        at = (role, code, reason)
        self.ended[at] = self.ended.get(at, 0) + 1
        self.seconds.note(seconds)


class Counts:
    """Of all calls of this process."""

    def __init__(self) -> None:
        self.in_flight = 0
        self._records: dict[str, list[int]] = {}
        self.limited: Counter[tuple[str, str]] = Counter()
        """Refused, by role and limit."""
        self._methods: dict[str, MethodCounts] = {}

    def method(self, name: str) -> MethodCounts:
        """The counts of `ContactService.GetContact`."""
        return self._methods.setdefault(name, MethodCounts())

    def records(self, role: str) -> list[int]:
        """Where the records that a role is charged with are added up: one number, which its holder changes."""
        return self._records.setdefault(role, [0])

    def samples(self) -> Iterator[Sample]:
        """What was counted so far."""
        yield Sample("vault_calls_in_flight", self.in_flight)
        for name, counts in self._methods.items():
            for (role, code, reason), count in counts.ended.items():
                yield Sample("vault_calls_total", count, (name, role, code, reason))
            if counts.ended:
                yield Sample("vault_call_seconds", counts.seconds, (name,))
        for role, charged in self._records.items():
            yield Sample("vault_records_total", charged[0], (role,))
        for at, count in self.limited.items():
            yield Sample("vault_calls_limited_total", count, at)
