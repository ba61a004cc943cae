"""Calls that stream, in a whole vault: who may, what each message must be, and what the log says of the end."""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import pytest
from google.protobuf.message import Message

from tests.vaults import OpenVault
from vault.audit.entry import describe
from vault.errors import DataLoss, InvalidArgument, NotFound, PermissionDenied, VaultError
from vault.service.call import Call
from vault.v1 import mail_service_pb2 as mail
from vault.v1 import status_pb2 as status

NAME = "customers/42/messages/one"
STORE, FETCH = "MailService.StoreMessage", "MailService.FetchMessage"
HEADER = mail.StoreMessageRequest(
    header=mail.StoreMessageHeader(record_name=NAME, recipients=[mail.RecipientTokens(token=bytes(16))])
)
HEADER.header.stream.SetInParent()
CHUNK = mail.StoreMessageRequest(chunk=bytes(100))


async def collect(vault: OpenVault, *requests: Message, role: str = "mail", method: str = STORE) -> Message:
    """Upload these."""

    async def sent() -> AsyncGenerator[Message, None]:
        for request in requests:
            yield request

    async with contextlib.aclosing(sent()) as stream:
        return await vault.vault.collect(
            method, f"spiffe://vault.example/{role}", stream, now=1_800_000_000_000, correlation=""
        )


async def stream(vault: OpenVault, name: str = NAME, role: str = "mail") -> list[Message]:
    """Download all."""
    request = mail.FetchMessageRequest(record_name=name)
    answers = vault.vault.stream(
        FETCH, f"spiffe://vault.example/{role}", request, now=1_800_000_000_000, correlation=""
    )
    async with contextlib.aclosing(answers):
        return [answer async for answer in answers]


class Fake:
    """Two streaming methods."""

    def __init__(self) -> None:
        self.seen: list[Message] = []
        self.closed = 0
        self.before: Callable[[Call], None] = lambda _: None
        self.between: Callable[[Call], None] = lambda _: None

    async def store(self, call: Call, requests: AsyncIterator[Message]) -> Message:
        """Take all."""
        async for request in requests:
            self.seen.append(request)
            self.between(call)
        return mail.StoreMessageResponse(record_name=NAME)

    async def fetch(self, call: Call, request: Message) -> AsyncGenerator[Message, None]:
        """Answer twice."""
        self.before(call)
        try:
            yield mail.FetchMessageResponse(chunk=b"one")
            self.between(call)
            yield mail.FetchMessageResponse(chunk=b"two")
        finally:
            self.closed += 1


@pytest.fixture
def fake(vault: OpenVault) -> Fake:
    """A vault whose mail service is a fake."""
    made = Fake()
    methods: Any = {**vault.vault.methods, STORE: made.store, FETCH: made.fetch}
    vault.vault.methods = methods
    return made


async def last(vault: OpenVault) -> dict[str, object]:
    """The newest entry."""
    return describe((await vault.entries())[-1])


def raising(error: VaultError, *, logged: bool = False) -> Callable[[Call], None]:
    """Fails, after its entry was written or before."""

    def fail(call: Call) -> None:
        call.logged = logged
        raise error

    return fail


async def test_a_stream_is_served_message_by_message(vault: OpenVault, fake: Fake) -> None:
    """In both directions."""
    assert await collect(vault, HEADER, CHUNK, CHUNK) == mail.StoreMessageResponse(record_name=NAME)
    assert fake.seen == [HEADER, CHUNK, CHUNK]
    assert await stream(vault) == [mail.FetchMessageResponse(chunk=part) for part in (b"one", b"two")]
    assert fake.closed == 1


async def test_the_wrong_role_streams_nothing_and_is_in_the_log(vault: OpenVault, fake: Fake) -> None:
    """Refused before a message is read."""
    for work in (collect(vault, HEADER, role="billing"), stream(vault, role="billing")):
        with pytest.raises(PermissionDenied):
            await work
        assert (await last(vault))["outcome"] == "DENIED"
    assert fake.seen == []
    assert fake.closed == 0


async def test_each_message_of_an_upload_is_checked(vault: OpenVault, fake: Fake) -> None:
    """And what the API does not know is taken out of it."""
    with pytest.raises(InvalidArgument, match="chunk"):
        await collect(vault, HEADER, mail.StoreMessageRequest(chunk=bytes(65_553)))
    with pytest.raises(InvalidArgument):
        await collect(vault, HEADER, mail.StoreMessageRequest())
    unknown = mail.StoreMessageRequest.FromString(CHUNK.SerializeToString() + b"\xfa\x06\x05value")
    await collect(vault, HEADER, unknown)
    assert fake.seen[-1].SerializeToString() == CHUNK.SerializeToString()


async def test_the_request_of_a_download_is_checked(vault: OpenVault, fake: Fake) -> None:
    """As any other."""
    with pytest.raises(InvalidArgument, match="record_name"):
        await stream(vault, "x" * 401)
    assert fake.closed == 0


async def test_a_role_that_is_lost_in_the_middle_is_lost_at_the_next_message(vault: OpenVault, fake: Fake) -> None:
    """The policy is asked again before each; the end is in the log although the start was."""
    before = vault.vault.policy
    without = replace(before, callers={})

    def revoked(call: Call) -> None:
        call.logged = True
        vault.vault.policy = without

    fake.between = revoked
    with pytest.raises(PermissionDenied):
        await stream(vault)
    assert fake.closed == 1
    assert (await last(vault))["outcome"] == "DENIED"
    vault.vault.policy = before
    with pytest.raises(PermissionDenied):
        await collect(vault, HEADER, CHUNK)
    assert fake.seen == [HEADER]


async def test_what_fails_in_the_middle_of_a_download_is_an_entry_of_its_own(vault: OpenVault, fake: Fake) -> None:
    """The first said "allowed", and DATA_LOSS must be found."""
    fake.between = raising(DataLoss("a chunk does not open"), logged=True)
    with pytest.raises(DataLoss):
        await stream(vault)
    said = await last(vault)
    assert (said["action"], said["outcome"], said["reason"]) == (FETCH, "FAILED", "DATA_LOSS")
    size = len(await vault.entries())
    fake.before = raising(NotFound("no such message"), logged=True)
    with pytest.raises(NotFound):
        await stream(vault)
    assert len(await vault.entries()) == size


async def test_an_upload_that_is_refused_names_its_record(vault: OpenVault, fake: Fake) -> None:
    """As its first message said it."""
    fake.between = raising(NotFound("no such customer", reason=status.REASON_CUSTOMER_NOT_AVAILABLE))
    with pytest.raises(NotFound):
        await collect(vault, HEADER)
    said = await last(vault)
    assert said["action"] == STORE
    assert "messages/one" in str(said)
