"""One contact for each call: five fields in plain, for provisioning."""

from collections.abc import Iterator
from itertools import cycle, islice

from vault.cli.bench import people
from vault.cli.bench.case import Case, Reads, require
from vault.v1.contact_service_pb2 import GetContactRequest, GetContactResponse

_PURPOSE = "service_provisioning"


def _requests(customers: int, process: int) -> Iterator[bytes]:
    order = islice(people.scattered(customers, process), people.different(customers))
    return cycle(
        [
            GetContactRequest(customer_id=people.customer_id(number), purpose=_PURPOSE).SerializeToString()
            for number in order
        ]
    )


def _check(answer: bytes) -> None:
    contact = GetContactResponse.FromString(answer).contact
    require(holds=all(getattr(contact, field) for field in people.CONTACT_FIELDS))


CASE = Case(
    "ContactService/GetContact",
    "provisioning",
    _requests,
    _check,
    bare=Reads("contact", "contact", _PURPOSE),
    least={"ratio_to_empty": 0.6},
)
