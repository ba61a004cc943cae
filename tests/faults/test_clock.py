"""T7: the wall clock of a server under load jumps 2 hours back, and 400 days ahead.

No nonce, no order and no repeat of a request depends on it: every call succeeds, every repeat is answered as the first
time, every read sees the last write, the log verifies. What must depend on it fails closed and comes back: certificates
that have expired by then are refused, and what destroys the old is held back until an operator has looked.

The clients' clock is the true one: only the server's is in doubt. Its monotonic clock is left alone.
"""

import asyncio
import itertools
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from tests.abuse import disk
from tests.faults.callers import Answer, Callers, Kind
from tests.faults.server import Server
from tests.figures import Figures
from tests.parts import faketime_library
from tests.running import RunningVault, make_home
from vault.audit.entry import parse
from vault.pki import spiffe
from vault.pki.authority import DevelopmentCA
from vault.v1 import contact_service_pb2 as contacts
from vault.v1 import customer_service_pb2 as customers
from vault.v1.records_pb2 import Contact

pytestmark = pytest.mark.needs("faketime")
BACK, AHEAD, TRUE = "-2h", "+400d", "+0"
LONG_LIVED = ("storefront", "provisioning")


@dataclass(frozen=True, slots=True)
class Clock:
    """The wall clock of a server, in the test's hand."""

    file: Path

    def environment(self) -> dict[str, str]:
        """What the server is started with."""
        return {
            "LD_PRELOAD": str(faketime_library()),
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_NO_CACHE": "1",
            "NO_FAKE_STAT": "1",
        }

    def jump(self, offset: str) -> None:
        """From now on the server's clock is that much off."""
        self.file.write_text(offset)


@dataclass(slots=True)
class Load:
    """Writers that repeat what they did, whatever the clock says meanwhile."""

    callers: Callers
    done: list[tuple[customers.CreateCustomerRequest, Answer]] = field(default_factory=list)
    calls: int = 0
    repeats: int = 0
    broken: list[str] = field(default_factory=list)

    async def run(self, seconds: float, first: str) -> None:
        """Three callers at a time."""
        until = asyncio.get_running_loop().time() + seconds
        await asyncio.gather(*(self._caller(f"{first}-{number}", until) for number in range(3)))

    async def _caller(self, prefix: str, until: float) -> None:
        for turn in itertools.count():
            if asyncio.get_running_loop().time() > until:
                return
            await self._turn(f"{prefix}-{turn}")

    async def _turn(self, who: str) -> None:
        """Create, repeat, change, read back; then repeat something from before the last jumps."""
        create = customers.CreateCustomerRequest(
            customer_id=who, contact=Contact(name=f"First {who}", city="Bonn"), request_id=str(uuid.uuid4())
        )
        answer = await self._send("storefront", "CustomerService.CreateCustomer", create)
        self.done.append((create, answer))
        await self.repeat(len(self.done) - 1)
        put = contacts.PutContactRequest(customer_id=who, contact=Contact(name=f"Second {who}", city="Bonn"))
        await self._send("storefront", "ContactService.PutContact", put)
        get = contacts.GetContactRequest(customer_id=who, purpose="service_provisioning")
        read = await self._send("provisioning", "ContactService.GetContact", get)
        if read.kind is Kind.DONE and read.response.contact.name != f"Second {who}":
            self.broken.append(f"{who} reads as {read.response.contact.name}")
        await self.repeat(0)

    async def repeat(self, index: int) -> None:
        """The same request again has the first one's answer."""
        request, first = self.done[index]
        again = await self._send("storefront", "CustomerService.CreateCustomer", request)
        self.repeats += 1
        if again.response != first.response:
            self.broken.append(f"{request.customer_id}: the repeat was answered otherwise: {again.error}")

    async def _send(self, role: str, method: str, request: object) -> Answer:
        answer = await self.callers.send(role, method, request)  # type: ignore[arg-type]
        self.calls += 1
        if answer.kind is not Kind.DONE:
            self.broken.append(f"{method}: {answer.error!r}")
        return answer


@pytest.fixture
async def home(tmp_path: Path) -> Path:
    """A vault; it and two of its callers have certificates that last for years."""
    folder = await asyncio.to_thread(make_home, tmp_path)
    ca, now = DevelopmentCA.load(folder / "ca"), datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)
    for name in ("cert.pem", "key.pem"):
        (folder / "server" / name).unlink()
    server, ips = spiffe.parse("spiffe://vault.example/vault"), [IPv4Address("127.0.0.1")]
    ca.issue(server, now=now, lifetime=timedelta(days=1000), dns=["localhost"], ips=ips).save(folder / "server")
    for role in LONG_LIVED:
        for name in ("cert.pem", "key.pem"):
            (folder / "callers" / role / name).unlink()
        name = spiffe.parse(f"spiffe://vault.example/{role}")
        ca.issue(name, now=now, lifetime=timedelta(days=1000)).save(folder / "callers" / role)
    return folder


@asynccontextmanager
async def served(home: Path, clock: Clock) -> AsyncIterator[Server]:
    """A server with this clock."""
    server = Server.begin(home, clock.environment())
    try:
        yield await server.ready()
    finally:
        await server.stop()


def entries(home: Path) -> list[str]:
    """The actions in the log, in order."""
    rows = sorted(disk.rows(home / disk.DATA, "log_entries"), key=lambda row: row[1])
    return [parse(row[2]).action for row in rows]


async def through_jumps(home: Path, clock: Clock, seconds: float, rounds: int) -> Load:
    """Load, with the clock going back, to the truth, ahead, and to the truth again."""
    async with served(home, clock), Callers(home) as callers:
        load = Load(callers)
        for number in range(rounds):
            for offset in (TRUE, BACK, TRUE, AHEAD, TRUE, AHEAD, BACK):
                clock.jump(offset)
                await load.run(seconds, f"r{number}{offset[1:]}{'b' if offset == BACK else 'a'}{load.calls}")
        clock.jump(TRUE)
        for index in range(0, len(load.done), 7):
            await load.repeat(index)
    return load


def judge(home: Path, load: Load, figures: Figures) -> None:
    """Nothing broke, in the answers or in the stores."""
    counts = Counter(entries(home))
    verified = RunningVault(home, "", None).json("audit", "verify", str(home))  # type: ignore[arg-type]
    key_ids = [row[2] for row in disk.rows(home / disk.KEYS, "key_places")]
    figures(
        f"{load.calls} calls through jumps of {BACK} and {AHEAD}, {load.repeats} of them repeats; breaks "
        f"{len(load.broken)}; {len(load.done)} customers, each created once; {len(key_ids)} key ids, all different"
    )
    assert not load.broken, load.broken[:5]
    assert verified["ok"]
    assert len(set(key_ids)) == len(key_ids)
    assert len({request.customer_id for request, _ in load.done}) == len(load.done)
    assert counts["CustomerService.CreateCustomer"] == len(load.done) + load.repeats
    assert len(disk.rows(home / disk.DATA, "requests")) == len(load.done)


@pytest.mark.timeout(300)
async def test_nothing_breaks_while_the_clock_jumps(home: Path, tmp_path: Path, figures: Figures) -> None:
    """A sample: each jump for a second."""
    clock = Clock(tmp_path / "offset")
    clock.jump(TRUE)
    judge(home, await through_jumps(home, clock, 1.0, 1), figures)


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_nothing_breaks_while_the_clock_jumps_for_minutes(home: Path, tmp_path: Path, figures: Figures) -> None:
    """T7: long enough for the server to notice by itself, and to hold back what destroys."""
    clock = Clock(tmp_path / "offset")
    clock.jump(TRUE)
    judge(home, await through_jumps(home, clock, 25.0, 1), figures)
    assert "Vault.HoldDeletions" in entries(home)


@pytest.mark.timeout(300)
async def test_certificates_that_have_expired_by_then_are_refused_until_the_clock_is_right(
    home: Path, tmp_path: Path
) -> None:
    """On a connection that is open, and on a new one; care's certificate lasts 90 days."""
    clock = Clock(tmp_path / "offset")
    clock.jump(TRUE)
    request = contacts.GetContactRequest(customer_id="nobody", purpose="account_service")

    async def answered(callers: Callers) -> bool:
        answer = await callers.send("care", "ContactService.GetContact", request, deadline=5)
        return type(answer.error).__name__ == "NotFound"

    async with served(home, clock), Callers(home) as callers:
        assert await answered(callers)
        clock.jump(AHEAD)
        refused = await callers.send("care", "ContactService.GetContact", request)
        assert type(refused.error).__name__ == "Unauthenticated", refused
        async with Callers(home) as others:
            assert not await answered(others)
        clock.jump(TRUE)
        assert await answered(callers)
        async with Callers(home) as others:
            assert await answered(others)


@pytest.mark.timeout(300)
async def test_a_start_in_another_year_destroys_nothing_until_an_operator_confirms(
    home: Path, tmp_path: Path, figures: Figures
) -> None:
    """Nor does the next start, with the clock put right: what was written meanwhile carries the other time."""
    clock = Clock(tmp_path / "offset")
    clock.jump(TRUE)
    async with served(home, clock), Callers(home) as callers:
        load = Load(callers)
        await load.run(1.0, "before")
    remembered = len(disk.rows(home / disk.DATA, "requests"))
    assert remembered
    for offset in (AHEAD, TRUE):
        clock.jump(offset)
        async with served(home, clock), Callers(home) as callers:
            await asyncio.sleep(1)
            load.callers = callers
            await load.repeat(0)
        assert len(disk.rows(home / disk.DATA, "requests")) == remembered
    vault = RunningVault(home, "", None)  # type: ignore[arg-type]
    clock_findings = [f for f in vault.json("doctor", str(home))["findings"] if f["check"] == "clock"]
    assert "what is old is not destroyed" in clock_findings[0]["what"]
    vault.run("clock", "confirm", str(home), "--yes")
    async with served(home, clock):
        await asyncio.sleep(1)
    held = [action for action in entries(home) if action in {"Vault.HoldDeletions", "Vault.ConfirmClock"}]
    figures(f"{remembered} remembered requests outlived a start 400 days ahead; the log says {held}")
    assert held == ["Vault.HoldDeletions", "Vault.HoldDeletions", "Vault.ConfirmClock"]
    assert not load.broken
