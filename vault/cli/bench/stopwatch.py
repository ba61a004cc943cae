"""Adds up the CPU time of a thread by stage; installed by wrapping functions, in a process that is for measuring.

A stage's time is its own: what passes in a stage inside of it is the inner one's. Time is that of the thread
(CLOCK_THREAD_CPUTIME_ID), so waiting for a lock or another thread counts nowhere. A coroutine is timed step by step,
since others run between its steps; a step is never interrupted by another one, so one stack serves all.

A mark costs about a microsecond itself. What it costs is measured at the start and taken out: the part that falls
between its two readings of the clock from its own stage, the rest from the stage around it.
"""

import time
from collections.abc import Awaitable, Callable, Generator
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any, Final

_OUTSIDE: Final = "outside"
_TRIES: Final = 20_000


class Stopwatch:
    """Stages of one thread."""

    def __init__(self) -> None:
        """Measure first what a mark costs."""
        self._stack: list[list[int]] = [[0, 0]]
        """For each open stage: nanoseconds spent in stages inside of it, and how many there were."""
        self._stages: dict[str, list[int]] = {}
        """Nanoseconds, how often, and how many stages inside."""
        self._inside_ns = self._around_ns = 0.0
        self._calibrate()

    def wrap(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, or coroutine function, counted under a stage."""
        enter, leave = self.enter, self.leave
        if iscoroutinefunction(function):

            @wraps(function)
            async def steps(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as the function has them
                return await _Steps(self, stage, function(*args, **kwargs))

            return steps

        @wraps(function)
        def run(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
            began = enter()
            try:
                return function(*args, **kwargs)
            finally:
                leave(stage, began)

        return run

    def nanoseconds(self) -> dict[str, float]:
        """By stage, without what the marks cost, since the start; and in all, with it, as "marked"."""
        found = {}
        for stage, (spent, times, inner) in self._stages.items():
            found[stage] = spent - times * self._inside_ns - inner * self._around_ns
        inside, around = self._stack[0]
        return {**found, "marked": inside, "marks outside": around * self._around_ns}

    def enter(self) -> int:
        """Begin a stage; the time."""
        self._stack.append([0, 0])
        return time.thread_time_ns()

    def leave(self, stage: str, began: int) -> None:
        """End the stage that began last."""
        taken = time.thread_time_ns() - began
        inner, count = self._stack.pop()
        known = self._stages.get(stage)
        if known is None:
            known = self._stages[stage] = [0, 0, 0]
        known[0] += taken - inner
        known[1] += 1
        known[2] += count
        above = self._stack[-1]
        above[0] += taken
        above[1] += 1

    def _calibrate(self) -> None:
        def nothing() -> None:
            pass

        marked = self.wrap(_OUTSIDE, nothing)
        began = time.thread_time_ns()
        for _ in range(_TRIES):
            nothing()
        bare = time.thread_time_ns() - began
        began = time.thread_time_ns()
        for _ in range(_TRIES):
            marked()
        whole = time.thread_time_ns() - began
        inside = self._stages.pop(_OUTSIDE)[0]
        self._stack = [[0, 0]]
        # What `nothing` itself takes is counted inside, and is not the mark's.
        self._inside_ns = max(0.0, (inside - bare) / _TRIES)
        self._around_ns = max(0.0, (whole - inside) / _TRIES)


class _Steps:
    """A coroutine, driven one step at a time."""

    __slots__ = ("_coroutine", "_stage", "_watch")

    def __init__(self, watch: Stopwatch, stage: str, coroutine: Awaitable[Any]) -> None:
        self._watch = watch
        self._stage = stage
        self._coroutine = coroutine.__await__()

    def __await__(self) -> Generator[Any, Any, Any]:
        thrown: BaseException | None = None
        while True:
            began = self._watch.enter()
            try:
                waits_for = next(self._coroutine) if thrown is None else self._coroutine.throw(thrown)
            except StopIteration as end:
                return end.value
            finally:
                self._watch.leave(self._stage, began)
            thrown = None
            try:
                yield waits_for
            except BaseException as error:  # noqa: BLE001 - a cancellation, for the coroutine to take
                thrown = error
