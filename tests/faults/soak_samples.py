"""What a server is like while it works: samples in a JSON file, and lines fitted through them.

The line goes through the second half of the samples taken in quiet: the first half fills caches, pools and the
allocator's arenas, and an attack borrows memory that it gives back. Beside the slope stands twice its standard error,
since a few minutes of a noisy process show slopes that mean nothing.
"""

import dataclasses
import json
import math
import os
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.soak_load import Load
from tests.faults.victims import MIB, Calls, Vitals, quantiles
from tests.running import RunningVault

_HOUR = 3600.0
_FEWEST = 5
"""Samples through which a line is drawn."""
_AFTER_PULSE = 10.0
"""Seconds after an attack that still count as one."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One look."""

    at: float
    """Seconds since the start."""
    rss: int
    descriptors: int
    threads: int
    caller_rss: int
    wal: int
    """Bytes of both write-ahead logs."""
    stored: int
    """Bytes of both databases."""
    calls: int
    errors: int
    p50: float
    p99: float
    """Milliseconds, of the calls since the sample before."""
    attack: str
    """Which one goes on, or has just ended."""


@dataclass(frozen=True, slots=True)
class Slope:
    """A line's slope per hour and twice its standard error."""

    per_hour: float
    error: float
    samples: int

    def text(self, unit: str) -> str:
        """Both, in words."""
        if self.samples < _FEWEST:
            return "not fitted"
        return f"{self.per_hour:+.1f} ± {self.error:.1f} {unit}/h ({self.samples} samples)"


@dataclass(slots=True)
class Samples:
    """All of them."""

    vault: RunningVault
    file: Path
    taken: list[Sample] = field(default_factory=list)
    attack: str = ""
    _start: float = field(default_factory=time.monotonic)
    _ended: float = -_AFTER_PULSE

    def begin(self, attack: str) -> None:
        """Note what is going on."""
        self.attack = attack

    def end(self) -> None:
        """Note that it is over."""
        self.attack, self._ended = "", time.monotonic()

    def take(self, load: Load) -> Sample:
        """Look, and write the file again."""
        now, window = time.monotonic(), load.calls
        load.calls = Calls()
        vitals, own = Vitals.of(self.vault.process.pid), Vitals.of(os.getpid())
        p50, p99 = quantiles(window.seconds) if window.seconds else (0.0, 0.0)
        just = "" if now - self._ended > _AFTER_PULSE else "just ended"
        sample = Sample(
            at=round(now - self._start, 1),
            rss=vitals.rss,
            descriptors=vitals.descriptors,
            threads=vitals.threads,
            caller_rss=own.rss,
            wal=self._size("*.db-wal"),
            stored=self._size("*.db"),
            calls=len(window.seconds),
            errors=window.errors.total(),
            p50=round(p50, 2),
            p99=round(p99, 2),
            attack=self.attack or just,
        )
        self.taken.append(sample)
        self.file.write_text(json.dumps([dataclasses.asdict(each) for each in self.taken], indent=1))
        return sample

    def _size(self, pattern: str) -> int:
        return sum(
            file.stat().st_size for folder in ("data", "keys") for file in (self.vault.home / folder).glob(pattern)
        )

    def slope(self, of: str, scale: float = 1.0) -> Slope:
        """Fit a line through one number of the second half, attacks left out."""
        half = [each for each in self.taken if each.at >= self.taken[-1].at / 2 and not each.attack]
        return fitted([(each.at / _HOUR, getattr(each, of) / scale) for each in half])

    def report(self) -> list[str]:
        """Lines of figures."""
        rss = [each.rss // MIB for each in self.taken]
        quiet = [each for each in self.taken if not each.attack]
        fds, threads = [each.descriptors for each in self.taken], [each.threads for each in self.taken]
        wal, stored = max(each.wal for each in self.taken) / MIB, self.taken[-1].stored / MIB
        p50, p99 = _middle([each.p50 for each in quiet]), _middle([each.p99 for each in quiet])
        worst = max(each.p99 for each in self.taken)
        return [
            f"{self.taken[-1].at / 60:.1f} min, {len(self.taken)} samples in {self.file}",
            f"RSS {self.slope('rss', MIB).text('MiB')}; first {rss[0]}, last {rss[-1]}, at most {max(rss)} MiB",
            f"RSS of the callers {self.slope('caller_rss', MIB).text('MiB')}",
            f"descriptors {self.slope('descriptors').text('')}; at most {max(fds)}",
            f"threads {self.slope('threads').text('')}; at most {max(threads)}",
            f"WAL at most {wal:.1f} MiB; databases {self.slope('stored', MIB).text('MiB')}, last {stored:.1f} MiB",
            f"quiet: middle p50 {p50:.1f} ms, p99 {p99:.1f} ms; worst p99 between two samples {worst:.0f} ms",
        ]


def fitted(points: list[tuple[float, float]]) -> Slope:
    """Least squares."""
    count = len(points)
    if count < _FEWEST:
        return Slope(math.nan, math.nan, count)
    mean_x, mean_y = (sum(values) / count for values in zip(*points, strict=True))
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    slope = sum((x - mean_x) * (y - mean_y) for x, y in points) / spread
    residue = sum((y - mean_y - slope * (x - mean_x)) ** 2 for x, y in points)
    return Slope(slope, 2 * math.sqrt(residue / (count - 2) / spread), count)


def _middle(values: list[float]) -> float:
    return sorted(values)[len(values) // 2] if values else math.nan
