"""Orders through the SDK, on a vault as `init` and `serve` make it."""

import asyncio
import uuid
from contextlib import aclosing

import pytest

from tests.running import RunningVault, make_home, new_id, serving
from vault.client import (
    Card,
    Contact,
    NewCustomer,
    OfficerClient,
    OpenedCard,
    OpenedOrder,
    OrderEvent,
    SalesClient,
    StorefrontClient,
    sync,
)
from vault.domain import names
from vault.errors import AlreadyExists, InvalidArgument, NotFound, PermissionDenied, Unavailable

FORM = {"name": "Ada Lovelace", "product": "fibre-100"}
CARD = Card(card_number="5555 5555 5555 4444", expiry="11/2040", holder_name="Ada Lovelace")
CONTACT = Contact(name="Ada Lovelace", country_code="GB")


def new_visitor() -> str:
    """A cookie."""
    return names.new_id()


async def an_order(vault: RunningVault, customer: str) -> str:
    """Its name."""
    async with StorefrontClient.open(vault.caller("storefront")) as storefront:
        saved = await storefront.save_order_form(FORM)
        made = await storefront.submit_order(saved.visitor_id, NewCustomer(customer, CONTACT, [CARD]), order_id="one")
    return made.order_name


async def events(sales: SalesClient, token: str = "") -> list[OrderEvent]:
    """All that there is to tell."""
    return [event async for event in sales.watch_orders(token, follow=False)]


async def newest(vault: RunningVault) -> str:
    """The token after all that there is so far."""
    async with SalesClient.open(vault.caller("sales")) as sales:
        return (await events(sales))[-1].resume_token


async def test_a_form_becomes_an_order_that_sales_reads(running_vault: RunningVault) -> None:
    """And nobody sees in a repr what was typed, or whose cookie it was."""
    customer = new_id()
    name = await an_order(running_vault, customer)
    async with SalesClient.open(running_vault.caller("sales")) as sales:
        found = [order async for order in sales.list_orders() if isinstance(order, OpenedOrder)]
        (order,) = [order for order in found if order.record_name == name]
        assert (order.customer_id, dict(order.values)) == (customer, FORM)
        assert order.create_time is not None
        assert "Ada" not in repr(order)
        with pytest.raises(PermissionDenied):
            [order async for order in sales.list_orders(purpose="payment_processing")]


async def test_a_card_that_came_with_an_order_can_be_charged(running_vault: RunningVault) -> None:
    """It was sealed here for the name that it has now."""
    customer = new_id()
    await an_order(running_vault, customer)
    with sync.BillingClient.open(running_vault.caller("billing")) as billing:
        (card,) = billing.list_cards(customer)
        assert isinstance(card, OpenedCard)
        assert card.card_number == "5555555555554444"


async def test_what_pays_is_refused_before_it_is_sent(running_vault: RunningVault) -> None:
    """A card number in a remark, a field that the policy does not list, a cookie that says who it is."""
    async with StorefrontClient.open(running_vault.caller("storefront")) as storefront:
        for values in ({"remarks": "4111 1111 1111 1111"}, {"nickname": "Ada"}, {"No Name": "x"}, {}):
            with pytest.raises(InvalidArgument) as refused:
                await storefront.save_order_form(values)
            assert not any(text in str(refused.value) for text in ("4111", "nickname", "No Name"))
        with pytest.raises(InvalidArgument):
            await storefront.save_order_form(FORM, visitor_id="ada@example.org")
        saved = await storefront.save_order_form(FORM)
        assert saved.visitor_id not in repr(saved)
        with pytest.raises(NotFound):
            await storefront.submit_order(new_visitor(), NewCustomer(new_id()))


async def test_an_order_that_is_sent_again_is_one(running_vault: RunningVault) -> None:
    """Without a card it is answered as it was; with one, that is sealed anew, the name that is taken says it."""
    request, sealed, visitor = str(uuid.uuid4()), str(uuid.uuid4()), new_visitor()
    async with StorefrontClient.open(running_vault.caller("storefront")) as storefront:
        await storefront.save_order_form(FORM, visitor_id=visitor)
        first = await storefront.submit_order(visitor, NewCustomer(contact=CONTACT), request_id=request)
        assert await storefront.submit_order(visitor, NewCustomer(contact=CONTACT), request_id=request) == first
        await storefront.save_order_form(FORM, visitor_id=visitor)
        await storefront.submit_order(visitor, NewCustomer(cards=[CARD]), request_id=sealed)
        with pytest.raises(AlreadyExists):
            await storefront.submit_order(visitor, NewCustomer(cards=[CARD]), request_id=sealed)


async def test_a_watcher_goes_on_where_it_was(running_vault: RunningVault) -> None:
    """New orders, then the erasure of one; each with the token after it."""
    token, customer = await newest(running_vault), new_id()
    name = await an_order(running_vault, customer)
    async with SalesClient.open(running_vault.caller("sales")) as sales:
        found = [event for event in await events(sales, token) if event.order and event.order.record_name == name]
        assert len(found) == 1
        assert found[0].resume_token not in repr(found[0])
        async with OfficerClient.open(running_vault.caller("officer")) as officer:
            await officer.erase_customer(customer)
        later = await events(sales, found[0].resume_token)
        assert customer in {event.erased_customer_id for event in later}
        assert later[-1].caught_up
        with pytest.raises(InvalidArgument):
            await events(sales, "eyJ9")


async def test_a_watcher_outlives_its_vault(tmp_path_factory: pytest.TempPathFactory) -> None:
    """It goes on by itself when the vault is back, says once that it has caught up, and leaves nothing out."""
    home = await asyncio.to_thread(make_home, tmp_path_factory.mktemp("watched"))
    told: list[OrderEvent] = []
    fresh = asyncio.Condition()

    async def watch(sales: SalesClient) -> None:
        watching = sales.watch_orders()
        async with aclosing(watching):  # type: ignore[type-var]
            async for event in watching:
                async with fresh:
                    told.append(event)
                    fresh.notify_all()

    async def until(number: int) -> None:
        async with asyncio.timeout(90), fresh:
            await fresh.wait_for(lambda: len(told) >= number)

    async with SalesClient.open(home / "callers" / "sales") as sales:
        with serving(home) as vault:
            first = await an_order(vault, "c1")
            task = asyncio.create_task(watch(sales))
            await until(2)
        with serving(home) as vault:
            second = await an_order(vault, "c2")
            await until(3)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
    assert [event.order.record_name if event.order else "" for event in told] == [first, "", second]
    assert told[1].caught_up


async def test_a_watcher_of_a_vault_that_never_was_is_told(
    running_vault: RunningVault, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A wrong target should be told soon; a closed client as well."""
    home = await asyncio.to_thread(make_home, tmp_path_factory.mktemp("nobody"))
    async with SalesClient.open(home / "callers" / "sales") as sales:
        with pytest.raises(Unavailable):
            await events(sales)
    sales = SalesClient.open(running_vault.caller("sales"))
    await sales.close()
    with pytest.raises(Unavailable):
        await events(sales)


def test_without_async_it_is_the_same(running_vault: RunningVault) -> None:
    """For a web shop in Django."""
    with sync.StorefrontClient.open(running_vault.caller("storefront")) as storefront:
        saved = storefront.save_order_form(FORM)
        made = storefront.submit_order(saved.visitor_id, NewCustomer())
    with sync.SalesClient.open(running_vault.caller("sales")) as sales:
        assert made.order_name in {order.record_name for order in sales.list_orders() if isinstance(order, OpenedOrder)}
        assert any(event.caught_up for event in sales.watch_orders(follow=False))
