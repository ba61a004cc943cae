"""A new customer for each call, with contact and card, durable; sealed by the vault."""

from collections.abc import Iterator
from itertools import count
from uuid import uuid4

from vault.cli.bench import people
from vault.cli.bench.case import Case, Writes, require
from vault.v1.customer_service_pb2 import CreateCustomerResponse

_RECORDS = 2


def _requests(_: int, process: int) -> Iterator[bytes]:
    for number in count():
        request = people.newcomer(f"new-{process}-{number}", number)
        request.request_id = str(uuid4())  # as the SDK does
        yield request.SerializeToString()


def _check(answer: bytes) -> None:
    require(holds=len(CreateCustomerResponse.FromString(answer).record_names) == _RECORDS)


CASE = Case(
    "CustomerService/CreateCustomer",
    "storefront",
    _requests,
    _check,
    bare=Writes(),
    least={"ratio_to_empty": 0.4},
)
