"""A thousand card numbers through every method, well and badly, then a search of everything that is left (T21).

Cards that an SDK sealed may be nowhere at all. Those that were written in plain, and those that were put where they do
not belong, may pass through the server's memory and be nowhere else: not in an answer to a refusal, the output, the
server's log, its databases with their write-ahead logs, the audit log, the metrics, a temporary or a core file.
"""

import asyncio
import contextlib
import itertools
import os
import re
import shutil
import signal
import time
import urllib.request
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor import MethodDescriptor

from tests.abuse.canaries import Person, Scanner, people
from tests.abuse.heist import dial
from tests.faults import memory
from tests.faults.stuffing import stuffed
from tests.figures import Figures
from tests.running import RunningVault, make_home, serving
from vault.client import BillingClient, CareClient, NewCustomer, StorefrontClient
from vault.errors import VaultError
from vault.policy import load as policy_file
from vault.policy.methods import served
from vault.policy.model import Policy

CANARIES = 1000
_SEALED, _PLAIN = range(200), range(200, 300)
"""Stored as cards; the rest goes where it does not belong."""
_DIGITS = re.compile(rb"4(?:\d{15}|(?:\0\d){15}|(?:[ -]?\d){15})")
_STATUS_DETAILS = "grpc-status-details-bin"


@dataclass
class Channels:
    """What came out, by channel."""

    calls: int = 0
    refusals: list[bytes] = field(default_factory=list)
    answers: list[bytes] = field(default_factory=list)
    metrics: bytes = b""
    """What the admin port showed at the end."""


class Numbers:
    """Gives the numbers, again and again; `rounds` counts how often all of them were given."""

    def __init__(self, numbers: Iterable[str]) -> None:
        self._numbers = list(numbers)
        self.given = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        self.given += 1
        return self._numbers[(self.given - 1) % len(self._numbers)]

    @property
    def rounds(self) -> int:
        """Whole rounds."""
        return self.given // len(self._numbers)


def methods() -> Iterator[tuple[str, MethodDescriptor]]:
    """Every served method."""
    for name in sorted(served()):
        service, _, method = name.partition(".")
        file = re.sub(r"(?<=[a-z])([A-Z])", r"_\1", service).lower()
        pool = import_module(f"vault.v1.{file}_pb2").DESCRIPTOR.services_by_name[service]
        yield name, pool.methods_by_name[method]


@pytest.fixture(scope="module")
def crowd() -> list[Person]:
    """Whose card numbers are looked for."""
    return people(CANARIES, seed=21, prefix="canary-")


async def _store(vault: RunningVault, crowd: list[Person]) -> None:
    """The ways that are meant for it: sealed by the SDK, and in plain; then read by who may."""
    async with (
        StorefrontClient.open(vault.caller("storefront")) as storefront,
        BillingClient.open(vault.caller("billing")) as billing,
        CareClient.open(vault.caller("care")) as care,
    ):
        for span, sealed in ((_SEALED, True), (_PLAIN, False)):
            for batch in (span[i : i + 100] for i in range(0, len(span), 100)):
                wanted = [NewCustomer(p.customer_id, p.contact(), [p.card()]) for p in (crowd[i] for i in batch)]
                done = await storefront.batch_create_customers(wanted, sealed=sealed)
                assert not any(isinstance(each, VaultError) for each in done)
        for person in (*crowd[_SEALED.start : 200 : 10], *crowd[_PLAIN.start : 300 : 10]):
            (card,) = await billing.list_cards(person.customer_id)
            assert card.card_number == person.card_number  # type: ignore[union-attr]
            assert (await care.get_contact(person.customer_id)).name == person.name


async def _misuse(vault: RunningVault, policy: Policy, numbers: Numbers, victim: str) -> Channels:
    """Every method, every text of its request, by who may call it and by who may not; and around the message."""
    out = Channels()
    folders = {name: name.rpartition("/")[2] for name in policy.callers}
    roles = {
        role: folders[name]
        for name, caller in policy.callers.items()
        for role in caller.roles
        if vault.caller(folders[name]).is_dir()
    }
    good = {
        "customer_id": victim,
        "customer_ids": [victim],
        "record_name": f"customers/{victim}/cards/none",
        "record_names": [f"customers/{victim}/cards/none"],
    }
    async with contextlib.AsyncExitStack() as stack:
        channels = {role: await stack.enter_async_context(dial(vault, name)) for role, name in sorted(roles.items())}
        every = itertools.cycle(methods())
        # Every method at least once, and as often as it takes for every number.
        for done, (name, method) in enumerate(every):
            if done >= len(served()) and numbers.rounds:
                break
            may = [role for role in sorted(roles) if policy.may_call(name, frozenset({role}))]
            may_not = sorted(roles.keys() - set(may))
            for role in (may[0], *may_not[:1]):
                for request in stuffed(method, numbers, good):
                    raw = request.SerializeToString()
                    await _send(out, channels[role], name, raw)
                    await _send(out, channels[role], name, raw[:-1] + b"\xff")
                pan = next(numbers)
                await _send(out, channels[role], name, pan.encode(), ("x-note", pan), ("x-note-bin", pan.encode()))
            await _send(out, channels[may[0]], f"{name}.{next(numbers)}", b"")
    return out


async def _one(raw: bytes) -> AsyncIterator[bytes]:
    yield raw


async def _send(
    out: Channels, channel: grpc.aio.Channel, method: str, raw: bytes, *metadata: tuple[str, str | bytes]
) -> None:
    """One call of whatever arity: on the wire a single message is a stream of one."""
    service, _, name = method.partition(".")
    dialled: Any = channel.stream_stream(f"/vault.v1.{service}/{name}")
    call = dialled(_one(raw), timeout=20, metadata=metadata)
    out.calls += 1
    try:
        async for answer in call:
            out.answers.append(answer)
    except grpc.aio.AioRpcError as error:
        trailing = error.trailing_metadata() or ()
        details = [bytes(value) for key, value in trailing if key == _STATUS_DETAILS and isinstance(value, bytes)]
        out.refusals.append(repr((error.details(), trailing)).encode() + b"".join(details))


def _in_memory(process: int, numbers: set[bytes]) -> int:
    """How many of the numbers lie in a process's memory, at least once."""
    found = {re.sub(rb"\D", b"", hit) for page in memory.pages(process) for hit in _DIGITS.findall(page)}
    return len(found & numbers)


def _files(*folders: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for folder in folders for path in folder.rglob("*") if path.is_file()}


@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    "wait_s", [pytest.param(0, id="at-once"), pytest.param(120, id="after-a-while", marks=pytest.mark.long)]
)
def test_a_card_number_is_found_nowhere_outside(
    tmp_path: Path, crowd: list[Person], figures: Figures, wait_s: int
) -> None:
    """In every channel none; in memory none that was sealed by its sender."""
    home = make_home(tmp_path)
    config = home / "vault.toml"
    config.write_text(config.read_text().replace('level = "info"', 'level = "debug"'))
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    policy = policy_file.load(home / "policy.toml", require_keys=True)
    misplaced = Numbers(person.card_number for person in crowd[_PLAIN.stop :])
    sealed = {crowd[i].card_number.encode() for i in _SEALED}
    others = {person.card_number.encode() for person in crowd} - sealed
    with serving(home, TMPDIR=str(temporary)) as vault:
        asyncio.run(_store(vault, crowd))
        out = asyncio.run(_misuse(vault, policy, misplaced, crowd[0].customer_id))
        out.metrics = _metrics(vault)
        lying = _look(vault, sealed, others, figures, wait_s)
        shutil.copytree(home / "data", tmp_path / "data")
        shutil.copytree(home / "keys", tmp_path / "keys")
        vault.process.send_signal(signal.SIGABRT)
        vault.process.wait(timeout=30)
        stdout = (vault.process.stdout.read() if vault.process.stdout else "").encode()
    channels = {
        "refusals": b"\n".join(out.refusals),
        "answers": b"\n".join(out.answers),
        "output": stdout,
        "log of the server": (tmp_path / "vault.log").read_bytes(),
        "metrics": out.metrics,
        "databases": b"\n".join(_files(tmp_path / "data", tmp_path / "keys").values()),
        "temporary files": b"\n".join(_files(temporary).values()),
    }
    scanner = Scanner([person.card_number for person in crowd])
    hits = {name: len(scanner.hits(raw)) for name, raw in channels.items()}
    figures(
        f"{CANARIES} numbers, {out.calls} calls, {len(out.refusals)} refused; hits: "
        + ", ".join(f"{name} {count} ({len(channels[name]) >> 10} KiB)" for name, count in hits.items())
    )
    assert misplaced.rounds >= 1
    assert len(out.refusals) > CANARIES / 2
    assert b"vault_calls_total" in out.metrics
    assert not any(hits.values()), hits
    assert not list(tmp_path.rglob("core*")), "a core file was written"
    assert lying == 0


def _look(vault: RunningVault, sealed: set[bytes], others: set[bytes], figures: Figures, wait_s: int) -> int:
    """Look through the memory now, and again after a while with other calls; how many sealed numbers lie in it."""
    pid = vault.process.pid
    if os.geteuid() != 0:
        with pytest.raises(PermissionError):
            next(memory.pages(pid))
        figures("memory: refused to anybody but root")
        return 0
    first = _in_memory(pid, sealed), _in_memory(pid, others)
    figures(f"memory: {first[0]} of {len(sealed)} sealed numbers, {first[1]} of {len(others)} that came in plain")
    if wait_s:
        asyncio.run(_live_on(vault, wait_s))
        later = _in_memory(pid, sealed), _in_memory(pid, others)
        figures(f"memory after {wait_s} s and other calls: {later[0]} sealed, {later[1]} that came in plain")
        assert later[1] <= first[1]
    return first[0]


async def _live_on(vault: RunningVault, seconds: int) -> None:
    """Other customers come and are read."""
    until = time.monotonic() + seconds
    async with StorefrontClient.open(vault.caller("storefront")) as storefront:
        for number in itertools.count():
            person = people(1, seed=number + 5000, prefix=f"later-{number}-")[0]
            await storefront.create_customer(NewCustomer(person.customer_id, person.contact(), []))
            await asyncio.sleep(0.05)
            if time.monotonic() > until:
                return


def _metrics(vault: RunningVault) -> bytes:
    """The page of the admin port, whose address is the second line that the server prints."""
    assert vault.process.stdout is not None
    line = vault.process.stdout.readline()
    found = re.search(r"http://[^/]+/metrics", line)
    assert found, line
    with urllib.request.urlopen(found[0], timeout=10) as page:  # noqa: S310 - loopback
        return bytes(page.read())
