"""The same clients for code that is not async, such as a Django view or a Celery task.

    with BillingClient.open("DIR/callers/billing") as billing:
        card = billing.get_card("customers/42/cards/7f3a")

Nothing is written twice: each method here is the async one, run on an event loop of its own in one daemon thread of
the process, where the timers that end a sealer's steps run too. Calls from many threads share a client and its
connection. What an event loop or a gRPC channel is does not survive a fork, so clients are opened after it; one that
was opened before says so.
"""

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator
from contextlib import contextmanager
from functools import cache, update_wrapper
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Concatenate, Generic, ParamSpec, Self, TypeVar

from vault.client import billing, care, disclosures, mail, orders, staff, storefront, traffic
from vault.client import settings as files
from vault.client.base import VaultClient
from vault.client.fetched import FetchedMessage, MailEnvelope
from vault.client.settings import Settings
from vault.v1.mail_service_pb2 import StoreMessageResponse

P = ParamSpec("P")
R = TypeVar("R")


class _Loop:
    """An event loop in a daemon thread."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.pid = os.getpid()
        self._thread = threading.Thread(target=self.loop.run_forever, name="vault-client", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, R]) -> R:
        """Wait for work on the loop; an interrupt of the waiting cancels it.

        Raises:
            RuntimeError: called in a forked child, or on the loop itself, where it would wait for ever.
        """
        if os.getpid() != self.pid or threading.current_thread() is self._thread:
            work.close()
            raise RuntimeError("open the client after the fork, and do not call it from its own callbacks")
        future = asyncio.run_coroutine_threadsafe(work, self.loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise


@cache
def _loop_of(_pid: int) -> _Loop:
    return _Loop()


class Method(Generic[P, R]):
    """An async client's method, seen from the façade: the same parameters, and the result itself."""

    def __init__(self, method: Callable[Concatenate[Any, P], Coroutine[Any, Any, R]]) -> None:
        self._method = method
        self.__doc__ = method.__doc__

    def __get__(self, client: "Client", owner: type["Client"]) -> Callable[P, R]:
        """Bind to a client."""

        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            return client.loop.run(self._method(client.client, *args, **kwargs))

        return update_wrapper(call, self._method)


class Listing(Generic[P, R]):
    """An async client's iterator, seen from the façade."""

    def __init__(self, method: Callable[Concatenate[Any, P], AsyncIterator[R]]) -> None:
        self._method = method
        self.__doc__ = method.__doc__

    def __get__(self, client: "Client", owner: type["Client"]) -> Callable[P, Iterator[R]]:
        """Bind to a client."""

        def call(*args: P.args, **kwargs: P.kwargs) -> Iterator[R]:
            items = self._method(client.client, *args, **kwargs)

            async def following() -> tuple[R, ...]:
                async for item in items:
                    return (item,)
                return ()

            while found := client.loop.run(following()):
                yield from found

        return update_wrapper(call, self._method)


class Client:
    """A caller of the vault. Use as a context manager, or call `close`."""

    kind: ClassVar[type[VaultClient]] = VaultClient

    def __init__(self, settings: Settings) -> None:
        self.loop = _loop_of(os.getpid())
        self.client = self.loop.run(self._made(settings))

    async def _made(self, settings: Settings) -> VaultClient:
        return self.kind(settings)

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """Make a client from a caller's folder (or its client.toml).

        Raises:
            ConfigError: a file is missing, malformed, or a key that others may read.
        """
        return cls(files.load(path))

    def close(self) -> None:
        """Close the connection and forget keys."""
        self.loop.run(self.client.close())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    get_policy = Method(VaultClient.get_policy)
    explain_access = Method(VaultClient.explain_access)
    get_checkpoint = Method(VaultClient.get_checkpoint)


class StorefrontClient(Client):
    """Writes customers, contacts and cards."""

    kind: ClassVar[type[VaultClient]] = storefront.StorefrontClient
    create_customer = Method(storefront.StorefrontClient.create_customer)
    batch_create_customers = Method(storefront.StorefrontClient.batch_create_customers)
    put_contact = Method(storefront.StorefrontClient.put_contact)
    add_card = Method(storefront.StorefrontClient.add_card)
    record_visits = Method(storefront.StorefrontClient.record_visits)
    save_preferences = Method(storefront.StorefrontClient.save_preferences)
    get_preferences = Method(storefront.StorefrontClient.get_preferences)
    save_order_form = Method(storefront.StorefrontClient.save_order_form)
    submit_order = Method(storefront.StorefrontClient.submit_order)


class SalesClient(Client):
    """Lists and follows orders."""

    kind: ClassVar[type[VaultClient]] = orders.SalesClient
    list_orders = Listing(orders.SalesClient.list_orders)
    watch_orders = Listing(orders.SalesClient.watch_orders)


class TrafficClient(Client):
    """Looks at counts of visits."""

    kind: ClassVar[type[VaultClient]] = traffic.TrafficClient
    get_traffic_report = Method(traffic.TrafficClient.get_traffic_report)


class BillingClient(Client):
    """Reads cards, and the addresses to verify them."""

    kind: ClassVar[type[VaultClient]] = billing.BillingClient
    get_customer = Method(billing.BillingClient.get_customer)
    get_card = Method(billing.BillingClient.get_card)
    batch_get_cards = Method(billing.BillingClient.batch_get_cards)
    list_cards = Method(billing.BillingClient.list_cards)
    get_contact = Method(billing.BillingClient.get_contact)
    register_purpose_key = Method(billing.BillingClient.register_purpose_key)
    reseal_epochs = Method(billing.BillingClient.reseal_epochs)


class Fetched:
    """A message that is read without an event loop; `message` is the one of `vault.client.fetched`."""

    def __init__(self, loop: _Loop, message: FetchedMessage) -> None:
        self._loop = loop
        self.message = message

    @property
    def envelope(self) -> MailEnvelope:
        """Sender, recipients, and what was asked for beside them."""
        return self.message.envelope

    @property
    def verified(self) -> bool:
        """Whether the whole body was read and is what was sealed; before, nobody may act on any of it."""
        return self.message.verified

    def chunks(self) -> Iterator[bytes]:
        """The body, in pieces; raises if it is not what was sealed."""
        chunks = self.message.chunks()

        async def following() -> bytes | None:
            return await anext(chunks, None)

        while (chunk := self._loop.run(following())) is not None:
            yield chunk


class MailClient(Client):
    """Stores messages and gets them out again."""

    kind: ClassVar[type[VaultClient]] = mail.MailClient
    claim = Method(mail.MailClient.claim)
    complete = Method(mail.MailClient.complete)
    release = Method(mail.MailClient.release)
    extend_lease = Method(mail.MailClient.extend_lease)
    get_message = Method(mail.MailClient.get_message)
    depth = Method(mail.MailClient.depth)
    list_messages = Listing(mail.MailClient.list_messages)
    register_purpose_key = Method(mail.MailClient.register_purpose_key)
    reseal_epochs = Method(mail.MailClient.reseal_epochs)

    def store(
        self,
        owner: str,
        envelope: MailEnvelope,
        body: Iterable[bytes],
        **more: Any,  # noqa: ANN401 - as the async one has them
    ) -> StoreMessageResponse:
        """Store a message; arguments and errors as the async one's. A `list` of pieces can be begun anew."""
        client: Any = self.client

        async def pieces() -> AsyncIterator[bytes]:
            left = iter(body)
            while (piece := await asyncio.to_thread(next, left, None)) is not None:
                yield piece

        source = pieces if isinstance(body, list | tuple) else pieces()
        stored: StoreMessageResponse = self.loop.run(client.store(owner, envelope, source, **more))
        return stored

    @contextmanager
    def fetch(self, record_name: str, **more: Any) -> Iterator[Fetched]:  # noqa: ANN401 - as the async one has them
        """A message, opened while the context lasts; arguments and errors as the async one's."""
        client: Any = self.client
        opened = client.fetch(record_name, **more)
        message = self.loop.run(opened.__aenter__())
        try:
            yield Fetched(self.loop, message)
        finally:
            self.loop.run(opened.__aexit__(None, None, None))


class ProvisioningClient(Client):
    """Sets up and runs the services that customers ordered."""

    kind: ClassVar[type[VaultClient]] = care.ProvisioningClient
    get_customer = Method(care.ProvisioningClient.get_customer)
    get_contact = Method(care.ProvisioningClient.get_contact)
    batch_get_contacts = Method(care.ProvisioningClient.batch_get_contacts)
    find_contacts = Method(care.ProvisioningClient.find_contacts)
    list_cards = Method(care.ProvisioningClient.list_cards)
    put_account = Method(care.ProvisioningClient.put_account)
    get_account = Method(care.ProvisioningClient.get_account)
    append_log_entries = Method(care.ProvisioningClient.append_log_entries)
    list_log_entries = Listing(care.ProvisioningClient.list_log_entries)


class CareClient(ProvisioningClient):
    """Answers customers and corrects what is wrong."""

    kind: ClassVar[type[VaultClient]] = care.CareClient
    put_contact = Method(care.CareClient.put_contact)
    delete_contact = Method(care.CareClient.delete_contact)
    delete_card = Method(care.CareClient.delete_card)


class OfficerClient(Client):
    """Answers for the customers' rights."""

    kind: ClassVar[type[VaultClient]] = staff.OfficerClient
    get_customer = Method(staff.OfficerClient.get_customer)
    erase_customer = Method(staff.OfficerClient.erase_customer)
    export_customer = Listing(staff.OfficerClient.export_customer)
    report_access = Listing(staff.OfficerClient.report_access)
    prove_erasure = Method(staff.OfficerClient.prove_erasure)
    set_consent = Method(staff.OfficerClient.set_consent)
    set_objection = Method(staff.OfficerClient.set_objection)
    restrict_customer = Method(staff.OfficerClient.restrict_customer)
    lift_restriction = Method(staff.OfficerClient.lift_restriction)
    get_statements = Method(staff.OfficerClient.get_statements)
    list_disclosures = Method(staff.OfficerClient.list_disclosures)


class PartnerClient(Client):
    """A selected partner, who sees only the customers who agreed."""

    kind: ClassVar[type[VaultClient]] = care.PartnerClient
    get_contact = Method(care.PartnerClient.get_contact)
    batch_get_contacts = Method(care.PartnerClient.batch_get_contacts)
    find_contacts = Method(care.PartnerClient.find_contacts)


class ApproverClient(Client):
    """A person who decides about orders that somebody else requested."""

    kind: ClassVar[type[VaultClient]] = disclosures.ApproverClient
    list_disclosures = Method(disclosures.ApproverClient.list_disclosures)
    approve_disclosure = Method(disclosures.ApproverClient.approve_disclosure)
    reject_disclosure = Method(disclosures.ApproverClient.reject_disclosure)


class LegalClient(Client):
    """Asks for disclosures, and reads what an approved one covers."""

    kind: ClassVar[type[VaultClient]] = disclosures.LegalClient
    list_disclosures = Method(disclosures.LegalClient.list_disclosures)
    request_disclosure = Method(disclosures.LegalClient.request_disclosure)
    get_contact = Method(disclosures.LegalClient.get_contact)
    batch_get_contacts = Method(disclosures.LegalClient.batch_get_contacts)
    register_purpose_key = Method(disclosures.LegalClient.register_purpose_key)
    reseal_epochs = Method(disclosures.LegalClient.reseal_epochs)


class OperatorClient(Client):
    """Runs the vault."""

    kind: ClassVar[type[VaultClient]] = staff.OperatorClient
    list_keys = Method(staff.OperatorClient.list_keys)
    run_retention = Listing(staff.OperatorClient.run_retention)


class AuditorClient(Client):
    """Reads the log."""

    kind: ClassVar[type[VaultClient]] = staff.AuditorClient
    list_entries = Listing(staff.AuditorClient.list_entries)
    report_access = Listing(staff.AuditorClient.report_access)
    prove_entry = Method(staff.AuditorClient.prove_entry)
