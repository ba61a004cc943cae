"""Calls whose requests or answers are a stream: each message is judged as the one of an ordinary call is.

Between two messages minutes may pass, in which an operator reads a new policy in. So the policy is asked again before
each of them: a role that has lost a method loses it in the middle of a stream too, at the next message.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable

from google.protobuf.message import Message

from vault.service import validation

Permit = Callable[[], None]
"""Asks the policy whether the caller may call this method; raises `PermissionDenied`."""


class Requests:
    """The requests of a client stream, each checked before the service sees it."""

    def __init__(self, requests: AsyncIterator[Message], permit: Permit) -> None:
        self._requests = requests
        self._permit = permit
        self.first: Message | None = None
        """What the call is about, for the entry of a refusal."""

    def __aiter__(self) -> AsyncIterator[Message]:
        return self

    async def __anext__(self) -> Message:
        """The next one.

        Raises:
            InvalidArgument: it breaks a rule of the API.
            PermissionDenied: the policy has changed.
        """
        request = await anext(self._requests)
        self._permit()
        # What the API does not know is not kept: an envelope's unknown field would be room for a value in plain.
        request.DiscardUnknownFields()
        validation.check(request)
        if self.first is None:
            self.first = request
        return request


async def permitted(answers: AsyncGenerator[Message, None], permit: Permit) -> AsyncGenerator[Message, None]:
    """The answers of a server stream, as long as the policy lets their caller have them; `answers` is closed with it.

    Raises:
        PermissionDenied: the policy has changed.
    """
    try:
        async for answer in answers:
            permit()
            yield answer
    finally:
        await answers.aclose()
