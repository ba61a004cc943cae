"""What must be kept: by an order from its request on, by a restriction until it is lifted; and who is told what."""

import asyncio
import time
from typing import Any

import pytest

from tests.abuse.facts import restriction
from tests.disclosing import ALICE, HOUR_MS, approve, approved, ask, reject
from tests.vaults import OpenVault, card, contact
from vault.domain.names import RecordName
from vault.errors import Conflict, FailedPrecondition, NotFound, VaultError
from vault.service.holds import RESTRICTION
from vault.service.mail_erasure import settle_mail
from vault.service.orders import PENDING_MS
from vault.service.writing import Journal
from vault.storage.port import Committed, Work
from vault.v1 import account_service_pb2 as accounts
from vault.v1 import contact_service_pb2 as contacts
from vault.v1 import customer_service_pb2 as customers
from vault.v1 import disclosure_service_pb2 as v1
from vault.v1 import payment_service_pb2 as payments
from vault.v1 import records_pb2 as records
from vault.v1 import status_pb2 as status

ERASE = ("officer", "CustomerService.EraseCustomer", customers.EraseCustomerRequest(customer_id="42"))
DELETE = ("care", "ContactService.DeleteContact", contacts.DeleteContactRequest(customer_id="42"))

REPLACE = ("care", "ContactService.PutContact", contacts.PutContactRequest(customer_id="42", contact=contact()))
CHANGE = ("care", "AccountService.PutAccount", accounts.PutAccountRequest(customer_id="42"))
CHANGE[2].account.status = "active"


def replacing() -> tuple[str, str, contacts.PutContactRequest]:
    """A contact in the place of the one that is there."""
    return "care", "ContactService.PutContact", contacts.PutContactRequest(customer_id="42", contact=contact())


async def is_held(vault: OpenVault, call: tuple[str, str, Any]) -> bool:
    """Whether a call is refused because of a hold."""
    error: VaultError = await vault.refusal(*call)
    return isinstance(error, FailedPrecondition) and error.reason == status.REASON_ON_HOLD


async def test_an_order_keeps_what_it_covers_until_it_is_closed(vault: OpenVault) -> None:
    """The contact cannot be deleted or replaced, nor the customer erased; a card, which it does not cover, can go."""
    card_name = (await vault.create()).record_names[1]
    order = await approved(vault)
    for call in (ERASE, DELETE, replacing()):
        assert await is_held(vault, call)
    told = str(await vault.refusal(*ERASE))
    assert order.order_id in told
    assert order.order_id not in str(await vault.refusal(*DELETE))
    assert (await vault.get_contact()).name
    await vault.call("care", "PaymentService.DeleteCard", payments.DeleteCardRequest(record_name=card_name))
    await reject(vault, order.order_id)
    for call in (replacing(), DELETE, ERASE):
        await vault.call(*call)


async def test_a_decision_whose_caller_goes_away_is_known_all_the_same(
    vault: OpenVault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stands in the log, so it can be approved, and keeps what it covers, without a restart."""
    await vault.create()
    entered, go_on = asyncio.Event(), asyncio.Event()
    commit = vault.parts.store.commit

    async def slow(work: Work) -> Committed:
        entered.set()
        await go_on.wait()
        return await commit(work)

    monkeypatch.setattr(vault.parts.store, "commit", slow)
    asked = asyncio.create_task(ask(vault, order_id="gone"))
    await entered.wait()
    asked.cancel()
    await asyncio.gather(asked, return_exceptions=True)
    monkeypatch.undo()
    go_on.set()
    order = await approve(vault, "gone", ALICE)
    assert order.request.caller.endswith("/legal")
    assert await is_held(vault, DELETE)


@pytest.mark.parametrize("made", ["order", "restriction"])
async def test_a_hold_that_comes_while_an_erasure_looks_around_is_in_time(
    vault: OpenVault, monkeypatch: pytest.MonkeyPatch, made: str
) -> None:
    """It stands in the log before the erasure, so there is none; the keys could not be brought back."""
    await vault.create()
    settle = settle_mail

    async def and_meanwhile(*args: Any, **more: Any) -> int:
        monkeypatch.undo()
        await (ask(vault) if made == "order" else restriction(vault, "42"))
        return await settle(*args, **more)

    monkeypatch.setattr("vault.service.erasing.settle_mail", and_meanwhile)
    assert await is_held(vault, ERASE)
    assert await vault.parts.store.fetch([RecordName("customers/42/contact")])


@pytest.mark.parametrize("call", [DELETE, REPLACE, CHANGE])
async def test_an_order_that_comes_while_something_is_deleted_or_replaced_is_in_time(
    vault: OpenVault, monkeypatch: pytest.MonkeyPatch, call: tuple[str, str, Any]
) -> None:
    """It is looked at again, and refused; what is deleted has no key any more, and what is replaced loses it soon."""
    await vault.create()
    await vault.call(*CHANGE)
    commit = Journal.commit

    async def and_before(*args: Any, **more: Any) -> Any:
        monkeypatch.undo()
        await ask(vault, fields=["contact.name", "account.status"])
        return await commit(*args, **more)

    monkeypatch.setattr(Journal, "commit", and_before)
    assert await is_held(vault, call)
    assert (await vault.get_contact()).name


async def test_an_order_that_comes_while_the_sweep_looks_around_is_in_time(
    vault: OpenVault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sweep leaves all that it was about to destroy, and the next one sees what is held."""
    await vault.create()
    lines = [records.LogLine(text="line was reset")]
    request = accounts.AppendLogEntriesRequest(customer_id="42", lines=lines)
    (name,) = (await vault.call("care", "AccountService.AppendLogEntries", request)).record_names
    later = time.time_ns() // 1_000_000 + 400 * 24 * HOUR_MS + 60 * 24 * HOUR_MS
    commit = Journal.commit

    async def and_before(*args: Any, **more: Any) -> Any:
        monkeypatch.undo()
        vault.now_shift = 460 * 24 * HOUR_MS
        await ask(vault, fields=["account.log_entries"], expire_time_ms=later + HOUR_MS)
        return await commit(*args, **more)

    monkeypatch.setattr(Journal, "commit", and_before)
    assert not (await vault.parts.retention.sweep(later)).removed
    assert await vault.parts.store.fetch([RecordName(name)])
    assert (await vault.parts.retention.sweep(later)).held == 1


@pytest.mark.parametrize("call", [ERASE, DELETE])
async def test_a_destruction_that_never_finds_a_quiet_moment_says_so(
    vault: OpenVault, monkeypatch: pytest.MonkeyPatch, call: tuple[str, str, Any]
) -> None:
    """After a few attempts, with nothing destroyed."""
    await vault.create()
    monkeypatch.setattr(vault.parts.journal.freshness, "stale", lambda *_: True)
    assert isinstance(await vault.refusal(*call), Conflict)
    monkeypatch.undo()
    assert (await vault.get_contact()).name


async def test_a_request_alone_keeps_for_a_week(vault: OpenVault) -> None:
    """One person cannot keep something for ever, nor lose it while two people think."""
    await vault.create()
    order = await ask(vault, expire_time_ms=_in(30 * 24 * HOUR_MS))
    assert 0 < order.hold_until_ms < order.expire_time_ms
    assert await is_held(vault, DELETE)
    vault.now_shift = PENDING_MS + 1000
    await vault.call(*DELETE)


async def test_a_hold_ends_with_its_order(vault: OpenVault) -> None:
    """At the end that it was requested with."""
    await vault.create()
    await approved(vault)
    vault.now_shift = HOUR_MS + 1000
    await vault.call(*ERASE)


async def test_a_rejected_request_keeps_nothing(vault: OpenVault) -> None:
    """From the rejection on."""
    await vault.create()
    order = await ask(vault)
    assert (await reject(vault, order.order_id)).hold_until_ms == 0
    await vault.call(*ERASE)


async def test_a_restricted_customers_data_stays_as_it_is(vault: OpenVault) -> None:
    """Adding is storage; replacing and deleting are not. Those who write learn no more than those who read."""
    card_name = (await vault.create()).record_names[1]
    await restriction(vault, "42")
    gone = payments.DeleteCardRequest(record_name=card_name)
    for call in (DELETE, replacing(), ("care", "PaymentService.DeleteCard", gone)):
        error = await vault.refusal(*call)
        assert isinstance(error, NotFound)
        assert error.reason == status.REASON_CUSTOMER_NOT_AVAILABLE
    assert await is_held(vault, ERASE)
    added = payments.AddCardRequest(customer_id="42", card=card())
    await vault.call("storefront", "PaymentService.AddCard", added)
    await restriction(vault, "42", restricted=False)
    await vault.call("care", "PaymentService.DeleteCard", gone)
    await vault.call(*ERASE)


async def test_the_sweeper_is_told_what_is_held_and_why(vault: OpenVault) -> None:
    """By kind of record, and for a restricted customer all of them; visitors have no holds."""
    for customer in ("42", "43", "44"):
        await vault.create(customer)
    await restriction(vault, "43")
    order = await ask(vault, fields=["account.status"])
    at = order.request.time_ms
    names = [
        RecordName(text)
        for text in (
            *("customers/42/account", "customers/42/logs/2026-01", "customers/42/messages/m1"),
            *("customers/43/messages/m2", "customers/44/account", "visitors/v1/form"),
        )
    ]
    assert await vault.parts.holds.held(names, at) == {
        names[0]: order.order_id,
        names[1]: order.order_id,
        names[3]: RESTRICTION,
    }
    assert await vault.parts.holds.held(names[5:], at) == {}


@pytest.mark.parametrize("customer", ["42", "nobody"])
async def test_an_order_about_nobody_keeps_nobody_elses_data(vault: OpenVault, customer: str) -> None:
    """Orders do not say who is a customer."""
    await vault.create("43")
    order = await ask(vault, customer)
    assert order.state == v1.DISCLOSURE_STATE_REQUESTED
    await vault.call("officer", "CustomerService.EraseCustomer", customers.EraseCustomerRequest(customer_id="43"))


def _in(ms: int) -> int:
    return time.time_ns() // 1_000_000 + ms
