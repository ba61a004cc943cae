"""What every call has: a deadline, a request_id, retries where they are harmless."""

import asyncio
import json
from collections.abc import Callable

import pytest

from tests.client.conftest import CARD
from tests.client.fake_vault import FakeVault
from vault.client import BillingClient, StorefrontClient, channel
from vault.client.care import ProvisioningClient
from vault.errors import DeadlineExceeded, NotFound, OutcomeUnknown, Unavailable
from vault.v1 import payment_service_pb2


def test_only_harmless_methods_are_repeated() -> None:
    """Reads, and writes with a request_id: read from the API."""
    config = json.loads(channel.service_config())
    [policy] = config["methodConfig"]
    assert policy["retryPolicy"]["retryableStatusCodes"] == ["UNAVAILABLE"]
    repeated = {name["method"] for name in policy["name"]}
    every = {method.name for method in channel.methods()}
    assert every - repeated == {"PublishEpoch", "RegisterPurposeKey", "ResealEpochs"}


def failing(times: int) -> Callable[[object], None]:
    """Unavailable so many times."""
    left = [times]

    def fail(_request: object) -> None:
        if left[0]:
            left[0] -= 1
            raise Unavailable("not now")

    return fail


async def test_a_repeated_write_is_the_same_bytes(vault: FakeVault, storefront: StorefrontClient) -> None:
    """The same envelopes, the same salts, the same request_id: one effect."""
    vault.before["AddCard"] = failing(2)
    await storefront.add_card("42", CARD)
    sent = {request.SerializeToString() for request in vault.requests["AddCard"]}
    assert vault.calls["AddCard"] == 3
    assert len(sent) == 1
    assert vault.requests["AddCard"][0].request_id


async def test_two_writes_never_share_a_salt_or_a_request_id(vault: FakeVault, storefront: StorefrontClient) -> None:
    """Drawn for each call."""
    for _ in range(2):
        await storefront.add_card("42", CARD)
    one, other = vault.requests["AddCard"]
    assert one.request_id != other.request_id
    assert one.card.sealed[0].salt != other.card.sealed[0].salt


async def test_repeating_ends(vault: FakeVault, billing: BillingClient) -> None:
    """After four attempts the caller is told."""
    vault.before["GetCard"] = failing(99)
    with pytest.raises(Unavailable):
        await billing.get_card("customers/42/cards/7f3a")
    assert vault.calls["GetCard"] == 4


async def test_publishing_is_not_repeated(vault: FakeVault, storefront: StorefrontClient) -> None:
    """An epoch whose publication failed is given up, and the next attempt makes another."""
    vault.before["PublishEpoch"] = failing(1)
    with pytest.raises(Unavailable):
        await storefront.add_card("42", CARD)
    assert vault.calls["PublishEpoch"] == 1
    await storefront.add_card("42", CARD)
    one, other = vault.requests["PublishEpoch"]
    assert one.epoch_id != other.epoch_id


async def test_other_errors_are_not_repeated(vault: FakeVault, billing: BillingClient) -> None:
    """NotFound is an answer."""
    with pytest.raises(NotFound):
        await billing.get_card("customers/42/cards/7f3a")
    assert vault.calls["GetCard"] == 1


async def test_every_call_has_a_deadline(
    vault: FakeVault, storefront: StorefrontClient, billing: BillingClient
) -> None:
    """Ten seconds, thirty for batches; gRPC itself would wait for ever."""
    await storefront.add_card("42", CARD, card_id="a")
    await billing.get_card("customers/42/cards/a")
    await billing.batch_get_cards(["customers/42/cards/a"])
    assert len(vault.remaining) == 6
    assert all(remaining is not None and 5 < remaining < 31 for remaining in vault.remaining)
    assert any(remaining > 20 for remaining in vault.remaining if remaining is not None)


async def test_a_silent_vault_is_given_up(vault: FakeVault, connect: Callable[..., ProvisioningClient]) -> None:
    """The deadline ends the call on this side too."""
    vault.before["GetCard"] = lambda _: asyncio.sleep(60)
    connection = connect(ProvisioningClient)._connection
    with pytest.raises(DeadlineExceeded):
        await connection.call(connection.payments.GetCard, payment_service_pb2.GetCardRequest(), deadline=0.2)


async def test_a_vault_that_is_away(vault: FakeVault, storefront: StorefrontClient, billing: BillingClient) -> None:
    """Of a read the caller learns that it failed, of a write that nobody knows."""
    await storefront.add_card("42", CARD)
    await vault.stop()
    with pytest.raises(Unavailable):
        await billing.get_card("customers/42/cards/7f3a")
    with pytest.raises(OutcomeUnknown):
        await storefront.add_card("42", CARD)
