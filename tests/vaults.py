"""A whole vault in this process: made by `init`, opened without a server, called by role."""

import asyncio
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

from google.protobuf.message import Message

from vault.cli.deployment.create import Wish, create
from vault.cli.deployment.layout import Address
from vault.errors import VaultError
from vault.pki.spiffe import TrustDomain
from vault.server.port import descriptor
from vault.service.settings import Settings
from vault.service.vault import Vault
from vault.v1 import contact_service_pb2 as contacts
from vault.v1 import customer_service_pb2 as customers
from vault.v1 import payment_service_pb2 as payments
from vault.v1 import records_pb2 as records

TRUST_DOMAIN = "vault.example"
CARD_NUMBER = "4111111111111111"


def contact(**changes: Any) -> records.Contact:
    """A contact in plain; a field set to the empty text is left out."""
    fields = {"name": "Ann Example", "city": "Bonn", "country_code": "DE", "phone": "+49 228 123456"}
    merged: dict[str, Any] = {**fields, "email": "ann@example.org", **changes}
    return records.Contact(**merged)


def card(**changes: Any) -> records.Card:
    """A card in plain."""
    merged: dict[str, Any] = {"card_number": CARD_NUMBER, "expiry": "12/2040", "holder_name": "Ann Example", **changes}
    return records.Card(**merged)


def new_request_id() -> str:
    """A fresh request_id."""
    return str(uuid.uuid4())


async def make_home(folder: Path) -> Path:
    """A fresh deployment."""
    wish = Wish(TrustDomain(TRUST_DOMAIN), Address("127.0.0.1", 7443))
    await asyncio.to_thread(create, folder, wish)
    return folder


async def stream_of(requests: Iterable[Message]) -> AsyncGenerator[Message, None]:
    """Requests as they come from a client."""
    for request in requests:
        yield request


class OpenVault:
    """A vault and short ways to call it."""

    def __init__(self, vault: Vault, home: Path) -> None:
        self.vault = vault
        self.home = home
        self.parts = vault._parts
        self.now_shift = 0
        """Milliseconds added to the clock of each call."""

    async def call(self, role: str, method: str, request: Any) -> Any:
        """Call as a role; raises what the vault raises.

        A stream of requests is given as a list (or one message, for a stream of one), a stream of answers comes as one.
        """
        peer = role if role.startswith("spiffe:") else f"spiffe://{TRUST_DOMAIN}/{role}"
        now = time.time_ns() // 1_000_000 + self.now_shift
        kind = descriptor(method)
        if kind.client_streaming:
            requests = stream_of(request if isinstance(request, list) else [request])
            return await self.vault.collect(method, peer, requests, now=now, correlation="test")
        if kind.server_streaming:
            async with aclosing(self.vault.stream(method, peer, request, now=now, correlation="test")) as answers:
                return [answer async for answer in answers]
        return await self.vault.call(method, peer, request, now=now, correlation="test")

    def watch(self, role: str, method: str, request: Any) -> AsyncGenerator[Any, None]:
        """The answers of a stream that does not end, as they come; to be closed."""
        peer = f"spiffe://{TRUST_DOMAIN}/{role}"
        return self.vault.stream(method, peer, request, now=time.time_ns() // 1_000_000, correlation="test")

    async def refusal(self, role: str, method: str, request: Any) -> VaultError:
        """The error that a call must end with."""
        try:
            response = await self.call(role, method, request)
        except VaultError as error:
            return error
        raise AssertionError(f"{role} was answered by {method}: {type(response).__name__}")

    async def create(self, customer_id: str = "42", **parts: Any) -> Any:
        """Create a customer with a contact and a card."""
        request = customers.CreateCustomerRequest(customer_id=customer_id, **parts)
        if "contact" not in parts:
            request.contact.CopyFrom(contact())
        if "cards" not in parts:
            request.cards.add().CopyFrom(card())
        return await self.call("storefront", "CustomerService.CreateCustomer", request)

    async def get_contact(self, role: str = "provisioning", customer_id: str = "42", **parts: Any) -> records.Contact:
        """Read a contact; provisioning's purpose unless told."""
        if role == "provisioning":
            parts = {"purpose": "service_provisioning", **parts}
        request = contacts.GetContactRequest(customer_id=customer_id, **parts)
        answer: contacts.GetContactResponse = await self.call(role, "ContactService.GetContact", request)
        return answer.contact

    async def get_card(self, record_name: str, role: str = "billing", **parts: Any) -> records.Card:
        """Read a card."""
        request = payments.GetCardRequest(record_name=record_name, **parts)
        answer: payments.GetCardResponse = await self.call(role, "PaymentService.GetCard", request)
        return answer.card

    async def entries(self) -> list[bytes]:
        """The whole log of this process."""
        found = await self.parts.store.log_entries(self.parts.journal.log_id, 0, 1 << 30)
        return [entry for _, entry in found]


@asynccontextmanager
async def opened(home: Path) -> AsyncIterator[OpenVault]:
    """Open a deployment; what is fatal fails the test."""
    ended: list[str] = []
    vault = await Vault.open(Settings.load(home / "vault.toml"), fatal=ended.append)
    try:
        yield OpenVault(vault, home)
    finally:
        await vault.close()
    assert not ended, ended
