"""One row becomes a request, or is refused by field and rule.

The checks are the vault's own (its domain and the shape rules of the API), run here first: a row that the vault would
refuse must not take the other 99 of its batch with it, and the vault cannot look at a card that arrives sealed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

from protovalidate import Validator

from vault.cli.importer.sheet import Line
from vault.domain import card, contact, names
from vault.domain.card import Month
from vault.errors import InvalidArgument
from vault.v1.customer_service_pb2 import CreateCustomerRequest
from vault.v1.records_pb2 import Card

_CONTACT: Final = ("name", "street", "city", "region", "postal_code", "country_code", "phone", "email")
_CARD: Final = {"card_number": "card_number", "expiry": "card_expiry", "holder_name": "card_holder"}
"""Columns by field."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A row that was not stored."""

    line: int
    field: str
    """The column to correct; empty if it is the row as a whole."""
    rule: str
    """What the column must be; never what it is."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """A row that may be sent."""

    line: int
    request: CreateCustomerRequest
    """With the card in plain; the client seals it."""


class Checker:
    """Checks rows in the order of the file, which it needs to find an id that stands there twice."""

    def __init__(self, today: Month) -> None:
        self._today = today
        self._lines: dict[str, int] = {}

    def check(self, line: Line) -> Accepted | Refused:
        """A row as a request, in its stored form, or why not."""
        if line.cells is None:
            return Refused(line.number, "", "must have as many cells as the header")
        try:
            return Accepted(line.number, self._request(line.cells, line.number))
        except InvalidArgument as error:
            return Refused(line.number, column_of(error.field), error.rule)

    def _request(self, cells: Mapping[str, str], number: int) -> CreateCustomerRequest:
        customer = names.customer_id(cells["customer_id"])
        first = self._lines.setdefault(customer, number)
        if first != number:
            raise InvalidArgument("customer_id", f"must not stand in the file twice; see line {first}")
        request = CreateCustomerRequest(customer_id=customer)
        for name in _CONTACT:
            setattr(request.contact, name, cells[name])
        payment = Card()
        for field, column in _CARD.items():
            setattr(payment, field, cells[column])
        if payment.ByteSize():
            request.cards.append(payment)
        _check_shape(request)
        contact.normalize(request.contact)
        for each in request.cards:
            card.normalize(each, self._today)
        return request


def column_of(field: str) -> str:
    """The column behind a field of a request, such as `requests[3].contact.country_code`."""
    name = field.rpartition(".")[2]
    return _CARD.get(name, name)


def _check_shape(request: CreateCustomerRequest) -> None:
    """The API's own rules: lengths, patterns.

    Raises:
        InvalidArgument: one is broken.
    """
    for violation in _validator().collect_violations(request):
        path = violation.proto.field
        names_ = [element.field_name for element in path.elements] if path else []
        # Not `field_value`: it is the value.
        raise InvalidArgument(".".join(names_), violation.proto.message)


@cache
def _validator() -> Validator:
    return Validator()
