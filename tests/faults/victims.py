"""Whom an attack must not disturb: callers that measure, and a server whose memory and descriptors are watched.

Calls before and during an attack are made in turns within one run, since the speed of a shared machine changes more
from minute to minute than an attack changes it. Times are printed and never asserted; that every call was answered is.
"""

import asyncio
import contextlib
import statistics
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from typing import Self

import grpc
import psutil

from tests.abuse.heist import dial, send
from tests.faults.holds import CROWD
from tests.running import RunningVault
from tests.vaults import contact, new_request_id
from vault.v1 import contact_service_pb2 as contacts
from vault.v1 import customer_service_pb2 as customers

CUSTOMERS = 100
PAUSE = 0.005
"""Between two calls of a caller: the machine must not be full before the attack begins."""
MIB = 1 << 20


@dataclass(slots=True)
class Calls:
    """What callers saw."""

    seconds: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        """Counts and quantiles."""
        if not self.seconds:
            return f"no answers, errors {dict(self.errors)}"
        p50, p99 = quantiles(self.seconds)
        errors = sum(self.errors.values())
        said = f" {dict(self.errors)}" if errors else ""
        return f"{len(self.seconds)} calls, errors {errors}{said}, p50 {p50:.1f} ms, p99 {p99:.1f} ms"


def quantiles(seconds: list[float]) -> tuple[float, float]:
    """p50 and p99, in milliseconds."""
    if len(seconds) < 2:
        return seconds[0] * 1000, seconds[0] * 1000
    cuts = statistics.quantiles(seconds, n=100, method="inclusive")
    return cuts[49] * 1000, cuts[98] * 1000


@dataclass(frozen=True, slots=True)
class Vitals:
    """A process as the system sees it."""

    rss: int
    descriptors: int
    threads: int

    @classmethod
    def of(cls, pid: int) -> "Vitals":
        """Look now."""
        process = psutil.Process(pid)
        return cls(process.memory_info().rss, process.num_fds(), process.num_threads())


class Watch:
    """Keeps the most that a process used while it was watched."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self.first = self.most = Vitals.of(pid)

    def look(self) -> Vitals:
        """Look again."""
        now = Vitals.of(self._pid)
        self.most = Vitals(
            max(self.most.rss, now.rss),
            max(self.most.descriptors, now.descriptors),
            max(self.most.threads, now.threads),
        )
        return now

    async def back_to(self, descriptors: int, *, within: float = 15) -> Vitals:
        """Look until the process has no more descriptors than that; at the latest after so many seconds."""
        ends = time.monotonic() + within
        while (now := self.look()).descriptors > descriptors and time.monotonic() < ends:  # noqa: ASYNC110 - no event
            await asyncio.sleep(0.1)
        return now

    @contextlib.asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Look ten times a second."""

        async def keep_looking() -> None:
            while True:
                self.look()
                await asyncio.sleep(0.1)

        task = asyncio.create_task(keep_looking())
        try:
            yield
        finally:
            task.cancel()


async def crowd(vault: RunningVault) -> None:
    """Create a hundred customers whom the attacker knows, with contacts as long as they may be."""
    long = contact(name="N" * 200, street="S" * 200, city="C" * 100, region="R" * 100)
    batch = customers.BatchCreateCustomersRequest(
        requests=[
            customers.CreateCustomerRequest(customer_id=f"{CROWD}{at:02}", contact=long) for at in range(CUSTOMERS)
        ]
    )
    async with dial(vault, "storefront") as storefront:
        raw = await send(storefront, "CustomerService.BatchCreateCustomers", batch.SerializeToString())
    results = customers.BatchCreateCustomersResponse.FromString(raw).results
    assert not [each for each in results if each.HasField("error")], results[0]


class Callers:
    """Three that read and one that writes, each with a connection of its own, until they are told to stop."""

    def __init__(self, vault: RunningVault) -> None:
        self._vault = vault
        self._stack = contextlib.AsyncExitStack()
        self._work: list[tuple[grpc.aio.Channel, str, bytes]] = []

    async def __aenter__(self) -> Self:
        """Create the customers and connect."""
        ids = [f"victim-{new_request_id()}" for _ in range(2)]
        storefront = await self._stack.enter_async_context(dial(self._vault, "storefront"))
        for each in ids:
            request = customers.CreateCustomerRequest(customer_id=each, contact=contact())
            await send(storefront, "CustomerService.CreateCustomer", request.SerializeToString())
        for role, purpose in (*[("provisioning", "service_provisioning")] * 2, ("care", "account_service")):
            channel = await self._stack.enter_async_context(dial(self._vault, role))
            get = contacts.GetContactRequest(customer_id=ids[0], purpose=purpose)
            self._work.append((channel, "ContactService.GetContact", get.SerializeToString()))
        put = contacts.PutContactRequest(customer_id=ids[1], contact=contact(city="Graz"))
        self._work.append((storefront, "ContactService.PutContact", put.SerializeToString()))
        return self

    async def __aexit__(self, *_: object) -> None:
        """Hang up."""
        await self._stack.aclose()

    async def call(self, seconds: float, into: Calls) -> None:
        """Call for so long."""
        ends = time.monotonic() + seconds
        await asyncio.gather(*(self._one(*work, ends, into) for work in self._work))

    async def _one(self, channel: grpc.aio.Channel, method: str, raw: bytes, ends: float, into: Calls) -> None:
        while (start := time.monotonic()) < ends:
            try:
                await send(channel, method, raw)
            except grpc.aio.AioRpcError as error:
                into.errors[f"{method} {error.code().name}: {error.details()}"] += 1
            else:
                into.seconds.append(time.monotonic() - start)
            await asyncio.sleep(PAUSE)


def together(parts: Iterable[Calls]) -> Calls:
    """All of them as one."""
    whole = Calls()
    for part in parts:
        whole.seconds += part.seconds
        whole.errors += part.errors
    return whole
