"""A refusal, checked from all sides: its kind, that nothing was stored or destroyed, and that nothing was echoed."""

from collections.abc import Iterator
from typing import Any

from google.protobuf.message import Message

from tests.abuse import disk
from tests.vaults import OpenVault, card, contact, new_request_id
from vault.errors import InvalidArgument, PermissionDenied, VaultError
from vault.service.opening import Opened
from vault.v1 import contact_service_pb2 as contacts
from vault.v1 import customer_service_pb2 as customers
from vault.v1 import payment_service_pb2 as payments

PAN = "4242424242424242"
LONG = "Lengthy" * 150_000
CARD_NAME = "customers/42/cards/one"
HINTS = 6
"""Characters; a longer part of a value that was sent must not come back in an error."""


async def warm(vault: OpenVault) -> None:
    """Customer 42 with a card `one`; and whatever a vault makes once (epochs, the day's key) is made."""
    one = card()
    one.record_name = "customers/42/cards/one"
    request = customers.CreateCustomerRequest(customer_id="42", contact=contact(), cards=[one])
    request.request_id = new_request_id()
    await vault.call("storefront", "CustomerService.CreateCustomer", request)


async def refused(
    vault: OpenVault, role: str, method: str, request: Message, kind: type[VaultError] | tuple[type[VaultError], ...]
) -> VaultError:
    """Call; the error must be of the kind, both files must be as before, and no text of the request comes back."""
    sent = list(texts(request))
    before = disk.holdings(vault.home)
    error = await vault.refusal(role, method, request)
    assert isinstance(error, kind), f"{type(error).__name__}: {error}"
    assert disk.holdings(vault.home) == before
    said = [str(error)]
    if isinstance(error, InvalidArgument):
        said += [error.field, error.rule]
    if isinstance(error, PermissionDenied):
        said += [error.field, error.clause]
    for text in sent:
        assert not [line for line in said if text in line], f"{error} echoes {text!r}"
    return error


def texts(message: Message) -> Iterator[str]:
    """Every text in a request that is long enough to be a value; not those that the API itself defines."""
    for field, value in message.ListFields():
        values: Any = value if field.is_repeated else [value]
        for each in values:
            if isinstance(each, Message):
                yield from texts(each)
            elif isinstance(each, str) and len(each) > HINTS and each not in _KNOWN:
                yield each


_KNOWN = {
    *(f.name for m in (contacts, payments) for d in m.DESCRIPTOR.message_types_by_name.values() for f in d.fields),
    "payment_processing",
    "account_service",
    "service_provisioning",
}


async def kept(vault: OpenVault, needle: bytes) -> list[str]:
    """Where some bytes are stored, in plain or under the record lock alone."""
    found = [what for what, rows in disk.holdings(vault.home).items() for row in rows if needle in repr(row).encode()]
    found += ["the log" for entry in await vault.entries() if needle in entry]
    names = [row[1] for row in disk.rows(vault.home / disk.DATA, "records")]
    opened = await vault.parts.records.open(names, 0)
    found += [n for n, o in opened.items() if isinstance(o, Opened) and needle in o.record.SerializeToString()]
    return found
