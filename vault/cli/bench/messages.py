"""Messages of three sizes, stored or fetched with the SDK, beside a plain gRPC stream of the same chunks.

The plain stream has the vault's TLS, limits and event loop, and its chunks are as large as sealed ones; it seals,
opens, logs and stores nothing. Both sides are called by the same process, which seals or opens what the vault gets: a
mail server's work is in the figure, as it is in a mail server's day.

Memory is the highest resident set of a vault while bodies of 25 MiB move at the same time, less what it had before, for
each of them. That is a fresh server for each figure, which has moved one small message and nothing else: one that has
served the other sizes has their memory still, and would use it again unseen.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import grpc

from vault.cli.bench import apart, empty, figures
from vault.cli.bench.apart import Desk
from vault.cli.bench.case import require
from vault.cli.bench.child import Child
from vault.cli.bench.figures import Goal
from vault.cli.bench.place import Place, new_home
from vault.cli.bench.rounds import Plan
from vault.client import MailClient, MailEnvelope, channel
from vault.v1 import mail_service_pb2 as api

KIB: Final = 1024
MIB: Final = 1024 * KIB
SIZES: Final = {"10 KiB": (10 * KIB, 16), "1 MiB": (MIB, 4), "25 MiB": (25 * MIB, 2)}
"""Bytes of a body, and how many move at a time."""
SMALLEST: Final = "10 KiB"
LARGEST: Final = "25 MiB"
_AT_ONCE: Final = 4
"""Bodies that move while memory is measured."""
_LEAST: Final = 0.6
_MOST_MIB: Final = 4.0
_PIECE: Final = bytes(range(256)) * 256
_OWNER: Final = "domains/bench.example"
_ENVELOPE: Final = MailEnvelope(("someone@bench.example",), "somebody@bench.example")


class Mailer:
    """A mail server, as far as the vault sees one."""

    def __init__(self, desk: Desk) -> None:
        self._settings = desk.settings("mail")
        self._mail = MailClient(self._settings)
        self._plain: grpc.aio.Channel | None = None
        self._names: dict[int, str] = {}

    async def do(self, command: dict[str, Any]) -> dict[str, Any]:
        """Move bodies of `size` bytes for `seconds`, `at_once` of them; `fetch` and `given` read what `hold` stored.

        `hold` answers with the name of what it stored, or is told the name of what another mail server did.
        """
        size = command.get("size", 0)
        match command["do"]:
            case "hold":
                self._names[size] = command.get("name") or await self._stored(size)
                return {"name": self._names[size]}
            case "drain":
                return {"gone": await self._drained()}
            case "store":
                return await self._many(lambda: self._stored(size), command)
            case "fetch":
                return await self._many(lambda: self._fetched(size), command)
            case "taken":
                return await self._many(lambda: self._sent(size, command["empty"]), command)
            case _:
                return await self._many(lambda: self._received(size, command["empty"]), command)

    async def _many(self, move: Callable[[], Awaitable[object]], command: dict[str, Any]) -> dict[str, Any]:
        """So many at a time, each at least once; how many in a second."""
        began, done = time.perf_counter(), 0

        async def work() -> None:
            nonlocal done
            while True:
                await move()
                done += 1
                if time.perf_counter() - began >= command["seconds"]:
                    return

        await asyncio.gather(*(work() for _ in range(command["at_once"])))
        return {"per_s": done / (time.perf_counter() - began)}

    async def _stored(self, size: int) -> str:
        return (await self._mail.store(_OWNER, _ENVELOPE, _body(size))).record_name

    async def _fetched(self, size: int) -> None:
        length = 0
        async with self._mail.fetch(self._names[size]) as message:
            async for chunk in message.chunks():
                length += len(chunk)
            require(holds=message.verified and length == size)

    async def _sent(self, size: int, target: str) -> None:
        call: Any = self._channel(target).stream_unary(empty.TAKE)()
        for _ in range(_chunks(size) - 1):
            await call.write(empty.CHUNK)
        await call.write(empty.CHUNK[: _last(size)])
        await call.done_writing()
        require(holds=await call == b"")

    async def _received(self, size: int, target: str) -> None:
        method: Any = self._channel(target).unary_stream(empty.give(_chunks(size), _last(size)))
        require(holds=len([len(chunk) async for chunk in method(b"")]) == _chunks(size))

    async def _drained(self) -> int:
        gone = 0
        while claimed := (await self._mail.claim(100)).messages:
            for each in claimed:
                result = api.DeliveryResult(recipient=0, state=api.RECIPIENT_STATE_DELIVERED)
                await self._mail.complete(each.message.record_name, each.lease_id, [result])
                gone += 1
        return gone

    def _channel(self, target: str) -> grpc.aio.Channel:
        if self._plain is None:
            credentials = grpc.ssl_channel_credentials(
                self._settings.ca, self._settings.private_key.reveal(), self._settings.certificate
            )
            named = [("grpc.ssl_target_name_override", self._settings.server_name)]
            self._plain = grpc.aio.secure_channel(target, credentials, options=channel.options() + named)
        return self._plain


def _chunks(size: int) -> int:
    return -(-size // len(_PIECE))


def _last(size: int) -> int:
    """Bytes of the last chunk, sealed."""
    return size - (_chunks(size) - 1) * len(_PIECE) + len(empty.CHUNK) - len(_PIECE)


async def _body(size: int) -> AsyncIterator[bytes]:
    for start in range(0, size, len(_PIECE)):
        yield _PIECE[: size - start]


def measure(
    at: Place,
    plan: Plan,
    case: str,
    vault: str,
    plain: str,
    bare: Callable[[Path, int, float], float] | None = None,
) -> dict[str, Any]:
    """One direction: what the worker is told for the vault's side, and for the plain one.

    Args:
        at: where.
        plan: how long.
        case: whose worker it is.
        vault: what the worker is told.
        plain: the same for the plain stream.
        bare: messages/s of the work that the design demands beside the stream, done by itself.
    """
    found: dict[str, tuple[str, list[float]]] = {}
    with at.start(case, *apart.arguments(case, at)) as mailer:
        for name, (size, at_once) in SIZES.items():
            told = {"size": size, "at_once": at_once, "empty": at.addresses["empty"]}
            mailer.ask(do="hold", size=size)
            for side in (vault, plain):
                mailer.ask(do=side, **told, seconds=min(0.3, plan.seconds / 4))
            rates = [
                [mailer.ask(do=side, **told, seconds=plan.seconds / 2)["per_s"] for side in (vault, plain)]
                for _ in range(plan.rounds)
            ]
            found[f"{name}: messages"] = ("/s", [ours for ours, _ in rates])
            found[f"{name}: bytes"] = ("MiB/s", [ours * size / MIB for ours, _ in rates])
            found[f"{name}: plain stream"] = ("MiB/s", [theirs * size / MIB for _, theirs in rates])
            found[f"{name}: ratio_to_stream"] = ("", [ours / theirs for ours, theirs in rates])
        best = _best(at, plan, bare, found) if bare else None
        if bare:
            for what, server, side in (("plain stream", at.empty, plain), ("vault", at.vault, vault)):
                taken = zip(("server", "caller"), _cores(at, plan, (server, mailer), side), strict=True)
                found |= {f"{LARGEST}: {what}, cores of the {whose}": ("", [cores]) for whose, cores in taken}
        mailer.ask(do="drain")
    found["memory of a stream"] = ("MiB", [_memory(at, case, vault) for _ in range(plan.rounds if plan.full else 1)])
    ratio = f"{LARGEST}: ratio_to_stream"
    goals = [
        Goal(ratio, figures.spread(found[ratio][1])["median"], least=_LEAST, floor=best),
        Goal("memory of a stream", figures.spread(found["memory of a stream"][1])["median"], most=_MOST_MIB),
    ]
    return figures.special(found, goals)


def _best(
    at: Place, plan: Plan, bare: Callable[[Path, int, float], float], found: dict[str, tuple[str, list[float]]]
) -> float:
    """What the ratio would be if nothing but the bare work held a message up; measured while all else stands still."""
    size = SIZES[LARGEST][0]
    alone = [bare(at.folder, size, plan.seconds / 2) * size / MIB for _ in range(plan.rounds)]
    found[f"{LARGEST}: bare store"] = ("MiB/s", alone)
    both = list(zip(alone, found[f"{LARGEST}: plain stream"][1], strict=True))
    found[f"{LARGEST}: stream, then bare store"] = ("of the stream", [ours / (ours + theirs) for ours, theirs in both])
    return min(1.0, figures.spread([ours / theirs for ours, theirs in both])["median"])


def _cores(at: Place, plan: Plan, processes: tuple[Child, Child], side: str) -> list[float]:
    """How many cores a server and its caller, the second of them, take while bodies move."""
    size, at_once = SIZES[LARGEST]
    began, before = time.perf_counter(), [each.cpu_seconds() for each in processes]
    processes[1].ask(do=side, size=size, at_once=at_once, empty=at.addresses["empty"], seconds=plan.seconds)
    seconds = time.perf_counter() - began
    return [(each.cpu_seconds() - was) / seconds for each, was in zip(processes, before, strict=True)]


def _memory(at: Place, case: str, side: str) -> float:
    """MiB above what a fresh server had before, for each of the bodies that move at a time."""
    small, large = SIZES[SMALLEST][0], SIZES[LARGEST][0]
    with TemporaryDirectory(prefix="memory-", dir=at.folder) as folder:
        home = new_home(Path(folder) / "vault")
        with _fresh(at, case, home) as (_, mailer):
            held = {size: mailer.ask(do="hold", size=size)["name"] for size in (small, large)}
        with _fresh(at, case, home) as (server, mailer):
            for size, name in held.items():
                mailer.ask(do="hold", size=size, name=name)
            mailer.ask(do=side, size=small, at_once=1, seconds=0)
            before = server.memory_mib()
            server.forget_peak()
            mailer.ask(do=side, size=large, at_once=_AT_ONCE, seconds=0)
            return max(0.0, server.peak_mib() - before) / _AT_ONCE


@contextmanager
def _fresh(at: Place, case: str, home: Path) -> Iterator[tuple[Child, Child]]:
    """A server that has served nobody, and a mail server for it."""
    with at.start("memory-vault", "vault.cli", "serve", str(home), "--json") as server:
        address = server.answer()["ready"]
        with at.start("memory-mailer", "vault.cli.bench.apart", case, str(home), address) as mailer:
            yield server, mailer
