"""The limits of each caller: what is let in, what waits, what is refused, and what the log says of it."""

import asyncio
from pathlib import Path

import grpc
import pytest
from google.rpc import error_details_pb2 as details  # type: ignore[import-untyped]
from grpc_status import rpc_status  # type: ignore[import-untyped]

from tests.frames import GET_CONTACT
from tests.server.running import FakeVault, call_bytes, failure, get, place, policy, running
from vault.errors import RateLimited, Unavailable
from vault.pki import spiffe
from vault.policy.model import Policy
from vault.server import limits
from vault.server.handlers import PROOFS, asked_of, given_by
from vault.server.limits import Bucket, Limiter, Visitor
from vault.server.metrics.counts import Counts
from vault.server.port import descriptor
from vault.v1 import contact_service_pb2 as contacts
from vault.v1 import customer_service_pb2 as customers
from vault.v1 import records_pb2 as records

CARE = "spiffe://vault.example/care"
BILLING = "spiffe://vault.example/billing"


def tight(role: str, **keys: float) -> Policy:
    """The tests' policy, with limits of one role."""
    lines = "\n".join(f"{key} = {value}" for key, value in keys.items())
    return policy(f'[limits.callers."spiffe://vault.example/{role}"]\n{lines}')


class Log:
    """Takes what is logged, unless the store is said to be away."""

    def __init__(self) -> None:
        self.entries: list[tuple[str, str, int]] = []
        self.away = False

    async def __call__(self, caller: str, method: str, count: int) -> None:
        """Note it."""
        if self.away:
            raise Unavailable("not now")
        self.entries.append((caller, method, count))


def limiter(of: Policy, log: Log | None = None) -> Limiter:
    """In a running loop."""
    return Limiter(of, Counts(), log or Log())


async def test_a_bucket_fills_at_its_rate_and_no_further_than_its_burst() -> None:
    """By the clock of the calls."""
    bucket = Bucket(rate=10, burst=3, now=0)
    assert bucket.wait(100) == 0
    bucket.tokens -= 3
    assert bucket.wait(100) == pytest.approx(0.1)
    assert bucket.wait(100.11) == 0
    assert bucket.tokens == pytest.approx(1.1)
    bucket.wait(1000)
    assert bucket.tokens == 3


async def test_a_batch_costs_its_items_even_if_its_bucket_is_smaller() -> None:
    """It goes into debt, and the next call waits until that is paid: so the rate holds for any size."""
    visitor = limiter(tight("care", records_per_second=10, burst=10)).visitor(CARE)
    visitor.admit(1e9, searches=False)
    visitor.charge(99)
    with pytest.raises(RateLimited) as refused:
        visitor.admit(1e9, searches=False)
    assert refused.value.after == pytest.approx((100 - 10 + 1) / 10)
    visitor.admit(1e9 + 9.2, searches=False)


async def test_searches_have_a_limit_of_their_own() -> None:
    """Each is a question about every customer; reading goes on."""
    visitor = limiter(tight("care", searches_per_second=1, search_burst=2)).visitor(CARE)
    for _ in range(2):
        visitor.admit(1e9, searches=True)
    with pytest.raises(RateLimited) as refused:
        visitor.admit(1e9, searches=True)
    assert refused.value.limit == "searches"
    visitor.admit(1e9, searches=False)


async def test_one_callers_limit_is_nobody_elses() -> None:
    """And all whom the policy does not name share one, so they cannot fill the memory either."""
    door = limiter(tight("care", records_per_second=1, burst=1))
    door.visitor(CARE).admit(1e9, searches=False)
    with pytest.raises(RateLimited):
        door.visitor(CARE).admit(1e9, searches=False)
    door.visitor(BILLING).admit(1e9, searches=False)
    assert door.visitor("spiffe://vault.example/a") is door.visitor("spiffe://vault.example/b")


async def test_a_new_policy_keeps_what_was_used_up() -> None:
    """Or every change would be a fresh burst."""
    door = limiter(tight("care", records_per_second=1, burst=2))
    for _ in range(2):
        door.visitor(CARE).admit(1e9, searches=False)
    door.adopt(tight("care", records_per_second=1, burst=5))
    with pytest.raises(RateLimited):
        door.visitor(CARE).admit(1e9, searches=False)


async def turns(visitor: Visitor, count: int) -> list["asyncio.Task[None]"]:
    """So many calls that ask for their turn."""
    tasks = [asyncio.create_task(visitor.working.take()) for _ in range(count)]
    await asyncio.sleep(0)
    return tasks


async def test_calls_over_the_limit_wait_for_their_turn_in_order() -> None:
    """Of this caller only."""
    door = limiter(tight("care", concurrent=2))
    visitor = door.visitor(CARE)
    tasks = await turns(visitor, 4)
    assert [task.done() for task in tasks] == [True, True, False, False]
    assert door.waiting == 2
    await asyncio.wait_for(door.visitor(BILLING).working.take(), 1)
    visitor.working.leave()
    await asyncio.sleep(0)
    assert [task.done() for task in tasks] == [True, True, True, False]
    visitor.working.leave()
    await asyncio.wait_for(asyncio.gather(*tasks), 1)
    for _ in range(2):
        visitor.working.leave()
    assert (visitor.working.taken, door.waiting) == (0, 0)


async def test_a_turn_that_nobody_takes_goes_to_the_next() -> None:
    """A caller who left, before or in the moment of its turn."""
    visitor = limiter(tight("care", concurrent=1)).visitor(CARE)
    _, gone, late, last = await turns(visitor, 4)
    gone.cancel()
    await asyncio.sleep(0)
    visitor.working.leave()  # the turn is late's
    late.cancel()  # which has not run since
    await asyncio.gather(gone, late, return_exceptions=True)
    await asyncio.wait_for(last, 1)
    visitor.working.leave()
    assert visitor.working.taken == 0


async def test_waiting_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each call that waits holds its request."""
    monkeypatch.setattr(limits, "WAITING", 2)
    visitor = limiter(tight("care", concurrent=1)).visitor(CARE)
    tasks = await turns(visitor, 3)
    with pytest.raises(RateLimited) as refused:
        await visitor.working.take()
    assert refused.value.limit == "concurrent"
    for task in tasks[1:]:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_flood_is_one_entry_at_once_and_then_one_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a count; and what a store could not take is in the next."""
    monkeypatch.setattr(limits, "LOG_EVERY_S", 0.05)
    log = Log()
    door = limiter(tight("care", burst=1), log)
    visitor, error = door.visitor(CARE), RateLimited("", after=1, limit="records")
    for _ in range(100):
        door.refused(visitor, CARE, "ContactService.GetContact", error)
    await asyncio.sleep(0.01)
    assert log.entries == [(CARE, "ContactService.GetContact", 1)]
    log.away = True
    await asyncio.sleep(0.06)
    log.away = False
    door.refused(visitor, CARE, "ContactService.GetContact", error)
    await door.close()
    assert sum(count for _, _, count in log.entries) == 101
    assert len(log.entries) <= 3
    assert door.counts.limited["care", "records"] == 101


async def test_over_the_limit_is_refused_before_the_request_is_read(tmp_path: Path) -> None:
    """With a reason and RetryInfo; the caller's next call after that time is served, others are all the while."""
    vault = FakeVault(policies=[tight("provisioning", records_per_second=20, burst=3)])
    async with running(place(tmp_path), vault) as server, server.channel() as channel:
        for _ in range(3):
            await get(channel)
        error = await failure(asyncio.gather(*(get(channel) for _ in range(20))))
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        info, retry = details.ErrorInfo(), details.RetryInfo()
        first, second = rpc_status.from_call(error).details
        assert first.Unpack(info)
        assert second.Unpack(retry)
        assert info.reason == "RATE_LIMITED"
        other = server.place.caller(spiffe.parse(CARE))
        async with server.channel(other) as another:
            await get(another)
        await asyncio.sleep(retry.retry_delay.ToNanoseconds() / 1e9 + 0.5)
        await get(channel)
    assert {(caller, method) for caller, method, _ in vault.refused} == {
        ("spiffe://vault.example/provisioning", "ContactService.GetContact")
    }


async def test_a_caller_with_many_calls_at_once_keeps_nobody_waiting(tmp_path: Path) -> None:
    """Two hundred calls that do not end: two are at work, and somebody else is served."""
    release = asyncio.Event()

    async def wait(request: object) -> object:
        if request.customer_id != "quick":  # type: ignore[attr-defined]
            await release.wait()
        return contacts.GetContactResponse()

    vault = FakeVault(wait, policies=[tight("provisioning", concurrent=2)])  # type: ignore[arg-type]
    async with running(place(tmp_path), vault) as server, server.channel() as channel:
        calls = [asyncio.create_task(get(channel)) for _ in range(200)]
        await asyncio.sleep(0.5)
        assert len(vault.calls) == 2
        async with server.channel(server.place.caller(spiffe.parse(CARE))) as another:
            await get(another, "quick")
        assert "vault_calls_waiting 198.0" in (await server.page("/metrics"))[1]
        release.set()
        await asyncio.gather(*calls)
    assert len(vault.finished) == 201


@pytest.mark.parametrize(
    ("method", "asked", "given"),
    [
        ("ContactService.GetContact", "", ""),
        ("ContactService.BatchGetContacts", "customer_ids", ""),
        ("ContactService.FindContacts", "", "contacts"),
        ("PaymentService.BatchGetCards", "record_names", ""),
        ("PaymentService.ListCards", "", "cards"),
        ("CustomerService.BatchCreateCustomers", "requests", ""),
        ("AuditService.ListEntries", "", "entries"),
    ],
)
def test_what_a_call_is_charged_with(method: str, asked: str, given: str) -> None:
    """What it names, or what it returns: so a thief gets no more records by asking for them together."""
    assert (asked_of(descriptor(method)), given_by(descriptor(method))) == (asked, given)


CREATE = "CustomerService.CreateCustomer"


@pytest.mark.parametrize("cards", [0, 1])
async def test_a_request_whose_list_is_empty_costs_one_like_any_other(cards: int, tmp_path: Path) -> None:
    """Or a customer without a card, or a batch of nothing, would be free, and so without a limit."""

    async def done(_request: object) -> object:
        return customers.CreateCustomerResponse()

    policies = [tight("provisioning", records_per_second=0.001, burst=2)]
    vault = FakeVault(done, {CREATE: None}, policies=policies)  # type: ignore[arg-type]
    request = customers.CreateCustomerRequest(cards=[records.Card() for _ in range(cards)]).SerializeToString()
    async with running(place(tmp_path), vault) as server, server.channel() as channel:
        for _ in range(2):
            await call_bytes(channel, "/vault.v1.CustomerService/CreateCustomer", request)
        error = await failure(call_bytes(channel, "/vault.v1.CustomerService/CreateCustomer", request))
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_who_is_over_the_limit_can_still_watch_the_log() -> None:
    """Else its SDK would take refusals for a vault that cannot prove; but proofs are no way around a limit."""
    visitor = limiter(tight("care", records_per_second=1, burst=2)).visitor(CARE)
    visitor.admit(1e9, searches=False)
    visitor.charge(1000)
    for _ in range(2):
        visitor.admit(1e9, searches=False, proofs=True)
    with pytest.raises(RateLimited):
        visitor.admit(1e9, searches=False, proofs=True)
    assert {name for name in PROOFS if given_by(descriptor(name))} == set()


async def test_waiting_for_a_turn_counts_towards_the_default_deadline(tmp_path: Path) -> None:
    """Who gives no deadline does not wait for ever behind its own calls."""
    release = asyncio.Event()

    async def wait(_request: object) -> object:
        await release.wait()
        return contacts.GetContactResponse()

    vault = FakeVault(wait, policies=[tight("provisioning", concurrent=1)])  # type: ignore[arg-type]
    made = place(tmp_path, "default_deadline_seconds = 1")
    async with running(made, vault) as server, server.channel() as channel:
        call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(GET_CONTACT)
        first = asyncio.create_task(get(channel))
        await asyncio.sleep(0.1)
        error = await asyncio.wait_for(failure(call(b"")), 10)
        assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        release.set()
        await first
