"""The same request_id again and again (T20): one effect, one answer, and never another request's."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.message import Message

from tests.abuse import disk
from tests.abuse.digests import against_log
from tests.figures import Figures
from tests.vaults import OpenVault, card, contact, new_request_id, opened
from vault.errors import InvalidArgument
from vault.v1 import contact_service_pb2 as contacts
from vault.v1 import customer_service_pb2 as customers
from vault.v1 import payment_service_pb2 as payments
from vault.v1 import status_pb2 as status

AT_ONCE = 50
ROUNDS = 40
WRITES: dict[str, tuple[str, Callable[[str, str], Message]]] = {
    "CustomerService.CreateCustomer": (
        "storefront",
        lambda who, rid: customers.CreateCustomerRequest(contact=contact(), cards=[card()], request_id=rid),
    ),
    "CustomerService.BatchCreateCustomers": (
        "storefront",
        lambda who, rid: customers.BatchCreateCustomersRequest(
            requests=[customers.CreateCustomerRequest(cards=[card()])] * 2, request_id=rid
        ),
    ),
    "ContactService.PutContact": (
        "care",
        lambda who, rid: contacts.PutContactRequest(customer_id=who, contact=contact(city="Graz"), request_id=rid),
    ),
    "PaymentService.AddCard": (
        "storefront",
        lambda who, rid: payments.AddCardRequest(customer_id=who, card=card(), request_id=rid),
    ),
    "ContactService.DeleteContact": (
        "care",
        lambda who, rid: contacts.DeleteContactRequest(customer_id=who, request_id=rid),
    ),
}
ROWS = {
    "CustomerService.CreateCustomer": 3,
    "CustomerService.BatchCreateCustomers": 4,
    "ContactService.PutContact": 0,
    "PaymentService.AddCard": 1,
    "ContactService.DeleteContact": -1,
}
"""How many rows one effect adds."""


def count(vault: OpenVault, table: str = "records") -> int:
    """Rows of the data file."""
    return len(disk.rows(vault.home / disk.DATA, table))


@pytest.mark.parametrize("method", WRITES)
async def test_fifty_at_once_have_one_effect(vault: OpenVault, figures: Figures, method: str) -> None:
    """And fifty equal answers, whoever of them came first."""
    role, make = WRITES[method]
    duplicates = 0
    for at in range(ROUNDS):
        who, request_id = f"c{at}", new_request_id()
        await vault.create(who)
        before = count(vault)
        calls = [vault.call(role, method, make(who, request_id)) for _ in range(AT_ONCE)]
        answers = await asyncio.gather(*calls)
        assert {answer.SerializeToString(deterministic=True) for answer in answers} == {
            answers[0].SerializeToString(deterministic=True)
        }
        duplicates += abs(count(vault) - before - ROWS[method])
    figures(f"{method}: {ROUNDS * AT_ONCE} calls under {ROUNDS} request_ids, duplicates {duplicates}")
    assert not duplicates
    assert against_log(vault.home) == []


async def test_fifty_erasures_at_once_are_one(vault: OpenVault) -> None:
    """The tombstone is their memory: the first receipt says what was destroyed, the others that nothing was left."""
    await vault.create()
    request_id = new_request_id()
    calls = [
        vault.call(
            "officer",
            "CustomerService.EraseCustomer",
            customers.EraseCustomerRequest(customer_id="42", request_id=request_id),
        )
        for _ in range(AT_ONCE)
    ]
    receipts = [answer.receipt for answer in await asyncio.gather(*calls)]
    assert sorted(receipt.keys_destroyed for receipt in receipts) == [0] * (AT_ONCE - 1) + [3]


OTHER: dict[str, Callable[[str], Message]] = {
    "another customer": lambda rid: payments.AddCardRequest(customer_id="43", card=card(), request_id=rid),
    "a chosen id": lambda rid: payments.AddCardRequest(customer_id="42", card=card(), card_id="b", request_id=rid),
    "a named card": lambda rid: payments.AddCardRequest(
        customer_id="42", card=card(record_name="customers/42/cards/a"), request_id=rid
    ),
}


@pytest.mark.parametrize("other", OTHER)
async def test_another_request_under_the_same_id_is_refused(vault: OpenVault, other: str) -> None:
    """Also in the same moment, when the first is not yet remembered."""
    for who in ("42", "43"):
        await vault.create(who)
    request_id = new_request_id()
    first = payments.AddCardRequest(customer_id="42", card=card(), request_id=request_id)
    await vault.call("storefront", "PaymentService.AddCard", first)
    before = disk.holdings(vault.home)
    error = await vault.refusal("storefront", "PaymentService.AddCard", OTHER[other](request_id))
    assert isinstance(error, InvalidArgument)
    assert error.reason == status.REASON_REQUEST_ID_REUSED
    assert disk.holdings(vault.home) == before


async def test_one_id_for_two_requests_at_once_does_one_of_them(vault: OpenVault) -> None:
    """Whichever is first; all others are told."""
    for who in ("42", "43"):
        await vault.create(who)
    before, request_id = count(vault), new_request_id()
    requests = [payments.AddCardRequest(customer_id=who, card=card(), request_id=request_id) for who in ("42", "43")]
    calls = [_outcome(vault, request) for request in [*requests] * 25]
    outcomes = await asyncio.gather(*calls)
    assert count(vault) == before + 1
    names = {outcome for outcome in outcomes if isinstance(outcome, str)}
    assert len(names) == 1
    assert outcomes.count(next(iter(names))) == 25
    assert sum(isinstance(outcome, InvalidArgument) for outcome in outcomes) == 25


async def _outcome(vault: OpenVault, request: payments.AddCardRequest) -> Any:
    fresh = payments.AddCardRequest.FromString(request.SerializeToString())
    try:
        return (await vault.call("storefront", "PaymentService.AddCard", fresh)).card.record_name
    except InvalidArgument as error:
        return error


async def test_one_id_belongs_to_one_caller_and_method(vault: OpenVault) -> None:
    """Two callers may use one id; one caller may not use it for two methods."""
    await vault.create()
    request_id = new_request_id()
    put = contacts.PutContactRequest(customer_id="42", contact=contact(city="Graz"), request_id=request_id)
    await vault.call("care", "ContactService.PutContact", put)
    again = contacts.PutContactRequest(customer_id="42", contact=contact(city="Wien"), request_id=request_id)
    await vault.call("storefront", "ContactService.PutContact", again)
    assert (await vault.get_contact()).city == "Wien"
    delete = contacts.DeleteContactRequest(customer_id="42", request_id=request_id)
    assert isinstance(await vault.refusal("care", "ContactService.DeleteContact", delete), InvalidArgument)
    assert (await vault.get_contact()).city == "Wien"


async def test_a_repeat_after_a_restart_is_still_a_repeat(home: Path) -> None:
    """What was remembered is durable, and so is the key that tells requests apart."""
    request_id = new_request_id()

    def request() -> customers.CreateCustomerRequest:
        return customers.CreateCustomerRequest(contact=contact(), cards=[card()], request_id=request_id)

    async with opened(home) as vault:
        first = await vault.call("storefront", "CustomerService.CreateCustomer", request())
    async with opened(home) as vault:
        assert await vault.call("storefront", "CustomerService.CreateCustomer", request()) == first
        assert count(vault) == 3


async def test_nothing_of_a_card_in_plain_is_remembered(vault: OpenVault) -> None:
    """The fingerprint leaves a card's text out: else it would let somebody try numbers until one fits."""
    await vault.create()
    request_id = new_request_id()
    for number in ("4242424242424242", "4000056655665556"):
        request = payments.AddCardRequest(customer_id="42", card=card(card_number=number), request_id=request_id)
        await vault.call("storefront", "PaymentService.AddCard", request)
    assert count(vault) == 4
