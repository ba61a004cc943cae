"""The façade: the same methods, for code that is not async."""

import asyncio
import inspect
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from tests.client.conftest import CARD, plain, settings_for
from tests.client.fake_mail import FakeMail
from tests.client.fake_vault import BILLING, FakeVault
from vault import client as asynchronous
from vault.client import channel, consistency, sync
from vault.client.errors import RolledBack
from vault.client.fetched import MailEnvelope
from vault.client.settings import Settings
from vault.errors import NotFound

CLASSES = sorted(
    (kind for _, kind in inspect.getmembers(sync, inspect.isclass) if issubclass(kind, sync.Client)),
    key=lambda kind: kind.__name__,
)


@pytest.fixture
def served() -> Iterator[FakeVault]:
    """A fake vault on an event loop in another thread."""
    loop, fake = asyncio.new_event_loop(), FakeMail()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    asyncio.run_coroutine_threadsafe(fake.start(), loop).result()
    yield fake
    asyncio.run_coroutine_threadsafe(fake.stop(), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.fixture
def believed(served: FakeVault, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The settings of billing, over a plain connection."""
    monkeypatch.setattr(channel, "connect", lambda parts: plain(parts.target))
    return settings_for(served)


def is_async(member: object) -> bool:
    """Whether a method needs an event loop; of a context manager, what it wraps."""
    return inspect.iscoroutinefunction(member) or inspect.isasyncgenfunction(member)


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_every_async_method_has_its_twin(kind: type[sync.Client]) -> None:
    """By name and parameters; a method that is added to the one class only fails here."""
    twin = kind.kind
    there = {
        name
        for name, member in inspect.getmembers(twin, inspect.isfunction)
        if not name.startswith("_") and is_async(inspect.unwrap(member))
    }
    here = {name for name in dir(kind) if not name.startswith("_")} - {"open", "kind"}
    assert here == there
    assert len(there) >= 4


def test_every_client_has_its_twin() -> None:
    """By class name."""
    there = {name for name in asynchronous.__all__ if name.endswith("Client")}
    assert {kind.__name__ for kind in CLASSES} == there | {"Client"}


def test_a_card_goes_the_whole_way(believed: Settings) -> None:
    """From two clients, without an event loop in sight."""
    with sync.StorefrontClient(believed) as storefront, sync.BillingClient(believed) as billing:
        info = storefront.add_card("42", CARD)
        assert billing.get_card(info.record_name).last_four == "1111"
        with pytest.raises(NotFound):
            billing.get_card("customers/42/cards/none")


def test_many_threads_share_a_client(served: FakeVault, believed: Settings) -> None:
    """And its epoch."""
    with sync.StorefrontClient(believed) as storefront, ThreadPoolExecutor(8) as threads:
        names = {info.record_name for info in threads.map(lambda i: storefront.add_card(str(i), CARD), range(16))}
    assert len(names) == 16
    assert served.calls["PublishEpoch"] == 1


def test_entries_are_an_iterator(believed: Settings) -> None:
    """That can be left early."""
    with sync.AuditorClient(believed) as auditor:
        assert [entry.index for entry in auditor.list_entries(start_index=2)] == [2, 3, 4, 5, 6]
        assert next(auditor.list_entries()).index == 0


def test_a_message_goes_the_whole_way(served: FakeVault, believed: Settings) -> None:
    """In pieces of any iterable, and out again in chunks."""
    envelope = MailEnvelope(("ann@example.org",), "carol@example.net")
    body = [b"x" * 50_000] * 3
    with sync.MailClient(believed) as mail:
        for pieces in (body, iter(body)):
            name = mail.store("customers/42", envelope, pieces, queue_id=lambda: "4XyZ").record_name
            with mail.fetch(name) as message:
                assert (message.envelope, message.verified) == (envelope, False)
                assert b"".join(message.chunks()) == b"".join(body)
                assert message.verified


def test_a_method_tells_what_it_does(believed: Settings) -> None:
    """As in an editor."""
    with sync.BillingClient(believed) as billing:
        assert (billing.get_card.__doc__ or "").startswith("A card, opened.")
        assert list(inspect.signature(billing.get_card).parameters) == ["self", "record_name", "fields"]


def test_a_client_is_not_called_from_its_own_loop(believed: Settings) -> None:
    """It would wait for ever."""
    with sync.BillingClient(believed) as billing:

        async def within() -> None:
            billing.get_policy()

        with pytest.raises(RuntimeError, match="own callbacks"):
            billing.loop.run(within())


def test_a_client_of_before_a_fork_says_so(believed: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its thread is not there any more; it would wait for ever."""
    with sync.BillingClient(believed) as billing:
        pid = os.getpid()
        monkeypatch.setattr(os, "getpid", lambda: pid + 1)
        with pytest.raises(RuntimeError, match="after the fork"):
            billing.get_policy()
        monkeypatch.undo()


def test_the_keys_are_the_callers(believed: Settings) -> None:
    """The façade holds none of its own."""
    with pytest.raises(Exception, match=BILLING):
        sync.BillingClient(replace(believed, purpose_keys={}))


def test_a_sync_client_is_watched_over_as_well(
    served: FakeVault, believed: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Growth is proven on its loop, which runs between calls too."""
    monkeypatch.setattr(consistency, "PROOF_SECONDS", 0.0)
    with sync.ProvisioningClient(believed) as client:
        for _ in range(3):
            client.get_policy()
        _wait_for_round(client)
        served.history = (1, b"another history")
        client.get_policy()
        _wait_for_round(client)
        with pytest.raises(RolledBack):
            client.get_policy()


def _wait_for_round(client: sync.Client) -> None:
    async def ended() -> None:
        await client.client._connection.witness.settled()

    client.loop.run(ended())
