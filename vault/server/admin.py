"""The admin port: three pages over plain HTTP, for this machine only.

    GET /metrics   all figures, as Prometheus reads them
    GET /healthz   200 while the process is alive and its event loop turns
    GET /readyz    200 if calls can be served, 503 if not; why, and what else asks for somebody, as JSON

Plain HTTP, because it listens on the loopback alone (settings refuse any other address): nobody but this machine's own
users can listen in, and there is nothing to steal, as no page holds an id or a value. Monitoring that comes from
another machine comes through a proxy or an agent that has TLS and knows its users. It runs on the event loop of the
server: if the loop hangs, these pages hang, and that is what a probe must see.

Only who asks for this machine by a name of its own is answered: a browser that runs here opens the loopback to any page
whose domain says that it is 127.0.0.1 (DNS rebinding), and sends that domain as Host. The names of vaults' files that
/readyz may hold are nobody's business on the web.

The reader of requests is the smallest that will do. It takes a request line and headers of at most 8 KiB within five
seconds, answers one request and closes; at most sixteen at a time, so that it can take nothing from calls.
"""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from vault.errors import ConfigError
from vault.server.logs import exception, log

_HEAD_BYTES: Final = 8 * 1024
_SECONDS: Final = 5.0
_AT_ONCE: Final = 16
_TEXTS: Final = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    421: "Misdirected Request",
    500: "Internal Server Error",
}
_TEXTS[503] = "Service Unavailable"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a page says."""

    status: int
    body: bytes
    content_type: str = "text/plain; charset=utf-8"


Pages = Mapping[str, Callable[[], Awaitable[Answer]]]


def document(status: int, content: object) -> Answer:
    """A page of JSON."""
    return Answer(status, json.dumps(content).encode() + b"\n", "application/json")


class Admin:
    """The port."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages
        self._server: asyncio.Server | None = None
        self._free = asyncio.Semaphore(_AT_ONCE)

    async def start(self, listen: str) -> str:
        """Listen; return where.

        Raises:
            ConfigError: the address cannot be had.
        """
        host, _, port = listen.rpartition(":")
        try:
            server = await asyncio.start_server(self._serve, host.strip("[]"), int(port), limit=_HEAD_BYTES)
        except OSError:
            why = f"cannot listen on {listen}: another process has it; choose another port, or remove [admin]"
            raise ConfigError("vault.toml", "admin.listen", why) from None
        self._server = server
        return f"{host}:{server.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        """Take no more requests; one under way is short."""
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_SECONDS), self._free:
                answer = await self._answer(reader)
                writer.write(_head(answer) + answer.body)
                await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # whoever does not ask properly, or hangs up, gets nothing
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader) -> Answer:
        first, *headers = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")
        if not all(map(_asks_for_us, headers)):
            return Answer(421, b"Host must be localhost or a loopback address: let your proxy send 127.0.0.1\n")
        match first.split(b" "):
            case [b"GET", target, b"HTTP/1.1" | b"HTTP/1.0"]:
                page = self._pages.get(target.partition(b"?")[0].decode("latin-1"))
            case [_, _, b"HTTP/1.1" | b"HTTP/1.0"]:
                return Answer(405, b"only GET\n")
            case _:
                return Answer(400, b"not HTTP/1.1\n")
        if page is None:
            return Answer(404, b"there are /metrics, /healthz and /readyz\n")
        try:
            return await page()
        except Exception as error:  # noqa: BLE001 - its text may hold anything; the log gets its type and place
            log.error("a page of the admin port failed", **exception(error))
            return Answer(500, b"see the server's log\n")


def _asks_for_us(header: bytes) -> bool:
    """Whether a header is any but Host, or names this machine."""
    name, _, value = header.decode("latin-1").partition(":")
    if name.strip().lower() != "host":
        return True
    try:
        host = urlsplit(f"//{value.strip()}").hostname or ""
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _head(answer: Answer) -> bytes:
    lines = (
        f"HTTP/1.1 {answer.status} {_TEXTS[answer.status]}",
        f"Content-Type: {answer.content_type}",
        f"Content-Length: {len(answer.body)}",
        "Cache-Control: no-store",
        "Connection: close",
    )
    return "\r\n".join((*lines, "", "")).encode()
