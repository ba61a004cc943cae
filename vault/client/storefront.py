"""The storefront: creates customers, writes contacts and cards, and reads nothing back.

A card is checked and sealed here and the vault never sees it; the storefront itself cannot open it a moment later. A
contact goes to the vault in plain over TLS, because its searchable fields and most of its readers are in the vault's
custody.

After an `OutcomeUnknown` or a crash, a caller that gave a request_id repeats the call with it: a call with nothing
sealed here is answered as it was the first time, and one with a sealed card with AlreadyExists if the first one was
done (vault.client.chosen_ids says why). A caller that chose the ids itself is told AlreadyExists as well.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import TypeVar

import grpc

from vault.client.chosen_ids import ChosenIds
from vault.client.connection import BATCH_DEADLINE
from vault.client.contacts import ContactWriter
from vault.client.orders import FormKeeper
from vault.client.preferences import PreferenceKeeper
from vault.client.records import NewCustomer, RecordInfo, info_of
from vault.client.sealing import Sealing
from vault.client.settings import Settings
from vault.client.status import from_item
from vault.client.traffic import VisitCounter
from vault.domain import names
from vault.domain.card import Month, normalize
from vault.errors import DataLoss, FailedPrecondition, InvalidArgument, VaultError
from vault.v1 import customer_service_pb2, order_service_pb2, payment_service_pb2
from vault.v1.records_pb2 import Card
from vault.v1.status_pb2 import REASON_EPOCH_NOT_USABLE

CreateRequest = customer_service_pb2.CreateCustomerRequest
Created = customer_service_pb2.CreateCustomerResponse

MAX_BATCH = 100

T = TypeVar("T")


class StorefrontClient(ContactWriter, FormKeeper, PreferenceKeeper, VisitCounter):
    """Writes customers, contacts, cards and orders."""

    def __init__(self, settings: Settings, *, channel: grpc.aio.Channel | None = None) -> None:
        super().__init__(settings, channel=channel)
        self._sealing = Sealing(self._connection)

    async def close(self) -> None:
        """Close the connection and overwrite what is left of the epochs' keys."""
        self._sealing.close()
        await super().close()

    async def create_customer(self, customer: NewCustomer, *, sealed: bool = True, request_id: str = "") -> Created:
        """Create a customer with a contact and cards, in one transaction.

        Args:
            customer: what to store; the messages in it are not changed.
            sealed: seal the cards here (the default), or let the vault do it, which then sees them for a moment.
            request_id: a UUID, to repeat the call with; see the top. The SDK's own if empty.

        Returns:
            The customer, and the names of the records in the order contact, cards.

        Raises:
            InvalidArgument: a field breaks its rule; the value is not echoed.
            AlreadyExists: the customer_id is taken or was erased.
        """
        ids = ChosenIds(request_id)

        async def attempt() -> Created:
            request = await self._request(customer, ids, "", sealed=sealed)
            request.request_id = ids.of_request(sealed=sealed and bool(customer.cards))
            return await self._connection.call(self._connection.customers.CreateCustomer, request)

        return await self._with_usable_epochs(attempt)

    async def batch_create_customers(
        self, customers: Sequence[NewCustomer], *, sealed: bool = True, request_id: str = ""
    ) -> list[Created | VaultError]:
        """Create up to 100 customers; each succeeds or fails on its own.

        Args:
            customers: what to store; the messages in it are not changed.
            sealed: as for `create_customer`.
            request_id: a UUID, to repeat the whole batch with, in the same order; see the top.

        Returns:
            For each, in order, what was created or the error that refused it.

        Raises:
            InvalidArgument: none, or more than 100.
            VaultError: the call as a whole failed.
        """
        if not 1 <= len(customers) <= MAX_BATCH:
            raise InvalidArgument("customers", f"must be 1 to {MAX_BATCH}")
        ids = ChosenIds(request_id)
        results: dict[int, Created | VaultError] = {}
        for last in (False, True):
            left = [i for i in range(len(customers)) if i not in results]
            if left:
                results.update(await self._create(customers, left, ids, sealed=sealed, last=last))
        return [results[i] for i in range(len(customers))]

    async def add_card(
        self, customer_id: str, card: Card, *, card_id: str = "", sealed: bool = True, request_id: str = ""
    ) -> RecordInfo:
        """Add a card to a customer.

        Args:
            customer_id: whose.
            card: in plain; it is not changed.
            card_id: chosen by the caller, so that a repeated attempt is told AlreadyExists; the SDK's if empty.
            sealed: seal it here (the default), or let the vault do it, which then sees it for a moment.
            request_id: a UUID, to repeat the call with; see the top. The SDK's own if empty.

        Raises:
            InvalidArgument: a field breaks its rule; the value is not echoed.
        """
        owner = names.customer_id(customer_id)
        ids = ChosenIds(request_id)
        chosen = names.record_id(card_id or ids.new("card"), "card_id")
        name = names.card_name(owner, chosen)

        async def attempt() -> RecordInfo:
            request = payment_service_pb2.AddCardRequest(
                customer_id=owner, card_id=chosen, request_id=ids.of_request(sealed=sealed)
            )
            request.card.CopyFrom(await self._card(card, name, "card", sealed=sealed))
            answer = await self._connection.call(self._connection.payments.AddCard, request)
            return info_of(answer.card, name)

        return await self._with_usable_epochs(attempt)

    async def submit_order(
        self,
        visitor_id: str,
        customer: NewCustomer,
        *,
        order_id: str = "",
        sealed: bool = True,
        request_id: str = "",
    ) -> order_service_pb2.SubmitOrderResponse:
        """Make customer, contact, cards and order of a visitor's form, in one transaction; the form is destroyed.

        Args:
            visitor_id: from the cookie.
            customer: what the order is from; the messages in it are not changed.
            order_id: chosen by the caller; the SDK's if empty.
            sealed: as for `create_customer`.
            request_id: a UUID, to repeat the call with; see the top. The SDK's own if empty.

        Raises:
            InvalidArgument: a field breaks its rule; the value is not echoed.
            AlreadyExists: the customer_id is taken or was erased.
            NotFound: there is no form under this id any more.
        """
        ids = ChosenIds(request_id)
        visitor, order = names.visitor_id(visitor_id), names.record_id(order_id or ids.new("order"), "order_id")

        async def attempt() -> order_service_pb2.SubmitOrderResponse:
            made = await self._request(customer, ids, "", sealed=sealed)
            request = order_service_pb2.SubmitOrderRequest(
                visitor_id=visitor, customer_id=made.customer_id, order_id=order, cards=made.cards
            )
            if customer.contact is not None:
                request.contact.CopyFrom(customer.contact)
            request.request_id = ids.of_request(sealed=sealed and bool(customer.cards))
            return await self._connection.call(self._connection.orders.SubmitOrder, request)

        return await self._with_usable_epochs(attempt)

    async def _create(
        self, customers: Sequence[NewCustomer], which: Sequence[int], ids: ChosenIds, *, sealed: bool, last: bool
    ) -> dict[int, Created | VaultError]:
        """One attempt at some of a batch; what must be sealed again is left out, unless it is the last."""
        results: dict[int, Created | VaultError] = {}
        batch = customer_service_pb2.BatchCreateCustomersRequest()
        sent = []
        for i in which:
            try:
                batch.requests.append(await self._request(customers[i], ids, f"customer {i} ", sealed=sealed))
            except InvalidArgument as error:
                results[i] = error
            else:
                sent.append(i)
        if not sent:
            return results
        # What is left for a second attempt is another request than the first.
        batch.request_id = ids.of_request(sealed=last or (sealed and any(customers[i].cards for i in sent)))
        answer = await self._connection.call(
            self._connection.customers.BatchCreateCustomers, batch, deadline=BATCH_DEADLINE
        )
        if len(answer.results) != len(sent):
            raise DataLoss("the answer does not have one result for each customer")
        for at, (i, result) in enumerate(zip(sent, answer.results, strict=True)):
            if result.HasField("created"):
                results[i] = result.created
                continue
            refusal = from_item(result.error, f"requests[{at}].")
            if last or not self._epoch_refused(refusal):
                results[i] = refusal
        return results

    async def _request(self, customer: NewCustomer, ids: ChosenIds, which: str, *, sealed: bool) -> CreateRequest:
        owner = names.customer_id(customer.customer_id or ids.new(f"{which}customer"))
        request = CreateRequest(customer_id=owner, contact=customer.contact)
        for i, card in enumerate(customer.cards):
            name = names.card_name(owner, names.record_id(ids.new(f"{which}card {i}"), "card_id"))
            request.cards.append(await self._card(card, name, f"cards[{i}]", sealed=sealed))
        return request

    async def _card(self, card: Card, name: names.RecordName, path: str, *, sealed: bool) -> Card:
        copy = Card()
        copy.CopyFrom(card)
        copy.record_name = name
        now = datetime.now(UTC)
        normalize(copy, Month(now.year, now.month), path)
        if sealed:
            await self._sealing.seal(name, copy)
        return copy

    async def _with_usable_epochs(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Make an attempt, and if the vault refuses an epoch, one more under new ones and with fresh salts."""
        try:
            return await attempt()
        except FailedPrecondition as error:
            if not self._epoch_refused(error):
                raise
        return await attempt()

    def _epoch_refused(self, error: VaultError) -> bool:
        """Whether to seal again: the epoch grew too old, or its audience or a key changed meanwhile."""
        refused = error.reason == REASON_EPOCH_NOT_USABLE
        if refused:
            self._sealing.forget()
        return refused
