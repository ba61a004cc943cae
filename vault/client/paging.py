"""Following page tokens to the end (AIP-158)."""

from collections.abc import AsyncIterator
from typing import Any, TypeVar

import grpc
from google.protobuf.message import Message

from vault.client.connection import BATCH_DEADLINE, Connection
from vault.errors import DataLoss

PAGE = 1000

Page = TypeVar("Page", bound=Message)


async def pages(
    connection: Connection,
    method: "grpc.aio.UnaryUnaryMultiCallable[Any, Page]",
    request: Any,  # noqa: ANN401 - the list requests share field names, not a type
) -> AsyncIterator[Page]:
    """The pages of a list, each asked for when it is wanted.

    Raises:
        DataLoss: a token repeats, which would never end.
    """
    request.page_size = PAGE
    while True:
        page = await connection.call(method, request, deadline=BATCH_DEADLINE)
        yield page
        following: str = getattr(page, "next_page_token")  # noqa: B009 - a field of every list's answer
        if not following:
            return
        if following == request.page_token:
            raise DataLoss("the list does not go on")
        request.page_token = following
