"""Orders of disclosure: legal asks and reads, people approve.

What legal reads comes as envelopes that only legal's own key opens, as cards do for billing: the vault does not see
what was disclosed, and its log says under which order.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import ClassVar, Final

import grpc

from vault.client.base import VaultClient, mask
from vault.client.chosen_ids import checked
from vault.client.connection import BATCH_DEADLINE
from vault.client.custodian import Custodian
from vault.client.epoch_keys import EpochKeys
from vault.client.opening import Opening, Plaintexts, Sealed
from vault.client.paging import pages
from vault.client.records import OpenedContact, in_plain, opened_contact, wanted_fields
from vault.client.settings import Settings
from vault.client.status import from_item
from vault.domain import names
from vault.errors import DataLoss, InvalidArgument, VaultError
from vault.v1 import contact_service_pb2
from vault.v1 import disclosure_service_pb2 as v1
from vault.v1.records_pb2 import Contact

PURPOSE: Final = "legal_disclosure"
GROUNDS: Final = ("identify", "make_contact", "legal_action", "required_by_law")


class DisclosureReader(VaultClient):
    """Sees which orders there are."""

    async def list_disclosures(self, customer_id: str = "") -> list[v1.DisclosureOrder]:
        """Orders, newest first; those about one customer if one is given."""
        request = v1.ListDisclosuresRequest(customer_id=customer_id)
        found: list[v1.DisclosureOrder] = []
        async for page in pages(self._connection, self._connection.disclosures.ListDisclosures, request):
            found += page.orders
        return found


class ApproverClient(DisclosureReader):
    """A person who decides about orders that somebody else requested."""

    async def approve_disclosure(self, order_id: str, *, etag: str = "", request_id: str = "") -> v1.DisclosureOrder:
        """Approve an order; the second person's approval makes it readable.

        Raises:
            PermissionDenied: this caller asked for it or has approved it already, or is no person.
            FailedPrecondition: it is over, or approved by two people already.
            Conflict: the etag is not the newest.
        """
        request = v1.ApproveDisclosureRequest(order_id=order_id, etag=etag, request_id=checked(request_id))
        answer = await self._connection.call(self._connection.disclosures.ApproveDisclosure, request)
        return _same(answer.order, order_id)

    async def reject_disclosure(self, order_id: str, *, etag: str = "", request_id: str = "") -> v1.DisclosureOrder:
        """Reject an order, or end one before its time. Errors as `approve_disclosure`."""
        request = v1.RejectDisclosureRequest(order_id=order_id, etag=etag, request_id=checked(request_id))
        answer = await self._connection.call(self._connection.disclosures.RejectDisclosure, request)
        return _same(answer.order, order_id)


class LegalClient(DisclosureReader, Custodian):
    """Asks for disclosures, and reads what an approved one covers."""

    purpose: ClassVar[str] = PURPOSE

    def __init__(self, settings: Settings, *, channel: grpc.aio.Channel | None = None) -> None:
        """Connect; the settings must hold the key of legal_disclosure to read.

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

    async def request_disclosure(
        self,
        customer_ids: Collection[str],
        fields: Collection[str],
        *,
        ground: str,
        case_reference: str,
        expires_at: datetime,
        order_id: str = "",
        request_id: str = "",
    ) -> v1.DisclosureOrder:
        """Ask for a disclosure; what it would cover is kept from now on.

        Args:
            customer_ids: whose data, up to 100.
            fields: policy names, `contact.name`.
            ground: one of `GROUNDS`; the privacy policy knows no other.
            case_reference: at the court, the police or the company's lawyers.
            expires_at: from when on nothing is read under it, at most 366 days ahead.
            order_id: chosen by the caller; random if empty.
            request_id: a UUID: the same call repeated with it has one effect; the SDK's own if empty.

        Raises:
            InvalidArgument: a field is none that may be disclosed, or another value breaks a rule.
            AlreadyExists: the order_id is taken.
        """
        if ground not in GROUNDS:
            raise InvalidArgument("ground", f"must be one of {', '.join(GROUNDS)}")
        request = v1.RequestDisclosureRequest(
            order_id=order_id,
            ground=v1.DisclosureGround.Value(f"DISCLOSURE_GROUND_{ground.upper()}"),
            case_reference=case_reference,
            # In one order, also from sets: a request that is repeated must be the same bytes.
            customer_ids=sorted(customer_ids),
            fields=sorted(fields),
            expire_time_ms=int(expires_at.timestamp() * 1000),
            request_id=checked(request_id),
        )
        return (await self._connection.call(self._connection.disclosures.RequestDisclosure, request)).order

    async def get_contact(
        self, order_id: str, customer_id: str, *, fields: Collection[str] | None = None
    ) -> OpenedContact:
        """A customer's contact under an order, opened.

        Args:
            order_id: approved, and not over.
            customer_id: one whom it covers.
            fields: names of the fields to read; None reads all that the order covers.

        Raises:
            PermissionDenied: the order does not cover that, or not now; it is not said which.
            DataLoss: it does not open.
        """
        request = contact_service_pb2.GetContactRequest(
            customer_id=customer_id, purpose=PURPOSE, read_mask=mask(fields), order_id=order_id
        )
        answer = await self._connection.call(self._connection.contacts.GetContact, request)
        [contact] = await self._opened([customer_id], [answer.contact], fields)
        if isinstance(contact, VaultError):
            raise contact
        return contact

    async def batch_get_contacts(
        self, order_id: str, customer_ids: Sequence[str], *, fields: Collection[str] | None = None
    ) -> list[OpenedContact | VaultError]:
        """Up to 1,000 contacts: for each id, in order, the contact or why not. Arguments as `get_contact`."""
        request = contact_service_pb2.BatchGetContactsRequest(
            customer_ids=customer_ids, purpose=PURPOSE, read_mask=mask(fields), order_id=order_id
        )
        call = self._connection.contacts.BatchGetContacts
        answer = await self._connection.call(call, request, deadline=BATCH_DEADLINE)
        if len(answer.results) != len(customer_ids):
            raise DataLoss("the answer does not have one result for each name")
        named = list(zip(customer_ids, answer.results, strict=True))
        there = [(c, r.contact) for c, r in named if not r.HasField("error")]
        opened = iter(await self._opened([c for c, _ in there], [contact for _, contact in there], fields))
        return [from_item(r.error) if r.HasField("error") else next(opened) for _, r in named]

    async def _opened(
        self, customer_ids: Sequence[str], contacts: Sequence[Contact], fields: Collection[str] | None
    ) -> list[OpenedContact | VaultError]:
        record_names = [names.contact_name(names.customer_id(text)) for text in customer_ids]
        sealed = [Sealed(name, contact.sealed) for name, contact in zip(record_names, contacts, strict=True)]
        opened = await self._opening.open(sealed, wanted_fields(Contact, fields))
        return [_contact(*each) for each in zip(contacts, opened, record_names, strict=True)]


def _contact(contact: Contact, opened: Plaintexts | VaultError, name: str) -> OpenedContact | VaultError:
    if isinstance(opened, VaultError):
        return opened
    if in_plain(contact):
        return DataLoss("a field came in plain that only an envelope may hold")
    try:
        return opened_contact(contact, opened, name)
    except DataLoss as error:
        return error


def _same(order: v1.DisclosureOrder, order_id: str) -> v1.DisclosureOrder:
    if order.order_id != order_id:
        raise DataLoss("the answer is about another order")
    return order
