"""Writes, and what each must leave: the model against which a vault is held that was cut off in the middle.

A customer has records, each under an etag, which is the id of its key in hex, so the model names exact versions. A deed
knows the records that are there after it. While no answer came, either state may be found, and nothing between them.
"""

import random
import secrets
import uuid
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.message import Message

from tests.vaults import card, contact
from vault.v1 import contact_service_pb2 as contacts
from vault.v1 import customer_service_pb2 as customers
from vault.v1 import payment_service_pb2 as payments

NUMBERS = ("4111111111111111", "5555555555554444", "4012888888881881")
NEW = ""
"""Stands for the etag of a version that is yet to be seen."""

Records = dict[str, str]
"""Names and etags."""


@dataclass(slots=True, eq=False)
class Customer:
    """What is known to be stored of one customer."""

    customer_id: str
    records: Records = field(default_factory=dict)
    values: dict[str, str] = field(default_factory=dict)
    """By record name: a contact's `name`, a card's last four digits."""
    erased: bool = False

    @property
    def name(self) -> str:
        """Of the customer's own record."""
        return f"customers/{self.customer_id}"


@dataclass(slots=True, eq=False)
class Deed:
    """One write, with what is there afterwards."""

    role: str
    method: str
    request: Any
    customer: Customer
    after: Records
    values: dict[str, str]
    erases: bool = False
    response: Message | None = None

    @property
    def request_id(self) -> str:
        """As it was sent."""
        request_id: str = self.request.request_id
        return request_id

    def done(self, response: Any) -> None:
        """It is known to have had its effect."""
        self.response = response
        after = dict(self.after)
        for part in ("customer", "contact", "card"):
            if shown := getattr(response, part, None):
                after[shown.record_name] = shown.etag
        self.customer.records, self.customer.values = after, self.values
        self.customer.erased |= self.erases

    def fits(self, found: Records) -> bool:
        """Whether these may be the customer's records once the deed is done."""
        written = [name for name, etag in self.after.items() if etag == NEW != self.customer.records.get(name)]
        return fits(self.after, found) and all(found[name] != self.customer.records.get(name) for name in written)


def fits(records: Records, found: Records) -> bool:
    """Whether these are the records found, as far as their etags are known."""
    return records.keys() == found.keys() and all(etag in (NEW, found[name]) for name, etag in records.items())


def create() -> Deed:
    """A customer with a contact and a card."""
    who = Customer(f"c-{secrets.token_hex(6)}")
    text, number = _text(), random.choice(NUMBERS)
    name = f"{who.name}/cards/{secrets.token_hex(8)}"
    request = customers.CreateCustomerRequest(
        customer_id=who.customer_id,
        contact=contact(name=text),
        cards=[card(card_number=number, record_name=name)],
        request_id=_id(),
    )
    records = {who.name: NEW, f"{who.name}/contact": NEW, name: NEW}
    values = {f"{who.name}/contact": text, name: number[-4:]}
    return Deed("storefront", "CustomerService.CreateCustomer", request, who, records, values)


def put(who: Customer) -> Deed:
    """Another contact."""
    text, name = _text(), f"{who.name}/contact"
    request = contacts.PutContactRequest(customer_id=who.customer_id, contact=contact(name=text), request_id=_id())
    after, values = {**who.records, name: NEW}, {**who.values, name: text}
    return Deed("storefront", "ContactService.PutContact", request, who, after, values)


def add(who: Customer) -> Deed:
    """One more card."""
    number, card_id = random.choice(NUMBERS), secrets.token_hex(8)
    name = f"{who.name}/cards/{card_id}"
    request = payments.AddCardRequest(
        customer_id=who.customer_id, card_id=card_id, card=card(card_number=number), request_id=_id()
    )
    after, values = {**who.records, name: NEW}, {**who.values, name: number[-4:]}
    return Deed("storefront", "PaymentService.AddCard", request, who, after, values)


def delete(who: Customer) -> Deed:
    """The contact or a card of a customer who has one."""
    name = random.choice(sorted(who.values))
    request: Any = payments.DeleteCardRequest(record_name=name, request_id=_id())
    method = "PaymentService.DeleteCard"
    if name.endswith("/contact"):
        request = contacts.DeleteContactRequest(customer_id=who.customer_id, request_id=_id())
        method = "ContactService.DeleteContact"
    after = {each: etag for each, etag in who.records.items() if each != name}
    values = {each: value for each, value in who.values.items() if each != name}
    return Deed("care", method, request, who, after, values)


def erase(who: Customer) -> Deed:
    """Everything of a customer."""
    request = customers.EraseCustomerRequest(customer_id=who.customer_id, request_id=_id())
    return Deed("officer", "CustomerService.EraseCustomer", request, who, {}, {}, erases=True)


def some(whose: list[Customer], chance: random.Random) -> Deed:
    """What a busy shop does next: mostly new customers and changes, now and then a deletion or an erasure."""
    alive = [who for who in whose if not who.erased]
    if not alive or chance.random() < 0.3:
        return create()
    who = chance.choice(alive)
    kinds = [put, put, add, erase, *([delete] if who.values else [])]
    return chance.choice(kinds)(who)


def _text() -> str:
    return f"Ann {secrets.token_hex(6)}"


def _id() -> str:
    return str(uuid.uuid4())
