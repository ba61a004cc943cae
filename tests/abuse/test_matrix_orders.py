"""Every caller x every method of orders x every state of a form, and of an order's customer (T15).

What must come of each cell stands in the tables below, which share nothing with the policy's decision or the service's
code. The web shop alone saves and sends, and what a form becomes depends on its state only; sales alone reads, for one
purpose, and what it is shown depends on the customer's state only. Whoever is refused is told one text, and has changed
nothing; each denial is in the log.
"""

import time
import uuid
from collections.abc import Sequence
from contextlib import aclosing
from enum import Enum, auto
from typing import Any, Final

import pytest

from tests.abuse.facts import consent, objection, restriction
from tests.abuse.oracle import DENIED_TEXT
from tests.figures import Figures
from tests.vaults import OpenVault, contact
from vault.audit.entry import parse
from vault.domain import names
from vault.domain.ids import VisitorId
from vault.errors import AlreadyExists, CallerError, NotFound, PermissionDenied, VaultError
from vault.store.v1.audit_entry_pb2 import OUTCOME_DENIED
from vault.v1 import customer_service_pb2 as customers
from vault.v1 import order_service_pb2 as v1
from vault.v1.records_pb2 import FormFields

SAVE, SUBMIT = "OrderService.SaveOrderForm", "OrderService.SubmitOrder"
LIST, WATCH = "OrderService.ListOrders", "OrderService.WatchOrders"
SHOP, SALES = "spiffe://vault.example/storefront", "spiffe://vault.example/sales"
STRANGERS = ("spiffe://vault.example/nobody", "spiffe://elsewhere.example/sales")
DAY_MS: Final = 24 * 3_600_000
FORM, OTHER = {"product": "fibre-100"}, {"product": "router"}


class Form(Enum):
    """What may have become of a visitor's form."""

    ABSENT = auto()
    KEPT = auto()
    REPLACED = auto()
    EXPIRED = auto()
    """A day old, and not swept."""
    SWEPT = auto()
    SENT = auto()
    KEPT_AGAIN = auto()
    """Sent, and another saved under the same cookie."""


class Deed(Enum):
    """What a caller may try with it."""

    SAVE = auto()
    SUBMIT = auto()
    SUBMIT_TAKEN = auto()
    """For a customer who is there."""
    SUBMIT_ERASED = auto()
    """For one who was."""
    REPEAT = auto()
    """What was sent before, under its request_id."""


THERE: Final = {Form.KEPT, Form.REPLACED, Form.KEPT_AGAIN}
"""States with a form that can be sent."""
SENT: Final = {Form.SENT, Form.KEPT_AGAIN}
"""States in which an order was made before."""


def must_be(state: Form, deed: Deed) -> tuple[type[CallerError] | None, bool, int]:
    """Of the web shop's deed: the refusal if it is one, whether there is a form afterwards, and how many new orders."""
    if deed is Deed.SAVE:
        return None, True, 0
    if deed is Deed.REPEAT and state in SENT:
        return None, state in THERE, 0
    if deed is Deed.SUBMIT_TAKEN:
        return AlreadyExists, state in THERE, 0
    if state not in THERE:
        return NotFound, False, 0
    return (AlreadyExists, True, 0) if deed is Deed.SUBMIT_ERASED else (None, False, 1)


class Visitor:
    """Somebody with a cookie, in a state."""

    def __init__(self, vault: OpenVault) -> None:
        self.vault = vault
        self.cookie = names.new_id()
        self.sent = self._submission(names.new_id())

    def _submission(self, customer: str) -> v1.SubmitOrderRequest:
        return v1.SubmitOrderRequest(
            visitor_id=self.cookie,
            customer_id=customer,
            order_id="one",
            contact=contact(),
            request_id=str(uuid.uuid4()),
        )

    async def save(self, values: dict[str, str], age_ms: int = 0, caller: str = SHOP) -> None:
        """Keep a form, some time ago."""
        self.vault.now_shift = -age_ms
        request = v1.SaveOrderFormRequest(visitor_id=self.cookie, form=FormFields(values=values))
        try:
            await self.vault.call(caller, SAVE, request)
        finally:
            self.vault.now_shift = 0

    async def bring(self, state: Form) -> None:
        """About."""
        if state in (Form.EXPIRED, Form.SWEPT):
            await self.save(FORM, DAY_MS + 60_000)
        elif state is not Form.ABSENT:
            await self.save(FORM)
        if state is Form.REPLACED:
            await self.save(OTHER)
        if state is Form.SWEPT:
            await self.vault.parts.retention.sweep(time.time_ns() // 1_000_000)
        if state in SENT:
            await self.vault.call(SHOP, SUBMIT, self.sent)
        if state is Form.KEPT_AGAIN:
            await self.save(OTHER)

    async def do(self, deed: Deed, caller: str) -> VaultError | None:
        """Try it; the refusal."""
        whose = {Deed.SUBMIT_TAKEN: "taken", Deed.SUBMIT_ERASED: "erased"}.get(deed, names.new_id())
        try:
            if deed is Deed.SAVE:
                await self.save(FORM, caller=caller)
            else:
                request = self.sent if deed is Deed.REPEAT else self._submission(whose)
                await self.vault.call(caller, SUBMIT, request)
        except VaultError as error:
            return error
        return None

    async def there(self) -> bool:
        """Whether a form is there that can be opened and is not over."""
        name = names.form_name(VisitorId(self.cookie))
        found = await self.vault.parts.records.open([name], time.time_ns() // 1_000_000)
        return found.get(name) is not None


async def orders(vault: OpenVault) -> int:
    """How many there are, as the feed has them."""
    return len(await vault.parts.store.order_feed(0, 100_000))


async def denials(vault: OpenVault) -> int:
    """Entries that say so."""
    return sum(parse(entry).outcome == OUTCOME_DENIED for entry in await vault.entries())


def callers(vault: OpenVault) -> Sequence[str]:
    """Everybody whom the policy names, and two whom it does not."""
    return [*vault.parts.policy.callers, *STRANGERS]


@pytest.mark.timeout(300)
async def test_every_deed_with_a_form_has_exactly_the_effect_that_it_must(vault: OpenVault, figures: Figures) -> None:
    """The web shop's depends on the form's state; everybody else's is refused, and leaves the state as it was."""
    await vault.vault._upkeep.close()  # its sweep is part of a state
    await vault.create("taken")
    await vault.create("erased")
    erasure = customers.EraseCustomerRequest(customer_id="erased")
    await vault.call("officer", "CustomerService.EraseCustomer", erasure)
    wrong: list[str] = []
    cells = refused = 0
    before = await denials(vault)
    for caller in callers(vault):
        for state in Form:
            for deed in Deed:
                visitor = Visitor(vault)
                await visitor.bring(state)
                had = await orders(vault)
                got = await visitor.do(deed, caller)
                error, there, new = must_be(state, deed)
                if caller != SHOP:
                    error, there, new = PermissionDenied, state in THERE, 0
                    refused += 1
                found = (got and type(got), await visitor.there(), await orders(vault) - had)
                cells += 1
                if found != (error, there, new) or (
                    isinstance(got, PermissionDenied | NotFound) and str(got) != DENIED_TEXT
                ):
                    wrong.append(f"{caller} {state} {deed}: {found} instead of {(error, there, new)}")
    logged = await denials(vault) - before
    figures(f"forms: {cells} cells, wrong {len(wrong)}; refused by role {refused}, denials in the log {logged}")
    assert not wrong, wrong[:5]
    assert logged >= refused


async def bring_customers(vault: OpenVault) -> None:
    """Each with an order, in every state that a customer can be in."""
    for who in ("plain", "restricted", "lifted", "objects", "agreed", "erased"):
        visitor = Visitor(vault)
        await visitor.save({"product": who})
        request = v1.SubmitOrderRequest(visitor_id=visitor.cookie, customer_id=who, order_id="one")
        await vault.call(SHOP, SUBMIT, request)
    for who in ("restricted", "lifted"):
        await restriction(vault, who)
    await restriction(vault, "lifted", restricted=False)
    await objection(vault, "objects", "product_news")
    await consent(vault, "agreed", "partner_offers")
    await vault.call("officer", "CustomerService.EraseCustomer", customers.EraseCustomerRequest(customer_id="erased"))


SHOWN: Final = {who: {"product": who} for who in ("plain", "lifted", "objects", "agreed")}
"""The customers whose orders sales is shown, and what is in them."""
STATES: Final = 6


async def read(vault: OpenVault, caller: str, method: str, purpose: str, mask: Sequence[str]) -> object:
    """What was shown: forms by customer, and who was erased; or the refusal."""
    try:
        if method == LIST:
            request = v1.ListOrdersRequest(purpose=purpose)
            request.read_mask.paths.extend(mask)
            answer: v1.ListOrdersResponse = await vault.call(caller, LIST, request)
            assert not answer.unreadable
            return {o.record_name.split("/")[1]: dict(o.form.values) for o in answer.orders}, set()
        asked = v1.WatchOrdersRequest(purpose=purpose, stop_when_caught_up=True)
        now = time.time_ns() // 1_000_000
        stream: Any = vault.vault.stream(WATCH, caller, asked, now=now, correlation="test")
        async with aclosing(stream) as events:
            told = [event async for event in events]
    except VaultError as error:
        return type(error), str(error)
    shown = {e.order.record_name.split("/")[1]: dict(e.order.form.values) for e in told if e.HasField("order")}
    return shown, {e.erased_customer_id for e in told} - {""}


@pytest.mark.timeout(300)
async def test_every_reading_of_orders_shows_exactly_what_it_must(vault: OpenVault, figures: Figures) -> None:
    """Sales, for its one purpose, those of customers who are not restricted; nobody else anything."""
    await bring_customers(vault)
    wrong: list[str] = []
    cells = refused = 0
    before = await denials(vault)
    for caller in callers(vault):
        for purpose in ("", *vault.parts.policy.purposes):
            for method, mask in ((LIST, ()), (LIST, ("form",)), (WATCH, ())):
                got = await read(vault, caller, method, purpose, mask)
                allowed = caller == SALES and purpose in ("", "order_tracking")
                must: object = (SHOWN, {"erased"} if method == WATCH else set())
                if not allowed:
                    must = (PermissionDenied, DENIED_TEXT)
                    refused += 1
                cells += STATES
                if got != must:
                    wrong.append(f"{caller} {method} {purpose} {mask}: {got}")
    logged = await denials(vault) - before
    figures(f"orders: {cells} cells, wrong {len(wrong)}; refused calls {refused}, denials in the log {logged}")
    assert not wrong, wrong[:5]
    assert logged == refused
