"""A vault that lives for a while, served by a real process, and is robbed twice: before and after erasures.

Everything goes over TLS with the SDK and by raw calls, good and bad ones, each with canaries in it. Files are copied as
they lie while the server runs, write-ahead logs, lock files and its standard error included.
"""

import asyncio
import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc

from tests.abuse.canaries import Person, people
from tests.running import RunningVault, make_home, serving
from vault.client import BillingClient, NewCustomer, OfficerClient, OpenedCard, ProvisioningClient, StorefrontClient
from vault.errors import VaultError
from vault.v1 import contact_service_pb2 as contacts
from vault.v1 import customer_service_pb2 as customers
from vault.v1 import payment_service_pb2 as payments
from vault.v1.records_pb2 import Contact

CUSTOMERS = 200
ERASED = 5
CHANGED = range(10, 20)
"""Whose contact has a version before the one that counts."""


@dataclass(frozen=True, slots=True)
class Heist:
    """What was stolen, and what was in it."""

    home: Path
    before: Path
    after: Path
    """Copies of the vault's files from before and after the erasures, to work on."""
    untouched: tuple[Path, Path]
    """The same, which nobody opens: a database changes when it is opened."""
    everybody: list[Person]
    earlier: list[Person]
    """Values that were replaced."""
    answers: list[bytes]
    """What billing's certificate alone was given."""

    @property
    def staying(self) -> list[Person]:
        """Those who were not erased."""
        return self.everybody[ERASED:]


@contextlib.contextmanager
def heist(folder: Path) -> Iterator[Heist]:
    """Live and be robbed; the stolen copies stay."""
    home = make_home(folder)
    config = home / "vault.toml"
    config.write_text(config.read_text().replace('level = "info"', 'level = "debug"'))
    everybody = people(CUSTOMERS, seed=4, prefix="cust-Qz")
    # Two people in one household: they share a phone.
    everybody[30] = Person(**{**_fields(everybody[30]), "phone": everybody[31].phone})
    earlier = people(CUSTOMERS, seed=5, prefix="cust-Qz")
    before, after = folder / "before", folder / "after"
    with serving(home) as vault:
        answers = asyncio.run(_live(vault, everybody, earlier))
        _steal(home, before)
        asyncio.run(_erase(vault, everybody[:ERASED]))
        _steal(home, after)
    untouched = (Path(f"{before}-untouched"), Path(f"{after}-untouched"))
    yield Heist(home, before, after, untouched, everybody, [earlier[i] for i in CHANGED], answers)


def _fields(person: Person) -> dict[str, str]:
    return {name: getattr(person, name) for name in Person.__slots__}


def _steal(home: Path, to: Path) -> None:
    """Everything but what the callers have."""
    for folder in ("data", "keys"):
        shutil.copytree(home / folder, to / folder)
    shutil.copy(home / "root.key", to / "root.key")
    shutil.copy(home.parent / f"{home.name}.log", to / "stderr.log")
    shutil.copytree(to, f"{to}-untouched")


async def _live(vault: RunningVault, everybody: list[Person], earlier: list[Person]) -> list[bytes]:
    async with (
        StorefrontClient.open(vault.caller("storefront")) as storefront,
        BillingClient.open(vault.caller("billing")) as billing,
        ProvisioningClient.open(vault.caller("provisioning")) as provisioning,
    ):
        for half, sealed in enumerate((True, False)):
            batch = []
            for at in range(half * 100, half * 100 + 100):
                first = earlier[at] if at in CHANGED else everybody[at]
                batch.append(NewCustomer(everybody[at].customer_id, first.contact(), [everybody[at].card()]))
            created = await storefront.batch_create_customers(batch, sealed=sealed)
            assert not any(isinstance(each, VaultError) for each in created)
        for at in CHANGED:
            await storefront.put_contact(everybody[at].customer_id, everybody[at].contact())
        for person in everybody[::20]:
            assert (await provisioning.get_contact(person.customer_id)).phone == person.phone
            (card,) = await billing.list_cards(person.customer_id)
            assert isinstance(card, OpenedCard)
            assert card.card_number == person.card_number
    await _stumble(vault, everybody)
    return await _with_billings_certificate(vault, everybody)


async def _erase(vault: RunningVault, who: list[Person]) -> None:
    async with OfficerClient.open(vault.caller("officer")) as officer:
        for person in who:
            await officer.erase_customer(person.customer_id)


async def _stumble(vault: RunningVault, everybody: list[Person]) -> None:
    """Calls that are refused, with values in every text: what the log says of them is stolen, too."""
    async with dial(vault, "storefront") as channel:
        for person in everybody[:40]:
            pan = person.card_number
            for method, request in (
                ("CustomerService.CreateCustomer", customers.CreateCustomerRequest(customer_id=pan)),
                ("CustomerService.CreateCustomer", customers.CreateCustomerRequest(contact=Contact(name=pan))),
                ("CustomerService.CreateCustomer", customers.CreateCustomerRequest(contact=Contact(email=person.name))),
                ("PaymentService.AddCard", payments.AddCardRequest(customer_id=person.customer_id, card_id=pan)),
                ("ContactService.GetContact", contacts.GetContactRequest(customer_id=pan, purpose=f"a{pan}")),
                ("ContactService.FindContacts", contacts.FindContactsRequest(phone=person.phone)),
            ):
                raw = request.SerializeToString()
                for sent in (raw, raw[:-1], raw + b"\xff"):
                    with contextlib.suppress(grpc.aio.AioRpcError):
                        await send(channel, method, sent)


async def _with_billings_certificate(vault: RunningVault, everybody: list[Person]) -> list[bytes]:
    """Who has the certificate, and not the key of the purpose, asks for cards."""
    async with dial(vault, "billing") as channel:
        answers = []
        for person in everybody[:50]:
            request = payments.ListCardsRequest(customer_id=person.customer_id, purpose="payment_processing")
            answers.append(await send(channel, "PaymentService.ListCards", request.SerializeToString()))
        return answers


def dial(vault: RunningVault, role: str) -> grpc.aio.Channel:
    """A plain gRPC channel with a caller's certificate: no SDK, no pins, no checks."""
    folder = vault.caller(role)
    credentials = grpc.ssl_channel_credentials(
        (folder / "ca.pem").read_bytes(), (folder / "key.pem").read_bytes(), (folder / "cert.pem").read_bytes()
    )
    return grpc.aio.secure_channel(vault.address, credentials)


async def send(channel: grpc.aio.Channel, method: str, raw: bytes) -> bytes:
    """One call, bytes in and bytes out."""
    service, _, name = method.partition(".")
    call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(f"/vault.v1.{service}/{name}")
    return await call(raw, timeout=20)
