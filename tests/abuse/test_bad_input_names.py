"""Ids and record names of every wrong form, wherever one can stand in a request: refused, nothing stored or echoed."""

from collections.abc import Callable

import pytest
from google.protobuf.message import Message

from tests.abuse.refusals import CARD_NAME, LONG, PAN, refused
from tests.vaults import OpenVault, card, contact
from vault.errors import InvalidArgument
from vault.v1 import contact_service_pb2 as contacts
from vault.v1 import customer_service_pb2 as customers
from vault.v1 import payment_service_pb2 as payments

pytestmark = pytest.mark.asyncio(loop_scope="session")

BAD_IDS = {
    "empty": "",
    "a slash": "some/where",
    "a space": "some where",
    "a line break": "somewhere\n",
    "a NUL": "some\0where",
    "a letter with a dot": "s\u00f6mewhere",
    "a zero-width space": "some\u200bwhere",
    "a path": "../../../etc/passwd",
    "too long": "x" * 65,
    "a megabyte": LONG,
    "a card number": PAN,
    "a card number with dashes": "4242-4242-4242-4242",
    "a card number among others": f"c{PAN}x",
}
WITH_CUSTOMER: dict[str, tuple[str, Callable[[str], Message]]] = {
    "CustomerService.GetCustomer": ("officer", lambda who: customers.GetCustomerRequest(customer_id=who)),
    "CustomerService.EraseCustomer": ("officer", lambda who: customers.EraseCustomerRequest(customer_id=who)),
    "ContactService.PutContact": (
        "storefront",
        lambda who: contacts.PutContactRequest(customer_id=who, contact=contact()),
    ),
    "ContactService.GetContact": ("care", lambda who: contacts.GetContactRequest(customer_id=who)),
    "ContactService.BatchGetContacts": ("care", lambda who: contacts.BatchGetContactsRequest(customer_ids=["42", who])),
    "ContactService.DeleteContact": ("care", lambda who: contacts.DeleteContactRequest(customer_id=who)),
    "PaymentService.AddCard": ("storefront", lambda who: payments.AddCardRequest(customer_id=who, card=card())),
    "PaymentService.ListCards": ("billing", lambda who: payments.ListCardsRequest(customer_id=who)),
    "PaymentService.GetCard": (
        "billing",
        lambda who: payments.GetCardRequest(record_name=f"customers/{who}/cards/one"),
    ),
    "PaymentService.BatchGetCards": (
        "billing",
        lambda who: payments.BatchGetCardsRequest(record_names=[f"customers/{who}/cards/one"]),
    ),
    "PaymentService.DeleteCard": (
        "care",
        lambda who: payments.DeleteCardRequest(record_name=f"customers/{who}/cards/one"),
    ),
}


@pytest.mark.parametrize("method", WITH_CUSTOMER)
@pytest.mark.parametrize("bad", BAD_IDS)
async def test_a_customer_id_has_one_form(shared: OpenVault, method: str, bad: str) -> None:
    """In a field of its own, in a list and in a record name."""
    role, make = WITH_CUSTOMER[method]
    await refused(shared, role, method, make(BAD_IDS[bad]), InvalidArgument)


@pytest.mark.parametrize("bad", [bad for bad in BAD_IDS if bad != "empty"])
async def test_a_chosen_customer_id_has_one_form(shared: OpenVault, bad: str) -> None:
    """An empty one is made by the vault."""
    request = customers.CreateCustomerRequest(customer_id=BAD_IDS[bad])
    await refused(shared, "storefront", "CustomerService.CreateCustomer", request, InvalidArgument)


BAD_CARD_IDS = [
    "Upper",
    "-dash",
    "dash-",
    "a_b",
    "a b",
    "a/b",
    "\u00e4bcdefgh",
    "x" * 64,
    PAN,
    f"a-{PAN}",
    LONG,
    "one\n",
]
READ_CARD: dict[str, tuple[str, Callable[[str], Message]]] = {
    "PaymentService.GetCard": ("billing", lambda name: payments.GetCardRequest(record_name=name)),
    "PaymentService.BatchGetCards": ("billing", lambda name: payments.BatchGetCardsRequest(record_names=[name])),
    "PaymentService.DeleteCard": ("care", lambda name: payments.DeleteCardRequest(record_name=name)),
}


@pytest.mark.parametrize("method", READ_CARD)
@pytest.mark.parametrize(
    "name",
    [
        *(f"customers/42/cards/{bad}" for bad in BAD_CARD_IDS),
        "",
        "customers/42",
        "customers/42/contact",
        "customers/42/cards",
        "customers/42/cards/",
        "visitors/42/cards/one",
        "/customers/42/cards/one",
        "customers//cards/one",
        f"{CARD_NAME}/",
        f"{CARD_NAME}/{CARD_NAME}",
        "CUSTOMERS/42/cards/one",
    ],
)
async def test_a_card_has_one_name(shared: OpenVault, method: str, name: str) -> None:
    """Anything else than customers/{id}/cards/{id} is no card."""
    role, make = READ_CARD[method]
    await refused(shared, role, method, make(name), InvalidArgument)


@pytest.mark.parametrize("bad", BAD_CARD_IDS)
async def test_a_chosen_card_id_has_one_form(shared: OpenVault, bad: str) -> None:
    """Beside the card, or in its name."""
    for request in (
        payments.AddCardRequest(customer_id="42", card=card(), card_id=bad),
        payments.AddCardRequest(customer_id="42", card=card(record_name=f"customers/42/cards/{bad}")),
    ):
        await refused(shared, "storefront", "PaymentService.AddCard", request, InvalidArgument)
