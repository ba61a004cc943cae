"""A process that is told what to do in lines of JSON, and answers in lines of JSON.

Each side of a measurement is a process of its own: in one process they would share an interpreter's lock, and one
side's garbage would be collected on the other side's time.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Self

from vault.errors import Unavailable

_STOP_SECONDS: Final = 15
_TICKS: Final = os.sysconf("SC_CLK_TCK")


def say(answer: Mapping[str, object]) -> None:
    """Answer; in the child."""
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


class Child:
    """A module of ours, run by this Python."""

    def __init__(self, module: str, *arguments: str, log: Path) -> None:
        """Start it; what it says beside its answers goes to the file `log`."""
        self._log = log
        with log.open("wb") as error:
            self._process = subprocess.Popen(  # noqa: S603 - this interpreter, and a module of ours
                [sys.executable, "-m", module, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=error,
                text=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(BrokenPipeError):  # what it did not read any more
                _pipe(pipe).close()

    def tell(self, **command: object) -> None:
        """Tell it to do something.

        Raises:
            Unavailable: it has ended.
        """
        try:
            _pipe(self._process.stdin).write(json.dumps(command) + "\n")
            _pipe(self._process.stdin).flush()
        except BrokenPipeError:
            raise self._ended() from None

    def answer(self) -> dict[str, Any]:
        """Wait for its next answer.

        Raises:
            Unavailable: it has ended; its last words are in the error.
        """
        line = _pipe(self._process.stdout).readline()
        if not line:
            raise self._ended()
        answer: dict[str, Any] = json.loads(line)
        return answer

    def ask(self, **command: object) -> dict[str, Any]:
        """Tell, and wait."""
        self.tell(**command)
        return self.answer()

    def cpu_seconds(self) -> float:
        """Time that all its threads have had on a core, in user and system mode."""
        return cpu_seconds_of(self._process.pid)

    def memory_mib(self) -> float:
        """What it has in memory now, in MiB: its resident set, with libraries that it shares with others."""
        status = Path(f"/proc/{self._process.pid}/status").read_text(encoding="ascii", errors="replace")
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:")) / 1024

    def forget_peak(self) -> None:
        """Let `peak_mib` begin now."""
        Path(f"/proc/{self._process.pid}/clear_refs").write_text("5", encoding="ascii")

    def peak_mib(self) -> float:
        """The most that it had in memory since, in MiB."""
        status = Path(f"/proc/{self._process.pid}/status").read_text(encoding="ascii", errors="replace")
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")) / 1024

    def _ended(self) -> Unavailable:
        # Made-up customers are all that it knows, so its words may be shown.
        last = self._log.read_text(encoding="utf-8", errors="replace").strip().rpartition("\n")[2]
        return Unavailable(f"a process of the bench ended: {last or 'without a word'}")


def cpu_seconds_of(pid: int) -> float:
    """Time that all threads of a process have had on a core, in user and system mode."""
    # After the name, which ends with the last parenthesis: field 3 is the first, utime is 14, stime 15.
    after = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(after[11]) + int(after[12])) / _TICKS


def _pipe(pipe: IO[str] | None) -> IO[str]:
    if pipe is None:
        raise Unavailable("a process of the bench has no pipe")
    return pipe
