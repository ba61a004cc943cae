"""A fake vault, and clients of it over a plain connection."""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import TypeVar

import grpc
import pytest

from tests.client.fake_vault import AUDIENCES, BILLING, MAIL, ORIGIN, VAULT_ID, FakeVault
from vault.client import BillingClient, Card, StorefrontClient, channel
from vault.client.base import VaultClient
from vault.client.pins import FieldPin, Pins, PurposePin
from vault.client.settings import Settings
from vault.domain.secret import Secret

C = TypeVar("C", bound=VaultClient)

CARD = Card(card_number="4111 1111 1111 1111", expiry="12/2040", holder_name="Ada Lovelace")


@pytest.fixture
async def vault() -> AsyncIterator[FakeVault]:
    """A fake vault that listens."""
    fake = FakeVault()
    await fake.start()
    yield fake
    await fake.stop()


@pytest.fixture
def settings(vault: FakeVault) -> Settings:
    """What billing holds and believes; the others need no less."""
    return settings_for(vault)


def settings_for(vault: FakeVault) -> Settings:
    """The settings of a caller of a fake vault."""
    pins = Pins(
        VAULT_ID,
        {name: FieldPin(audience) for name, audience in AUDIENCES.items()},
        {purpose: PurposePin(pair.fingerprint) for purpose, pair in vault.pairs.items()},
        {ORIGIN: vault.log.public_key},
    )
    keys = {purpose: (vault.pairs[purpose],) for purpose in (BILLING, MAIL)}
    return Settings(vault.target, "localhost", b"", Secret(b""), b"", pins, purpose_keys=keys)


def plain(target: str) -> grpc.aio.Channel:
    """A connection without TLS, with the options of the real one."""
    return grpc.aio.insecure_channel(target, options=channel.options())


@pytest.fixture
async def connect(settings: Settings) -> AsyncIterator[Callable[..., VaultClient]]:
    """Makes clients, with parts of the settings replaced, and closes them."""
    made: list[VaultClient] = []

    def make(kind: type[C], **changes: object) -> C:
        client = kind(replace(settings, **changes), channel=plain(settings.target))  # type: ignore[arg-type]
        made.append(client)
        return client

    yield make
    for client in made:
        await client.close()


@pytest.fixture
def billing(connect: Callable[..., BillingClient]) -> BillingClient:
    """A billing client."""
    return connect(BillingClient)


@pytest.fixture
def storefront(connect: Callable[..., StorefrontClient]) -> StorefrontClient:
    """A storefront client."""
    return connect(StorefrontClient)
