"""The mail gateway, from the mail server before it to the next one: messages/s, and what memory a message takes.

Messages of 10 KiB from 16 clients, in batches; a batch is over when the last of it has arrived at a sink that does
nothing. Alone: into the gateway, durable in the vault, out of it and gone. With a Postfix (if there is one here and we
are root): from one Postfix port to the other, through the gateway, and in the same run without it (`bench.postfix`).

Memory is the highest resident set of the gateway while messages of 25 MiB go in and out, less what it had before, for
each of them.
"""

import asyncio
import shutil
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any, Final

from vault.cli.bench import apart, figures, postfix
from vault.cli.bench.apart import Desk
from vault.cli.bench.case import Special
from vault.cli.bench.child import Child
from vault.cli.bench.figures import Goal
from vault.cli.bench.place import Place
from vault.cli.bench.rounds import Plan
from vault.cli.deployment.layout import Layout
from vault.errors import Unavailable
from vault.gateway.body import Body
from vault.gateway.next_hop import Address, NextHop
from vault.gateway.port import Envelope, Recipient
from vault.gateway.session import Speech
from vault.gateway.wire import HungUp, Wire

_KIB: Final = 1024
_SIZE: Final = 10 * _KIB
_LARGE: Final = 25 * _KIB * _KIB
_CLIENTS: Final = 16
_LARGE_AT_ONCE: Final = 4
_EACH_SECOND: Final = 200
"""Messages of a batch, for each second of the plan."""
_MOST_MIB: Final = 4.0
_PATIENCE_S: Final = 120.0
_LINE: Final = b"0123456789abcdef" * 4 + b"\r\n"
_PIECE: Final = _LINE * 990
_HEAD: Final = b"From: somebody@bench.example\r\nSubject: bench\r\n\r\n"
_FROM: Final = Envelope("somebody@bench.example", ())
_TO: Final = Recipient("someone@bench.example")


class Apart:
    """Both ends: clients that send, and a sink that takes."""

    def __init__(self, _: Desk) -> None:
        self._server: asyncio.Server | None = None
        self._arrived = 0
        self._wanted = 0
        self._all = asyncio.Event()

    async def do(self, command: dict[str, Any]) -> dict[str, Any]:
        """Open the sink; or send `count` messages of `size` bytes to a port, and wait until all have arrived."""
        if command["do"] == "listen":
            self._server = await asyncio.start_server(self._take, "127.0.0.1", 0)
            return {"port": self._server.sockets[0].getsockname()[1]}
        self._arrived, self._wanted = 0, command["count"]
        self._all.clear()
        address = Address("127.0.0.1", command["port"], Speech(command["speech"]))
        left = iter(range(command["count"]))
        began = time.perf_counter()
        async with asyncio.timeout(_PATIENCE_S):
            await asyncio.gather(*(_send(address, left, command["size"]) for _ in range(command["at_once"])))
            await self._all.wait()
        return {"per_s": command["count"] / (time.perf_counter() - began)}

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        wire = Wire(reader, writer, _PATIENCE_S)
        wire.write(b"220 sink\r\n")
        try:
            await self._talk(wire)
        except (HungUp, TimeoutError):
            wire.abort()
        await wire.close()

    async def _talk(self, wire: Wire) -> None:
        while True:
            await wire.flush()
            match (await wire.line(4096))[:4].upper():
                case b"EHLO":
                    wire.write(b"250-sink\r\n250-PIPELINING\r\n250 8BITMIME\r\n")
                case b"DATA":
                    wire.write(b"354 go on\r\n")
                    await wire.flush()
                    body = Body(1 << 40)
                    while body.rest is None:
                        body.feed(await wire.some())
                    wire.put_back(body.rest)
                    wire.write(b"250 2.0.0 taken\r\n")
                    self._count()
                case b"QUIT":
                    wire.write(b"221 2.0.0 goodbye\r\n")
                    return
                case _:
                    wire.write(b"250 2.0.0 fine\r\n")

    def _count(self) -> None:
        self._arrived += 1
        if self._arrived >= self._wanted:
            self._all.set()


async def _send(address: Address, left: Iterator[int], size: int) -> None:
    """One client, with a connection of its own."""
    hop = await NextHop.connect(address, "client.bench.example", _PATIENCE_S)
    for _ in left:
        [reply] = await hop.deliver(_FROM, [_TO], _text(size), size)
        if not reply.taken:
            raise Unavailable(f"a message of the bench was not taken: {reply}")
    await hop.quit()


async def _text(size: int) -> AsyncIterator[bytes]:
    yield _HEAD
    for start in range(len(_HEAD), size, len(_PIECE)):
        yield _PIECE[: max(size - start, 2) - 2] + b"\r\n" if size - start < len(_PIECE) else _PIECE


@contextmanager
def _gateway(at: Place, name: str, port: int, hop: int) -> Iterator[Child]:
    """A gateway as users run it, with the settings that `init` wrote, between two ports."""
    folder = at.folder / name
    shutil.copytree(Layout(at.home).caller("mail"), folder)
    client, settings = folder / "client.toml", folder / "gateway.toml"
    lines = client.read_text(encoding="utf-8").splitlines(keepends=True)
    told = [f'target = "{at.addresses["vault"]}"\n' if line.startswith("target =") else line for line in lines]
    client.write_text("".join(told), encoding="utf-8")
    text = settings.read_text(encoding="utf-8").replace(":10024", f":{port}").replace(":10026", f":{hop}")
    settings.write_text(text.replace(":9445", ":0"), encoding="utf-8")
    with at.start(name, "vault.cli", "mail-gateway", "--config", str(settings), "--json") as gateway:
        gateway.answer()
        yield gateway


def _measure(at: Place, plan: Plan) -> dict[str, Any]:
    found: dict[str, tuple[str, list[float]]] = {}
    notes = []
    with at.start("mail-ends", *apart.arguments("mail_gateway", at)) as ends:
        sink = ends.ask(do="listen")["port"]
        _alone(at, plan, ends, sink, found)
        if why := postfix.why_not():
            notes.append(f"not beside a Postfix: {why}.")
        else:
            _beside_postfix(at, plan, ends, sink, found)
    memory = figures.spread(found["memory of a message"][1])["median"]
    return figures.special(found, [Goal("memory of a message", memory, most=_MOST_MIB)], notes=notes)


def _batch(plan: Plan, port: int, speech: str = "smtp") -> dict[str, Any]:
    count = max(2 * _CLIENTS, round(_EACH_SECOND * plan.seconds))
    return {"do": "send", "port": port, "speech": speech, "count": count, "size": _SIZE, "at_once": _CLIENTS}


def _alone(at: Place, plan: Plan, ends: Child, sink: int, found: dict[str, tuple[str, list[float]]]) -> None:
    [port] = postfix.free_ports(1)
    with _gateway(at, "gateway-alone", port, sink) as gateway:
        large = {"size": _LARGE, "count": _LARGE_AT_ONCE, "at_once": _LARGE_AT_ONCE}
        ends.ask(**_batch(plan, port, "lmtp"))
        found["gateway alone"] = ("/s", [ends.ask(**_batch(plan, port, "lmtp"))["per_s"] for _ in range(plan.rounds)])
        memory = []
        for _ in range(plan.rounds):
            before = gateway.memory_mib()
            gateway.forget_peak()
            ends.ask(**_batch(plan, port, "lmtp") | large)
            memory.append(max(0.0, gateway.peak_mib() - before) / _LARGE_AT_ONCE)
        found["memory of a message"] = ("MiB", memory)


def _beside_postfix(at: Place, plan: Plan, ends: Child, sink: int, found: dict[str, tuple[str, list[float]]]) -> None:
    vault, plain, gateway, back = postfix.free_ports(4)
    ports = postfix.Ports(vault, plain, gateway, back, sink)
    with _gateway(at, "gateway-postfix", ports.gateway, ports.back), postfix.running(ports):
        for port in (ports.vault, ports.plain):
            ends.ask(**_batch(plan, port))
        rates = [
            [ends.ask(**_batch(plan, port))["per_s"] for port in (ports.vault, ports.plain)] for _ in range(plan.rounds)
        ]
    found["Postfix, gateway, Postfix"] = ("/s", [ours for ours, _ in rates])
    found["Postfix, Postfix"] = ("/s", [theirs for _, theirs in rates])
    found["ratio_to_postfix"] = ("", [ours / theirs for ours, theirs in rates])


CASE = Special(_measure)
