"""The same request_id again and again over the network (T20), also after kill -9: one effect and one answer.

tests/abuse/test_replay.py has the rules for each kind of write, inside one process. Here are connections, a server's
process that dies, and size: `--long` sends ten thousand requests, each at least three times.
"""

import asyncio
import itertools
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.protobuf.message import Message

from tests.abuse import disk
from tests.faults.callers import Answer, Callers, Kind
from tests.faults.server import Server
from tests.figures import Figures
from tests.running import RunningVault, make_home, serving
from tests.vaults import card, contact, new_request_id
from vault.errors import InvalidArgument
from vault.v1 import customer_service_pb2 as customers
from vault.v1 import payment_service_pb2 as payments
from vault.v1 import status_pb2 as status

AT_ONCE, CONNECTIONS = 50, 5
AT_WORK = 32
"""Requests under way when the server is killed."""
CREATE, ADD = "CustomerService.CreateCustomer", "PaymentService.AddCard"
ROWS = {CREATE: 3, ADD: 1}
"""How many records one effect makes."""


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[RunningVault]:
    """A server of this test's own, whose rows it counts."""
    with serving(make_home(tmp_path)) as running:
        yield running


def create() -> customers.CreateCustomerRequest:
    """A customer with a contact and a card."""
    return customers.CreateCustomerRequest(contact=contact(), cards=[card()], request_id=new_request_id())


def add(customer_id: str, request_id: str = "") -> payments.AddCardRequest:
    """A card more."""
    return payments.AddCardRequest(customer_id=customer_id, card=card(), request_id=request_id or new_request_id())


def rows(home: Path) -> int:
    """Records that are stored."""
    return len(disk.rows(home / disk.DATA, "records"))


def method_of(request: Message) -> str:
    """Where a request goes."""
    return CREATE if isinstance(request, customers.CreateCustomerRequest) else ADD


async def fifty(connections: list[Callers], *requests: Message) -> list[Answer]:
    """Send the requests in turns, fifty in all, at once over all connections."""
    return await asyncio.gather(*(
        connections[at % CONNECTIONS].send("storefront", method_of(request), request)
        for at, request in zip(range(AT_ONCE), requests * AT_ONCE, strict=False)
    ))  # fmt: skip


async def _at_once(vault: RunningVault, figures: Figures, rounds: int) -> None:
    connections = [Callers(vault.home) for _ in range(CONNECTIONS)]
    duplicates = different = refused = 0
    known = (await connections[0].send("storefront", CREATE, create())).response.customer.customer_id
    try:
        for at in range(rounds):
            request, before = (create(), add(known))[at % 2], rows(vault.home)
            answers = await fifty(connections, request)
            assert {answer.kind for answer in answers} == {Kind.DONE}, answers
            different += len({answer.response.SerializeToString(deterministic=True) for answer in answers}) - 1
            duplicates += rows(vault.home) - before - ROWS[method_of(request)]
            # The same id with another body, at the same moment: one of the two is done, and the other is told.
            id_, before = new_request_id(), rows(vault.home)
            one, other = add(known, id_), add(known, id_)
            other.card_id = "chosen"
            kinds = Counter(_kind(answer) for answer in await fifty(connections, one, other))
            assert kinds == {"done": AT_ONCE // 2, "reused": AT_ONCE // 2}, kinds
            duplicates += rows(vault.home) - before - 1
            refused += kinds["reused"]
            # If that body won, the next round could not.
            await connections[0].send("care", "PaymentService.DeleteCard", _delete(known))
    finally:
        for each in connections:
            await each.close()
    figures(
        f"{rounds * 2} request_ids, each in {AT_ONCE} calls at once over {CONNECTIONS} connections: "
        f"duplicates {duplicates}, different answers {different}, refused for another body {refused}"
    )
    assert (duplicates, different) == (0, 0)


def _delete(customer_id: str) -> payments.DeleteCardRequest:
    """Of the card with the chosen id."""
    return payments.DeleteCardRequest(record_name=f"customers/{customer_id}/cards/chosen")


def _kind(answer: Answer) -> str:
    if answer.kind is Kind.DONE:
        return "done"
    assert isinstance(answer.error, InvalidArgument), answer
    assert answer.error.reason == status.REASON_REQUEST_ID_REUSED
    return "reused"


async def test_fifty_at_once_over_the_network_have_one_effect(vault: RunningVault, figures: Figures) -> None:
    """A sample."""
    await _at_once(vault, figures, rounds=10)


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_ten_thousand_calls_at_once_have_two_hundred_effects(vault: RunningVault, figures: Figures) -> None:
    """Fifty calls for each."""
    await _at_once(vault, figures, rounds=100)


async def _after_kills(home: Path, figures: Figures, *, kills: int, requests: int) -> None:
    """Send, kill, start, send all again, and a third time; then count what is stored."""
    chance, tally, expected = random.Random(20), Counter[str](), 0
    for _ in range(kills):
        batch: list[Message] = [create() for _ in range(requests)]
        first = await _until_killed(home, batch, chance.randrange(1, requests - AT_WORK))
        tally.update(answer.kind.value for answer in first)
        server, callers = await Server.begin(home).ready(), Callers(home)
        try:
            second, third = await _all(callers, batch), await _all(callers, batch)
        finally:
            await callers.close()
            await server.stop()
        for one, two, three in zip(first, second, third, strict=True):
            assert two.kind is three.kind is Kind.DONE, (two, three)
            tally["different answers"] += two.response != three.response
            tally["different answers"] += one.kind is Kind.DONE and one.response != two.response
        expected += ROWS[CREATE] * requests
        tally["duplicates or lost"] += abs(rows(home) - expected)
    figures(f"{kills * requests} requests, each sent three times around {kills} kills: {dict(tally)}")
    assert tally["unknown"], "no kill hit a request that was under way"
    assert (tally["duplicates or lost"], tally["different answers"]) == (0, 0)


async def _until_killed(home: Path, batch: list[Message], answers: int) -> list[Answer]:
    """The first attempt; the server dies when so many are answered.

    Not after some time: on a fast machine all of them are answered by then, and no kill hits a request.
    """
    server, callers = await Server.begin(home).ready(), Callers(home)
    try:
        enough = asyncio.Event()
        sending = asyncio.create_task(_all(callers, batch, enough, answers))
        await enough.wait()
        server.kill()
        await server.ended()
        return await sending
    finally:
        await callers.close()


async def _all(
    callers: Callers, batch: list[Message], enough: asyncio.Event | None = None, many: int = 0
) -> list[Answer]:
    """Send all of them, some at a time; `enough` is set when so many have been answered."""
    turns, answered = asyncio.Semaphore(AT_WORK), itertools.count(1)

    async def one(request: Message) -> Answer:
        async with turns:
            answer = await callers.send("storefront", CREATE, request)
        if next(answered) == many and enough is not None:
            enough.set()
        return answer

    return await asyncio.gather(*map(one, batch))


async def test_a_retry_after_kill_9_has_no_second_effect(tmp_path: Path, figures: Figures) -> None:
    """A sample."""
    await _after_kills(make_home(tmp_path), figures, kills=2, requests=200)


@pytest.mark.long
@pytest.mark.timeout(1200)
async def test_ten_thousand_retries_after_kill_9_have_no_second_effect(tmp_path: Path, figures: Figures) -> None:
    """Twenty kills."""
    await _after_kills(make_home(tmp_path), figures, kills=20, requests=500)
