"""One card for each call, sealed as it is stored: billing opens it on its own side."""

from collections.abc import Iterator
from itertools import cycle, islice

from vault.cli.bench import people
from vault.cli.bench.case import Case, Reads, require
from vault.v1.payment_service_pb2 import GetCardRequest, GetCardResponse

_FIELDS = 5


def _requests(customers: int, process: int) -> Iterator[bytes]:
    order = islice(people.scattered(customers, process), people.different(customers))
    return cycle(
        [
            GetCardRequest(record_name=people.card_name(number), purpose="payment_processing").SerializeToString()
            for number in order
        ]
    )


def _check(answer: bytes) -> None:
    card = GetCardResponse.FromString(answer).card
    require(holds=sum(len(sealed.boxes) for sealed in card.sealed) == _FIELDS)


CASE = Case("PaymentService/GetCard", "billing", _requests, _check, bare=Reads("cards/first", "payment"))
