"""A process: callers, each of whom sends its next request when it has its answer.

A closed loop: the server sets the pace and is never flooded, so latencies are those of a server that is busy and not
of a queue that grows. All callers of a process share a connection, as the tasks of a real service do.
"""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import grpc
import uvloop

from vault.cli.bench import case as cases
from vault.cli.bench import people
from vault.cli.bench.child import say
from vault.cli.bench.empty import SERVICE
from vault.cli.deployment.layout import SERVER_NAME, Layout
from vault.v1.customer_service_pb2 import BatchCreateCustomersRequest, BatchCreateCustomersResponse

_DEADLINE_SECONDS: Final = 30
_BATCH: Final = 100
_BATCHES_AT_ONCE: Final = 4

Call = Callable[[bytes], Awaitable[bytes]]


class Callers:
    """The connections of this process, and how far it is in each case's requests."""

    def __init__(self, home: Layout, targets: Mapping[str, str], number: int, customers: int) -> None:
        """Args as the coordinator gives them; `number` is this process's own."""
        self._home = home
        self._targets = targets
        self._number = number
        self._customers = customers
        self._channels: dict[tuple[str, str], grpc.aio.Channel] = {}
        self._requests: dict[str, Iterator[bytes]] = {}
        self._sizes: dict[str, int] = {}

    async def do(self, command: dict[str, Any]) -> dict[str, Any]:
        """Do what the coordinator says."""
        try:
            if command["do"] == "fill":
                return await self.fill()
            until = _Until(command["seconds"], command.get("calls"))
            return await self.run(command["case"], command["target"], command["callers"], until)
        except grpc.aio.AioRpcError as error:
            # Figures without this call would be figures of something else.
            sys.exit(f"a call failed: {error.code().name}: {error.details()}")

    async def fill(self) -> dict[str, Any]:
        """Store the customers that are read later."""
        create = self._method("storefront", "vault", "/vault.v1.CustomerService/BatchCreateCustomers")
        batches = iter(range(0, self._customers, _BATCH))

        async def send() -> None:
            for start in batches:
                numbers = range(start, min(start + _BATCH, self._customers))
                items = [people.newcomer(people.customer_id(number), number) for number in numbers]
                answer = await create(BatchCreateCustomersRequest(requests=items).SerializeToString())
                results = BatchCreateCustomersResponse.FromString(answer).results
                cases.require(holds=all(result.HasField("created") for result in results))

        await asyncio.gather(*(send() for _ in range(_BATCHES_AT_ONCE)))
        return {"customers": self._customers}

    async def run(self, name: str, target: str, callers: int, until: "_Until") -> dict[str, Any]:
        """Call until it is enough; `target` is "vault", "empty" or, the same without TLS, "plain"."""
        case = cases.calls(name)
        requests = self._requests.setdefault(name, case.requests(self._customers, self._number))
        if name not in self._sizes:
            answer = await self._method(case.role, "vault", f"/vault.v1.{case.method}")(next(requests))
            case.check(answer)
            self._sizes[name] = len(answer)
        path = f"/vault.v1.{case.method}" if target == "vault" else f"/{SERVICE}/{self._sizes[name]}"
        call = self._method(case.role, target, path)
        taken: list[float] = []
        cpu, began = time.process_time(), time.perf_counter()
        await asyncio.gather(*(_call(call, requests, until, taken) for _ in range(callers)))
        return {
            "seconds": time.perf_counter() - began,
            "cpu_seconds": time.process_time() - cpu,
            "taken_us": [round(each * 1_000_000) for each in taken],
        }

    def _method(self, role: str, target: str, path: str) -> Call:
        """A method by its path; bytes in, bytes out."""
        if (role, target) not in self._channels:
            self._channels[role, target] = self._connect(role, target)
        method: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = self._channels[role, target].unary_unary(path)
        return lambda request: method(request, timeout=_DEADLINE_SECONDS)

    def _connect(self, role: str, target: str) -> grpc.aio.Channel:
        options: list[tuple[str, str | int]] = [("grpc.enable_http_proxy", 0)]
        options += [("grpc.max_receive_message_length", 16 << 20)]
        if target == "plain":
            return grpc.aio.insecure_channel(self._targets[target], options=options)
        folder = self._home.caller(role)
        credentials = grpc.ssl_channel_credentials(
            *((folder / file).read_bytes() for file in ("ca.pem", "key.pem", "cert.pem"))
        )
        options += [("grpc.ssl_target_name_override", SERVER_NAME)]
        return grpc.aio.secure_channel(self._targets[target], credentials, options=options)


@dataclass(frozen=True, slots=True)
class _Until:
    """When a caller has called enough."""

    seconds: float
    calls: int | None = None
    """Instead of the time."""

    def reached(self, began: float, calls: int) -> bool:
        """Whether that is now; `calls` of all callers."""
        return time.perf_counter() - began >= self.seconds if self.calls is None else calls >= self.calls


async def _call(call: Call, requests: Iterator[bytes], until: _Until, taken: list[float]) -> None:
    began = time.perf_counter()
    while not until.reached(began, len(taken)):
        sent = time.perf_counter()
        await call(next(requests))
        taken.append(time.perf_counter() - sent)


def _main(home: str, targets: str, number: str, customers: str) -> None:
    callers = Callers(Layout(Path(home)), json.loads(targets), int(number), int(customers))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        for line in sys.stdin:
            say(runner.run(callers.do(json.loads(line))))


if __name__ == "__main__":
    _main(*sys.argv[1:])
