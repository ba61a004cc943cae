"""`customer-vault serve` in a process of its own, as an operator runs it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from vault.cli.demo.screen import NotSo

_STARTS_S: Final = 20.0
_STOPS_S: Final = 15.0
_LOOKS_S: Final = 0.05


def command(*arguments: str | Path) -> list[str]:
    """`customer-vault …`, whether or not it is on the path."""
    return [sys.executable, "-m", "vault.cli", *map(str, arguments)]


class Server:
    """A server that answers; `stop` ends it in order, `kill` in any case."""

    def __init__(self, home: Path, folder: Path) -> None:
        """Start it, and wait until it says that it answers.

        Args:
            home: the vault's folder.
            folder: where its output and its log go.

        Raises:
            NotSo: it ended, or did not answer in time.
        """
        self.log = folder / "server.log"
        said = folder / "server.out"
        with said.open("wb") as out, self.log.open("wb") as err:
            self._process = subprocess.Popen(command("serve", home, "--json"), stdout=out, stderr=err)  # noqa: S603 - our own command
        try:
            self.address = self._ready(said)
        except BaseException:
            self.kill()
            raise

    def _ready(self, said: Path) -> str:
        until = time.monotonic() + _STARTS_S
        while time.monotonic() < until:
            line = said.read_text(encoding="utf-8")
            if line.endswith("\n"):
                return str(json.loads(line)["ready"])
            if self._process.poll() is not None:
                raise NotSo(f"the server starts (it ended with exit code {self._process.returncode})")
            time.sleep(_LOOKS_S)
        raise NotSo("the server answers in time")

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Nothing of it moves in the meantime: what is on the disk is what a power cut would leave there."""
        os.kill(self._process.pid, signal.SIGSTOP)
        try:
            # WEXITED as well: one that ended meanwhile never stops.
            os.waitid(os.P_PID, self._process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
            yield
        finally:
            os.kill(self._process.pid, signal.SIGCONT)

    def stop(self) -> int:
        """Ask it to end; its exit code.

        Raises:
            NotSo: it did not end in time.
        """
        self._process.terminate()
        try:
            return self._process.wait(_STOPS_S)
        except subprocess.TimeoutExpired:
            raise NotSo("the server stops in time") from None

    def kill(self) -> None:
        """End it at once, if it still runs."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
