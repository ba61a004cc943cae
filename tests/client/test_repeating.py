"""What is sent again: the same bytes, where that is harmless, and not for ever."""

import asyncio
import itertools
from collections.abc import Callable

import grpc
import pytest
from google.protobuf import message_factory

from tests.client.conftest import CARD
from tests.client.fake_vault import FakeVault, api_methods
from vault.client import BillingClient, StorefrontClient
from vault.client.connection import DEADLINE
from vault.client.repeating import PAUSES, is_read, may_repeat, pauses
from vault.errors import NotFound, OutcomeUnknown, RateLimited, Unavailable

CANCELLED, UNAVAILABLE = grpc.StatusCode.CANCELLED, grpc.StatusCode.UNAVAILABLE


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many pauses as for a vault that never answered, but short."""
    monkeypatch.setattr("vault.client.connection.pauses", lambda **_: iter((0.01,) * len(PAUSES)))


def test_only_harmless_methods_are_repeated() -> None:
    """Reads, and writes with a request_id: read from the API, whose requests are named after their methods."""
    requests = {each.name: message_factory.GetMessageClass(each.input_type) for each in api_methods()}
    assert all(kind.DESCRIPTOR.name == f"{name}Request" for name, kind in requests.items())
    harmful = {"PublishEpoch", "RegisterPurposeKey", "ResealEpochs", "RunRetention"}
    harmful |= {"StoreMessage", "ClaimMessages", "FetchMessage", "ExtendLease"}
    # Answers that are streams may have been seen in part: their clients go on, or begin again, by themselves.
    harmful |= {"ExportCustomer", "ReportAccess", "WatchOrders"}
    assert {name for name, kind in requests.items() if not may_repeat(kind)} == harmful
    writes = {name for name, kind in requests.items() if not is_read(kind)} - harmful
    assert all("request_id" in requests[name].DESCRIPTOR.fields_by_name for name in writes)
    assert {"AddCard", "PutContact", "EraseCustomer"} <= writes


def failing(times: int) -> Callable[[object], None]:
    """Unavailable so many times."""
    left = [times]

    def fail(_request: object) -> None:
        if left[0]:
            left[0] -= 1
            raise Unavailable("not now")

    return fail


@pytest.mark.parametrize("code", [CANCELLED, UNAVAILABLE])
async def test_a_repeated_write_is_the_same_bytes(
    code: grpc.StatusCode, vault: FakeVault, storefront: StorefrontClient
) -> None:
    """The same envelopes, the same salts, the same request_id: one effect, whatever broke."""
    vault.cut["AddCard"] = [code]
    vault.before["AddCard"] = failing(1)
    await storefront.add_card("42", CARD)
    sent = {request.SerializeToString() for request in vault.requests["AddCard"]}
    assert vault.calls["AddCard"] == 3
    assert len(sent) == 1
    assert vault.requests["AddCard"][0].request_id


async def test_repeating_ends(vault: FakeVault, billing: BillingClient, storefront: StorefrontClient) -> None:
    """After six attempts the caller is told; of a write whose connection broke, that nobody knows."""
    vault.before["GetCard"] = failing(99)
    with pytest.raises(Unavailable, match="not now"):
        await billing.get_card("customers/42/cards/7f3a")
    vault.cut["GetCustomer"] = [CANCELLED] * 99
    with pytest.raises(Unavailable, match=r"no answer came \(CANCELLED"):
        await billing.get_customer("42")
    vault.cut["AddCard"] = [CANCELLED] * 99
    with pytest.raises(OutcomeUnknown):
        await storefront.add_card("42", CARD)
    assert vault.calls["GetCard"] == vault.calls["GetCustomer"] == vault.calls["AddCard"] == len(PAUSES) + 1 == 6


async def test_what_may_have_been_done_once_stays_unknown(vault: FakeVault, storefront: StorefrontClient) -> None:
    """A later attempt that certainly did nothing says nothing of the first."""
    vault.cut["AddCard"] = [CANCELLED]
    vault.before["AddCard"] = failing(99)
    with pytest.raises(OutcomeUnknown, match=r"an earlier attempt may have been done: not now"):
        await storefront.add_card("42", CARD)


async def test_what_certainly_did_nothing_is_unavailable(vault: FakeVault, storefront: StorefrontClient) -> None:
    """The vault said so each time, of a write too."""
    vault.before["AddCard"] = failing(99)
    with pytest.raises(Unavailable, match="not now"):
        await storefront.add_card("42", CARD)


async def test_publishing_is_repeated_only_if_nothing_was_done(vault: FakeVault, storefront: StorefrontClient) -> None:
    """An epoch whose publication is in doubt is given up, and the next attempt makes another; no card was written."""
    vault.before["PublishEpoch"] = failing(1)
    vault.cut["PublishEpoch"] = [CANCELLED]
    with pytest.raises(Unavailable, match="nothing was sealed or written"):
        await storefront.add_card("42", CARD)
    assert (vault.calls["PublishEpoch"], vault.calls["AddCard"]) == (1, 0)
    await storefront.add_card("42", CARD)
    first, *others = (request.epoch_id for request in vault.requests["PublishEpoch"])
    assert len(others) == 2
    assert len({*others}) == 1
    assert first not in others


async def test_other_errors_are_not_repeated(vault: FakeVault, billing: BillingClient) -> None:
    """NotFound is an answer."""
    with pytest.raises(NotFound):
        await billing.get_card("customers/42/cards/7f3a")
    vault.cut["GetCustomer"] = [grpc.StatusCode.INTERNAL]
    with pytest.raises(Unavailable):
        await billing.get_customer("42")
    assert vault.calls["GetCard"] == vault.calls["GetCustomer"] == 1


def test_a_known_vault_is_waited_for_until_the_deadline() -> None:
    """A vault that never answered is given three seconds: most likely `target` is wrong."""
    assert 3 < sum(pauses(known=False)) < 4
    assert sum(itertools.islice(pauses(known=True), 100)) > 60
    longest = PAUSES[-1] * 1.2
    assert longest < DEADLINE / 5, "the last attempt is near the deadline"


@pytest.mark.parametrize("away", [0.5, 4.5])
async def test_a_vault_that_comes_back_is_found(
    vault: FakeVault, billing: BillingClient, monkeypatch: pytest.MonkeyPatch, away: float
) -> None:
    """Calls that find nobody wait for it, so that a restart fails nobody, on a slow machine either."""
    monkeypatch.setattr("vault.client.connection.pauses", pauses)
    await billing.get_customer("42")
    await vault.stop()
    calls = [asyncio.create_task(billing.get_customer(str(number))) for number in range(30)]
    await asyncio.sleep(away)
    await vault.start(vault.target)
    assert [(await call).customer.customer_id for call in calls] == [str(number) for number in range(30)]


async def test_a_vault_that_is_away(vault: FakeVault, storefront: StorefrontClient, billing: BillingClient) -> None:
    """Nothing was sent, so nothing is in doubt, of a write either."""
    await storefront.add_card("42", CARD)
    await vault.stop()
    for call in (billing.get_card("customers/42/cards/7f3a"), storefront.add_card("42", CARD)):
        with pytest.raises(Unavailable, match="nothing was sent: nobody listens at `target`: see that the server runs"):
            await call


async def test_a_caller_over_its_limit_comes_back_less_and_less_often(vault: FakeVault, billing: BillingClient) -> None:
    """However short the vault says to wait: else its refusals would be most of what the vault has to do."""

    def limited(_request: object) -> None:
        raise RateLimited("too many", after=0.0001)

    vault.before["GetCard"] = limited
    task = asyncio.create_task(billing.get_card("customers/42/cards/7f3a"))
    await asyncio.sleep(1)
    assert 3 <= vault.calls["GetCard"] <= 10
    del vault.before["GetCard"]
    with pytest.raises(NotFound):
        await task
