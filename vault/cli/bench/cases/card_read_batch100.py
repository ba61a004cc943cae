"""A hundred cards for each call, sealed as they are stored: billing opens them on its own side."""

from collections.abc import Iterator
from itertools import cycle, islice

from vault.cli.bench import people
from vault.cli.bench.case import Case, Reads, require
from vault.v1.payment_service_pb2 import BatchGetCardsRequest, BatchGetCardsResponse

_ITEMS = 100
_FIELDS = 5


def _requests(customers: int, process: int) -> Iterator[bytes]:
    order = people.scattered(customers, process)
    return cycle(
        [
            BatchGetCardsRequest(
                record_names=[people.card_name(number) for number in numbers], purpose="payment_processing"
            ).SerializeToString()
            for numbers in (list(islice(order, _ITEMS)) for _ in range(people.different(customers) // _ITEMS or 1))
        ]
    )


def _check(answer: bytes) -> None:
    results = BatchGetCardsResponse.FromString(answer).results
    require(holds=len(results) == _ITEMS)
    require(holds=all(sum(len(sealed.boxes) for sealed in each.card.sealed) == _FIELDS for each in results))


CASE = Case(
    "PaymentService/BatchGetCards",
    "billing",
    _requests,
    _check,
    items=_ITEMS,
    bare=Reads("cards/first", "payment"),
    least={"ratio_to_primitives": 0.6},
)
