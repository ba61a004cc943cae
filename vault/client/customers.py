"""What a caller may know of a customer without reading a field: names, times, which records there are."""

from vault.client.base import VaultClient
from vault.client.paging import pages
from vault.client.records import RecordInfo, info_of
from vault.domain import names
from vault.errors import DataLoss, InvalidArgument
from vault.v1 import customer_service_pb2, payment_service_pb2


class CustomerReader(VaultClient):
    """Looks a customer up."""

    async def get_customer(self, customer_id: str) -> customer_service_pb2.GetCustomerResponse:
        """A customer and the names of its records.

        Raises:
            NotFound: nothing there that may be known.
        """
        request = customer_service_pb2.GetCustomerRequest(customer_id=customer_id, purpose=self.purpose)
        return await self._connection.call(self._connection.customers.GetCustomer, request)


class CardNames(VaultClient):
    """Knows that a customer has cards, and can open none."""

    async def list_cards(self, customer_id: str) -> list[RecordInfo]:
        """Names and times of a customer's cards.

        Raises:
            NotFound: nothing there that may be known.
        """
        request = payment_service_pb2.ListCardsRequest(customer_id=customer_id, purpose=self.purpose)
        found = []
        async for page in pages(self._connection, self._connection.payments.ListCards, request):
            found += [info_of(card, card_of(customer_id, card.record_name)) for card in page.cards]
        return found


def card_of(customer_id: str, record_name: str) -> str:
    """A listed card's name, which is the vault's word and must at least be of the customer asked for.

    Raises:
        DataLoss: it is no card's name, or another customer's.
    """
    try:
        customer, name = names.parse_card_name(record_name)
    except InvalidArgument:
        customer, name = None, None
    if name is None or customer != customer_id:
        raise DataLoss("the answer is about another record")
    return name
