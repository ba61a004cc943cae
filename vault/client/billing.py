"""Billing: opens cards with a key that the vault does not have, and keeps that key.

What leaves the vault are envelopes; number, expiry and holder exist in plain only in this process. A card that arrives
in plain is refused: only a vault that is not what it says could send one.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import ClassVar, TypeVar

import grpc

from vault.client.base import mask
from vault.client.connection import BATCH_DEADLINE
from vault.client.custodian import Custodian
from vault.client.customers import CustomerReader, card_of
from vault.client.epoch_keys import EpochKeys
from vault.client.opening import Opening, Plaintexts, Sealed
from vault.client.paging import pages
from vault.client.records import OpenedCard, OpenedContact, in_plain, opened_card, opened_contact, wanted_fields
from vault.client.settings import Settings
from vault.client.status import from_item
from vault.domain import names
from vault.domain.fields import ProtectedField
from vault.errors import DataLoss, VaultError
from vault.v1 import contact_service_pb2, payment_service_pb2
from vault.v1.records_pb2 import Card, Contact

PURPOSE = "payment_processing"

T = TypeVar("T")


class BillingClient(CustomerReader, Custodian):
    """Reads cards, and the addresses to verify them."""

    purpose: ClassVar[str] = PURPOSE

    def __init__(self, settings: Settings, *, channel: grpc.aio.Channel | None = None) -> None:
        """Connect; the settings must hold the key of payment_processing.

        Raises:
            ConfigError: they do not.
        """
        super().__init__(settings, channel=channel)
        self._epoch_keys = EpochKeys(self._connection, PURPOSE, settings.purpose_keys.get(PURPOSE, ()))
        self._opening = Opening(settings.pins, self._epoch_keys)

    async def close(self) -> None:
        """Close the connection and forget the epochs' keys."""
        self._epoch_keys.close()
        await super().close()

    async def get_card(self, record_name: str, *, fields: Collection[str] | None = None) -> OpenedCard:
        """A card, opened.

        Args:
            record_name: `customers/{customer_id}/cards/{card_id}`.
            fields: names of the fields to read, such as `brand` and `last_four`; None reads all.

        Raises:
            NotFound: nothing there that may be known.
            DataLoss: it does not open, or is no card.
        """
        request = payment_service_pb2.GetCardRequest(record_name=record_name, purpose=PURPOSE, read_mask=mask(fields))
        wanted = self._wanted(Card, fields)
        answer = await self._connection.call(self._connection.payments.GetCard, request)
        [card] = await self._open_cards([(record_name, answer.card)], wanted)
        return _raised(card)

    async def batch_get_cards(
        self, record_names: Sequence[str], *, fields: Collection[str] | None = None
    ) -> list[OpenedCard | VaultError]:
        """Up to 1,000 cards: for each name, in order, the card or why not. Arguments as `get_card`."""
        request = payment_service_pb2.BatchGetCardsRequest(
            record_names=record_names, purpose=PURPOSE, read_mask=mask(fields)
        )
        wanted = self._wanted(Card, fields)
        answer = await self._connection.call(self._connection.payments.BatchGetCards, request, deadline=BATCH_DEADLINE)
        if len(answer.results) != len(record_names):
            raise DataLoss("the answer does not have one result for each name")
        named = list(zip(record_names, answer.results, strict=True))
        opened = iter(await self._open_cards([(n, r.card) for n, r in named if not r.HasField("error")], wanted))
        return [from_item(r.error) if r.HasField("error") else next(opened) for _, r in named]

    async def list_cards(
        self, customer_id: str, *, fields: Collection[str] | None = None
    ) -> list[OpenedCard | VaultError]:
        """All cards of a customer: each opened, or why not. Arguments as `get_card`."""
        request = payment_service_pb2.ListCardsRequest(customer_id=customer_id, purpose=PURPOSE, read_mask=mask(fields))
        wanted = self._wanted(Card, fields)
        found: list[OpenedCard | VaultError] = []
        async for page in pages(self._connection, self._connection.payments.ListCards, request):
            cards = [(card_of(customer_id, card.record_name), card) for card in page.cards]
            found += await self._open_cards(cards, wanted)
        return found

    async def get_contact(self, customer_id: str, *, fields: Collection[str] | None = None) -> OpenedContact:
        """A contact for address verification, opened; without phone and e-mail, which billing may not read.

        Args:
            customer_id: whose.
            fields: names of the fields to read; None reads all that payment_processing may.

        Raises:
            NotFound: nothing there that may be known.
            DataLoss: it does not open.
        """
        request = contact_service_pb2.GetContactRequest(
            customer_id=customer_id, purpose=PURPOSE, read_mask=mask(fields)
        )
        name = names.contact_name(names.customer_id(customer_id))
        wanted = self._wanted(Contact, fields)
        contact = (await self._connection.call(self._connection.contacts.GetContact, request)).contact
        _check_sealed(contact)
        [opened] = await self._opening.open([Sealed(name, contact.sealed)], wanted)
        return opened_contact(contact, _raised(opened), name)

    async def _open_cards(
        self, cards: Sequence[tuple[str, Card]], wanted: Mapping[int, ProtectedField]
    ) -> list[OpenedCard | VaultError]:
        opened = await self._opening.open([Sealed(name, card.sealed) for name, card in cards], wanted)
        return [_card(name, card, values) for (name, card), values in zip(cards, opened, strict=True)]

    def _wanted(
        self, record: type[Card] | type[Contact], names_: Collection[str] | None
    ) -> Mapping[int, ProtectedField]:
        """The fields to open: those named, or all that the pins let this purpose read."""
        wanted = wanted_fields(record, names_)
        if names_ is not None:
            return wanted
        pins = self._connection.pins
        return {number: f for number, f in wanted.items() if pins.readable_by(f.policy_name, PURPOSE)}


def _card(name: str, card: Card, opened: Plaintexts | VaultError) -> OpenedCard | VaultError:
    if isinstance(opened, VaultError):
        return opened
    try:
        _check_sealed(card)
        return opened_card(card, opened, name)
    except DataLoss as error:
        return error


def _check_sealed(record: Card | Contact) -> None:
    if in_plain(record):
        raise DataLoss("a field came in plain that only an envelope may hold")


def _raised(result: T | VaultError) -> T:
    if isinstance(result, VaultError):
        raise result
    return result
