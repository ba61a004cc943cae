"""Contacts, for callers whose purposes are in the vault's custody: they come in plain, over TLS."""

from collections.abc import Collection, Sequence

from vault.client.base import VaultClient, mask
from vault.client.chosen_ids import checked
from vault.client.connection import BATCH_DEADLINE
from vault.client.paging import pages
from vault.client.records import OpenedContact, RecordInfo, contact_of, info_of
from vault.client.status import from_item
from vault.domain import names
from vault.errors import DataLoss, InvalidArgument, VaultError
from vault.v1 import contact_service_pb2
from vault.v1.records_pb2 import Contact


class ContactReader(VaultClient):
    """Reads contacts for a purpose; each class has the usual one of its role."""

    async def get_contact(
        self, customer_id: str, *, fields: Collection[str] | None = None, purpose: str | None = None
    ) -> OpenedContact:
        """A customer's contact.

        Args:
            customer_id: whose.
            fields: names of the fields to read; None reads all that the purpose may.
            purpose: why; the class's own if None.

        Raises:
            NotFound: nothing there that may be known.
            PermissionDenied: the policy says no, for a field or for the customer.
        """
        request = contact_service_pb2.GetContactRequest(
            customer_id=customer_id, purpose=self._for(purpose), read_mask=mask(fields)
        )
        answer = await self._connection.call(self._connection.contacts.GetContact, request)
        return contact_of(answer.contact, answer.contact, _name(customer_id))

    async def batch_get_contacts(
        self, customer_ids: Sequence[str], *, fields: Collection[str] | None = None, purpose: str | None = None
    ) -> list[OpenedContact | VaultError]:
        """Up to 1,000 contacts: for each id, in order, the contact or why not. Arguments as `get_contact`."""
        request = contact_service_pb2.BatchGetContactsRequest(
            customer_ids=customer_ids, purpose=self._for(purpose), read_mask=mask(fields)
        )
        answer = await self._connection.call(
            self._connection.contacts.BatchGetContacts, request, deadline=BATCH_DEADLINE
        )
        if len(answer.results) != len(customer_ids):
            raise DataLoss("the answer does not have one result for each name")
        return [
            from_item(result.error)
            if result.HasField("error")
            else contact_of(result.contact, result.contact, _name(customer_id))
            for customer_id, result in zip(customer_ids, answer.results, strict=True)
        ]

    async def find_contacts(
        self,
        *,
        phone: str | None = None,
        email: str | None = None,
        name: str | None = None,
        fields: Collection[str] | None = None,
        purpose: str | None = None,
    ) -> list[OpenedContact]:
        """All contacts with exactly this phone, e-mail address or name; one of the three is given.

        Raises:
            InvalidArgument: none or several are given, or the value has no normal form.
        """
        keys = {key: value for key, value in (("phone", phone), ("email", email), ("name", name)) if value is not None}
        if len(keys) != 1:
            raise InvalidArgument("key", "must be one of phone, email and name")
        request = contact_service_pb2.FindContactsRequest(purpose=self._for(purpose), read_mask=mask(fields))
        for key, value in keys.items():
            setattr(request, key, value)
        found = []
        async for page in pages(self._connection, self._connection.contacts.FindContacts, request):
            found += [contact_of(contact, contact, contact.record_name) for contact in page.contacts]
        return found

    def _for(self, purpose: str | None) -> str:
        return self.purpose if purpose is None else purpose


class ContactWriter(VaultClient):
    """Writes contacts, in plain over TLS: the vault checks them and makes them searchable."""

    async def put_contact(
        self,
        customer_id: str,
        contact: Contact,
        *,
        fields: Collection[str] | None = None,
        etag: str = "",
        request_id: str = "",
    ) -> RecordInfo:
        """Create or change a contact.

        Args:
            customer_id: whose.
            contact: the values.
            fields: names of the fields to change, an empty one being removed; None replaces the whole contact.
            etag: the newest that the caller saw; empty writes without looking.
            request_id: a UUID. The same call repeated with it has one effect and the first one's answer, for 24 hours;
                the SDK's own if empty.

        Raises:
            InvalidArgument: a field breaks its rule; the value is not echoed.
            Conflict: the etag is not the newest.
        """
        request = contact_service_pb2.PutContactRequest(
            customer_id=customer_id,
            contact=contact,
            update_mask=mask(fields),
            etag=etag,
            request_id=checked(request_id),
        )
        answer = await self._connection.call(self._connection.contacts.PutContact, request)
        return info_of(answer.contact, _name(customer_id))


def _name(customer_id: str) -> str:
    return names.contact_name(names.customer_id(customer_id))
