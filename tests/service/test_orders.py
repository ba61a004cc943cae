"""OrderService: a form under a cookie's id becomes an order, once, and sales follows it."""

import asyncio
import time
from contextlib import aclosing
from typing import Any

import pytest

from tests.abuse.facts import restriction
from tests.vaults import OpenVault, card, contact, new_request_id, opened
from vault.audit.entry import parse
from vault.domain import names
from vault.domain.ids import VisitorId
from vault.domain.names import RecordName
from vault.errors import AlreadyExists, CallerError, InvalidArgument, NotFound, PermissionDenied
from vault.v1 import customer_service_pb2 as customers
from vault.v1 import order_service_pb2 as v1
from vault.v1 import records_pb2 as records

VISITOR = "0123456789abcdef0123456789abcdef"
FORM = {"name": "Ann Example", "product": "fibre-100", "remarks": "ring twice"}
DAY_MS = 24 * 3_600_000


async def save(vault: OpenVault, visitor: str = VISITOR, **values: str) -> v1.SaveOrderFormResponse:
    """Keep a form."""
    request = v1.SaveOrderFormRequest(visitor_id=visitor, form=records.FormFields(values=values or FORM))
    answer: v1.SaveOrderFormResponse = await vault.call("storefront", "OrderService.SaveOrderForm", request)
    return answer


def submission(visitor: str = VISITOR, customer: str = "42", order: str = "one", **parts: Any) -> Any:
    """An order with a contact and a card."""
    given = {"contact": contact(), "cards": [card()], **parts}
    return v1.SubmitOrderRequest(visitor_id=visitor, customer_id=customer, order_id=order, **given)


async def submit(vault: OpenVault, **parts: Any) -> v1.SubmitOrderResponse:
    """Send the order."""
    answer: v1.SubmitOrderResponse = await vault.call("storefront", "OrderService.SubmitOrder", submission(**parts))
    return answer


async def listed(vault: OpenVault, **parts: Any) -> v1.ListOrdersResponse:
    """As sales."""
    answer: v1.ListOrdersResponse = await vault.call("sales", "OrderService.ListOrders", v1.ListOrdersRequest(**parts))
    return answer


async def watched(vault: OpenVault, token: str = "", role: str = "sales") -> list[v1.WatchOrdersResponse]:
    """All events until everything has been told."""
    request = v1.WatchOrdersRequest(resume_token=token, stop_when_caught_up=True)
    events: list[v1.WatchOrdersResponse] = await vault.call(role, "OrderService.WatchOrders", request)
    last = events.pop()
    assert last.caught_up
    return events


async def rows_of(vault: OpenVault, *wanted: RecordName) -> set[str]:
    """Which of these records have a row."""
    return set(await vault.parts.store.fetch(wanted))


def form_of(visitor: str = VISITOR) -> RecordName:
    """The form's name."""
    return names.form_name(VisitorId(visitor))


async def test_a_form_becomes_customer_contact_card_and_order(vault: OpenVault) -> None:
    """They "forward this information to our internal sales tracking database"; billing can charge the card."""
    await save(vault)
    made = await submit(vault)
    assert made.order_name == "customers/42/orders/one"
    (order,) = (await listed(vault)).orders
    assert (order.record_name, dict(order.form.values)) == (made.order_name, FORM)
    assert (await vault.get_contact()).name == "Ann Example"
    assert (await vault.get_card(made.record_names[1])).sealed
    assert await rows_of(vault, form_of()) == set()


async def test_the_key_of_a_form_that_was_sent_is_destroyed(vault: OpenVault) -> None:
    """Not retired: no copy of the store opens it."""
    await save(vault)
    (row,) = (await vault.parts.store.fetch([form_of()])).values()
    assert await vault.parts.store.fetch_keys([row])
    await submit(vault)
    assert not await vault.parts.store.fetch_keys([row])
    assert (vault.home / "keys" / "keys.db").exists()


@pytest.mark.parametrize(
    "values",
    [
        {"nickname": "Ann"},
        {"card_number": "x"},
        {"ann@example.org": "x"},
        {"remarks": "4111 1111 1111 1111"},
        {"remarks": "x" * 1025},
        {},
    ],
)
async def test_what_the_policy_does_not_name_is_not_kept(vault: OpenVault, values: dict[str, str]) -> None:
    """Only "the customer information that is required on the order form", and no card in any of it."""
    form = records.FormFields(values=values)
    request = v1.SaveOrderFormRequest(visitor_id=VISITOR, form=form)
    refused = await vault.refusal("storefront", "OrderService.SaveOrderForm", request)
    assert isinstance(refused, InvalidArgument)
    assert not any(text in str(refused) for text in ("nickname", "ann@", "4111", "xxx"))
    assert await rows_of(vault, form_of()) == set()


async def test_a_form_ends_after_a_day(vault: OpenVault) -> None:
    """It can be sent until then, and not after, swept or not."""
    saved = await save(vault)
    now = time.time_ns() // 1_000_000
    assert abs(saved.expire_time.ToMilliseconds() - now - DAY_MS) < 60_000
    vault.now_shift = DAY_MS + 60_000
    with pytest.raises(NotFound):
        await submit(vault)
    vault.now_shift = 0
    assert (await submit(vault)).order_name


async def test_a_form_is_found_under_a_cookie_that_the_vault_made(vault: OpenVault) -> None:
    """And is replaced as a whole."""
    visitor = (await save(vault, "")).visitor_id
    assert len(visitor) == 32
    await save(vault, visitor, product="fibre-1000")
    await submit(vault, visitor=visitor)
    assert dict((await listed(vault)).orders[0].form.values) == {"product": "fibre-1000"}


async def test_an_order_that_is_sent_twenty_times_at_once_is_one(vault: OpenVault) -> None:
    """Under one request_id each gets the same answer; a later one too."""
    await save(vault)
    request_id = new_request_id()
    answers = await asyncio.gather(*(submit(vault, request_id=request_id) for _ in range(20)))
    answers.append(await submit(vault, request_id=request_id))
    assert len({answer.SerializeToString(deterministic=True) for answer in answers}) == 1
    assert len((await listed(vault)).orders) == 1


async def test_without_a_request_id_one_of_twenty_is_served(vault: OpenVault) -> None:
    """The others find the customer's id taken, or the form gone."""
    await save(vault)
    answers = await asyncio.gather(*(submit(vault) for _ in range(20)), return_exceptions=True)
    assert sum(isinstance(answer, v1.SubmitOrderResponse) for answer in answers) == 1
    assert sum(isinstance(answer, AlreadyExists | NotFound) for answer in answers) == 19


async def test_one_form_is_one_order_whoever_sends_it(vault: OpenVault) -> None:
    """Twenty customers at once: all but one are told that there is no form, and nothing of theirs is stored."""
    await save(vault)
    asked = (submit(vault, customer=f"c{i}") for i in range(20))
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert sum(isinstance(answer, v1.SubmitOrderResponse) for answer in answers) == 1
    assert len((await listed(vault)).orders) == 1
    wanted: list[RecordName] = [RecordName(f"customers/c{i}") for i in range(20)]
    assert len(await rows_of(vault, *wanted)) == 1


async def test_what_is_wrong_with_an_order_leaves_the_form_as_it_was(vault: OpenVault) -> None:
    """All of it, or nothing."""
    await save(vault)
    for wrong in ({"cards": [card(card_number="4111111111111112")]}, {"contact": contact(email="no address")}):
        with pytest.raises(InvalidArgument):
            await submit(vault, **wrong)
    await vault.create("7")
    with pytest.raises(AlreadyExists):
        await submit(vault, customer="7")
    assert not (await listed(vault)).orders
    assert (await submit(vault)).order_name


async def test_a_repeated_order_spares_the_form_that_came_after_it(vault: OpenVault) -> None:
    """The visitor goes on shopping under the same cookie."""
    await save(vault)
    request_id = new_request_id()
    await submit(vault, request_id=request_id)
    await save(vault, product="router")
    await submit(vault, request_id=request_id)
    await submit(vault, customer="43", order="two")
    assert [o.form.values["product"] for o in (await listed(vault)).orders] == ["fibre-100", "router"]


async def test_sales_reads_no_payment_and_nobody_else_reads_orders(vault: OpenVault) -> None:
    """Whatever purpose they name."""
    await save(vault)
    await submit(vault)
    for role in ("storefront", "billing", "care", "partners", "advertisers"):
        with pytest.raises(PermissionDenied):
            await vault.call(role, "OrderService.ListOrders", v1.ListOrdersRequest())
        with pytest.raises(PermissionDenied):
            await watched(vault, role=role)
    with pytest.raises(PermissionDenied):
        await listed(vault, purpose="payment_processing")


async def test_orders_come_in_pages(vault: OpenVault) -> None:
    """The oldest first, each once; a token is the vault's own."""
    for number in range(5):
        await save(vault)
        await submit(vault, customer=f"c{number}", cards=[])
    found: list[str] = []
    token = ""
    while True:
        page = await listed(vault, page_size=2, page_token=token)
        found += [order.record_name for order in page.orders]
        token = page.next_page_token
        if not token:
            break
    assert found == [f"customers/c{number}/orders/one" for number in range(5)]
    with pytest.raises(InvalidArgument):
        await listed(vault, page_token="eyJ9")


async def test_a_watcher_goes_on_where_it_was_and_learns_of_erasures(vault: OpenVault) -> None:
    """After a start too; of an order that was erased, it is told nothing but that."""
    for number in range(2):
        await save(vault)
        await submit(vault, customer=f"c{number}", cards=[])
    first, second = await watched(vault)
    assert [first.order.record_name, second.order.record_name] == [f"customers/c{n}/orders/one" for n in (0, 1)]
    (again,) = await watched(vault, first.resume_token)
    assert again.order.record_name == second.order.record_name
    await vault.call("officer", "CustomerService.EraseCustomer", customers.EraseCustomerRequest(customer_id="c0"))
    await vault.vault.close()
    async with opened(vault.home) as later:
        (gone,) = await watched(later, second.resume_token)
        assert gone.erased_customer_id == "c0"
        told = [(e.order.record_name, e.erased_customer_id) for e in await watched(later)]
        assert told == [("customers/c1/orders/one", ""), ("", "c0")]
        assert [order.record_name for order in (await listed(later)).orders] == ["customers/c1/orders/one"]


async def test_an_erasure_that_nothing_but_the_feed_says_is_not_told(vault: OpenVault) -> None:
    """Whoever writes in the database cannot make sales forget a customer."""
    await save(vault)
    await submit(vault)
    await vault.vault.close()
    from vault.storage.engine import sqlite3  # noqa: PLC0415 - as a thief would

    with sqlite3.connect(vault.home / "data" / "vault.db") as data:
        data.execute("INSERT INTO order_feed (owner, record_name) VALUES ('customers/42', '')")
        data.execute("INSERT INTO order_feed (owner, record_name) VALUES ('customers/42', 'customers/42/contact')")
    data.close()
    async with opened(vault.home) as later:
        assert [event.WhichOneof("event") for event in await watched(later)] == ["order"]


async def test_a_watcher_is_given_new_orders_as_they_come(vault: OpenVault) -> None:
    """Without asking again."""

    async def order_later() -> None:
        await asyncio.sleep(0.1)
        await save(vault)
        await submit(vault)

    task = asyncio.create_task(order_later())
    answers = vault.watch("sales", "OrderService.WatchOrders", v1.WatchOrdersRequest())
    kinds: list[str | None] = []
    async with aclosing(answers) as stream:
        async for event in stream:
            kinds.append(event.WhichOneof("event"))
            if event.HasField("order"):
                break
    await task
    assert kinds[-1] == "order"


async def test_a_restricted_customers_orders_are_passed_over(vault: OpenVault) -> None:
    """Who says "do not use my data for now" is passed over until that is lifted."""
    await save(vault)
    await submit(vault)
    await restriction(vault, "42")
    assert not (await listed(vault)).orders
    assert await watched(vault) == []
    await restriction(vault, "42", restricted=False)
    assert len((await listed(vault)).orders) == 1


async def test_every_call_is_in_the_log(vault: OpenVault) -> None:
    """Also a list and a watch of nothing, with the purpose; no entry holds what was typed."""
    await listed(vault)
    await watched(vault)
    await save(vault)
    await submit(vault)
    await listed(vault)
    entries = [parse(e) for e in await vault.entries()]
    orders = [e for e in entries if e.action.startswith("OrderService.")]
    assert [e.action.partition(".")[2] for e in orders] == [
        "ListOrders", "WatchOrders", "SaveOrderForm", "SubmitOrder", "ListOrders",
    ]  # fmt: skip
    assert orders[0].purpose == orders[1].purpose == "order_tracking"
    assert set(orders[3].records) == {
        "",
        "contact",
        "form",
        "orders/one",
        *(n for n in orders[3].records if "cards" in n),
    }
    assert not any(b"ring twice" in e.SerializeToString() for e in entries)
    assert isinstance(await vault.refusal("storefront", "OrderService.SubmitOrder", submission()), CallerError)
