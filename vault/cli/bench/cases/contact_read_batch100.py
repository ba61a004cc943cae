"""A hundred contacts for each call: 500 fields in plain, for provisioning."""

from collections.abc import Iterator
from itertools import cycle, islice

from vault.cli.bench import people
from vault.cli.bench.case import Case, Reads, require
from vault.v1.contact_service_pb2 import BatchGetContactsRequest, BatchGetContactsResponse

_PURPOSE = "service_provisioning"
_ITEMS = 100


def _requests(customers: int, process: int) -> Iterator[bytes]:
    order = people.scattered(customers, process)
    return cycle(
        [
            BatchGetContactsRequest(
                customer_ids=[people.customer_id(number) for number in numbers], purpose=_PURPOSE
            ).SerializeToString()
            for numbers in (list(islice(order, _ITEMS)) for _ in range(people.different(customers) // _ITEMS or 1))
        ]
    )


def _check(answer: bytes) -> None:
    results = BatchGetContactsResponse.FromString(answer).results
    require(holds=len(results) == _ITEMS)
    require(holds=all(getattr(each.contact, field) for each in results for field in people.CONTACT_FIELDS))


CASE = Case(
    "ContactService/BatchGetContacts",
    "provisioning",
    _requests,
    _check,
    items=_ITEMS,
    bare=Reads("contact", "contact", _PURPOSE),
    least={"ratio_to_primitives": 0.6},
)
