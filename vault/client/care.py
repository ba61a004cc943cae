"""Provisioning and care: they read contacts, see that a customer has cards, and can open none."""

from typing import ClassVar

from vault.client.accounts import AccountKeeper
from vault.client.chosen_ids import checked
from vault.client.contacts import ContactReader, ContactWriter
from vault.client.customers import CardNames, CustomerReader
from vault.v1 import contact_service_pb2, payment_service_pb2


class ProvisioningClient(ContactReader, AccountKeeper, CardNames, CustomerReader):
    """Sets up and runs the services that customers ordered."""

    purpose: ClassVar[str] = "service_provisioning"


class PartnerClient(ContactReader):
    """A selected partner, who sees only the customers who agreed."""

    purpose: ClassVar[str] = "partner_offers"


class CareClient(ContactReader, ContactWriter, AccountKeeper, CardNames, CustomerReader):
    """Answers customers and corrects what is wrong."""

    purpose: ClassVar[str] = "account_service"

    async def delete_contact(self, customer_id: str, *, etag: str = "", request_id: str = "") -> None:
        """Delete a contact; an etag that is not the newest is refused with Conflict.

        Repeated with the same request_id, a UUID, it succeeds again and deletes nothing more.
        """
        request = contact_service_pb2.DeleteContactRequest(
            customer_id=customer_id, etag=etag, request_id=checked(request_id)
        )
        await self._connection.call(self._connection.contacts.DeleteContact, request)

    async def delete_card(self, record_name: str, *, etag: str = "", request_id: str = "") -> None:
        """Delete a card by its record name, unseen; an etag that is not the newest is refused with Conflict.

        Repeated with the same request_id, a UUID, it succeeds again and deletes nothing more.
        """
        request = payment_service_pb2.DeleteCardRequest(
            record_name=record_name, etag=etag, request_id=checked(request_id)
        )
        await self._connection.call(self._connection.payments.DeleteCard, request)
