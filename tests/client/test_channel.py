"""What every call has: a deadline, a request_id, a turn; and what a closed client says."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from tests.client.conftest import CARD
from tests.client.fake_vault import FakeVault
from vault.client import BillingClient, Contact, StorefrontClient, connection
from vault.client.care import CareClient, ProvisioningClient
from vault.errors import OutcomeUnknown, Unavailable
from vault.v1 import payment_service_pb2


async def test_two_writes_never_share_a_salt_or_a_request_id(vault: FakeVault, storefront: StorefrontClient) -> None:
    """Drawn for each call."""
    for _ in range(2):
        await storefront.add_card("42", CARD)
    one, other = vault.requests["AddCard"]
    assert one.request_id != other.request_id
    assert one.card.sealed[0].salt != other.card.sealed[0].salt


async def test_every_call_has_a_deadline(
    vault: FakeVault, storefront: StorefrontClient, billing: BillingClient
) -> None:
    """Ten seconds, thirty for batches; gRPC itself would wait for ever."""
    await storefront.add_card("42", CARD, card_id="a")
    await billing.get_card("customers/42/cards/a")
    await billing.batch_get_cards(["customers/42/cards/a"])
    assert len(vault.remaining) == sum(vault.calls.values()) >= 6
    assert all(remaining is not None and 5 < remaining < 31 for remaining in vault.remaining)
    assert any(remaining > 20 for remaining in vault.remaining if remaining is not None)


async def test_a_silent_vault_is_given_up(vault: FakeVault, connect: Callable[..., ProvisioningClient]) -> None:
    """The deadline ends the call on this side too, once and not for each attempt."""
    vault.before["GetCard"] = vault.before["AddCard"] = lambda _: asyncio.sleep(60)
    calls = connect(ProvisioningClient)._connection
    with pytest.raises(Unavailable, match="DEADLINE_EXCEEDED"):
        await calls.call(calls.payments.GetCard, payment_service_pb2.GetCardRequest(), deadline=0.2)
    with pytest.raises(OutcomeUnknown):
        await calls.call(calls.payments.AddCard, payment_service_pb2.AddCardRequest(), deadline=0.2)
    assert vault.calls["GetCard"] == vault.calls["AddCard"] == 1


async def test_a_thousand_calls_at_once_take_turns(vault: FakeVault, connect: Callable[..., CareClient]) -> None:
    """A server refuses more than it takes from one connection; the client waits instead of failing itself."""
    care = connect(CareClient)
    await care.put_contact("42", Contact(name="Ada"))
    full = asyncio.Event()

    def wait_until_full(_: object) -> Awaitable[object]:
        if vault.under_way == connection.MAX_CALLS:
            full.set()
        return full.wait()

    vault.before["GetContact"] = wait_until_full
    found = await asyncio.gather(*(care.get_contact("42") for _ in range(1500)))
    assert {contact.name for contact in found} == {"Ada"}
    assert vault.most_under_way == connection.MAX_CALLS


async def test_waiting_for_a_turn_ends_with_the_deadline(
    vault: FakeVault, connect: Callable[..., ProvisioningClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And says that nothing was sent, for a write too."""
    monkeypatch.setattr(connection, "MAX_CALLS", 1)
    vault.before["AddCard"] = lambda _: asyncio.sleep(60)
    calls = connect(ProvisioningClient)._connection
    one, other = (
        asyncio.create_task(calls.call(calls.payments.AddCard, payment_service_pb2.AddCardRequest(), deadline=seconds))
        for seconds in (0.4, 0.2)
    )
    with pytest.raises(Unavailable, match=r"nothing was sent: .* other calls"):
        await other
    with pytest.raises(OutcomeUnknown):
        await one
    assert vault.calls["AddCard"] == 1


async def test_a_cancelled_call_gives_its_turn_back(
    vault: FakeVault, connect: Callable[..., CareClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether it was under way or waiting."""
    monkeypatch.setattr(connection, "MAX_CALLS", 1)
    vault.before["GetCustomer"] = lambda _: asyncio.sleep(60)
    care = connect(CareClient)
    under_way, waiting = (asyncio.create_task(care.get_customer("42")) for _ in range(2))
    await asyncio.sleep(0.1)
    for task in (waiting, under_way):
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    del vault.before["GetCustomer"]
    assert (await care.get_customer("42")).customer.customer_id == "42"


async def test_a_closed_client_says_so(connect: Callable[..., StorefrontClient]) -> None:
    """In our words and not in those of gRPC; nothing was sent."""
    storefront = connect(StorefrontClient)
    await storefront.close()
    for _ in range(2):
        with pytest.raises(Unavailable, match="nothing was sent: this client is closed"):
            await storefront.get_policy()
        with pytest.raises(Unavailable, match="this client is closed"):
            await storefront.add_card("42", CARD)


async def test_closing_ends_the_calls_under_way(vault: FakeVault, connect: Callable[..., CareClient]) -> None:
    """Their callers are told, and not cancelled: nobody asked for that."""
    vault.before["GetCustomer"] = vault.before["DeleteContact"] = lambda _: asyncio.sleep(60)
    care = connect(CareClient)
    read = asyncio.create_task(care.get_customer("42"))
    write = asyncio.create_task(care.delete_contact("42"))
    await asyncio.sleep(0.1)
    await care.close()
    with pytest.raises(Unavailable, match="closed before the answer"):
        await read
    with pytest.raises(OutcomeUnknown, match="closed before the answer"):
        await write
