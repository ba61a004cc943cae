"""Messages from end to end of the SDK: sealed in chunks, sent again safely, opened, and believed only when whole."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.client.conftest import plain, settings_for
from tests.client.fake_mail import AFTER_END, FakeMail
from tests.client.fake_vault import BILLING, MAIL, VAULT_ID
from vault.client import FetchedMessage, MailClient, MailEnvelope, PinMismatch
from vault.client import connection as connections
from vault.client.bodies import KEPT_CHUNKS, SealedBody, chunked
from vault.client.errors import RolledBack
from vault.client.mail_tokens import Tokens
from vault.client.pins import FieldPin
from vault.crypto.hpke import PurposeKeyPair, new_seed
from vault.crypto.stream import CHUNK_SIZE
from vault.domain.fields import ALL_FIELDS
from vault.errors import (
    AlreadyExists,
    ConfigError,
    DataLoss,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    OutcomeUnknown,
    Unavailable,
)
from vault.v1 import mail_service_pb2 as api
from vault.v1.records_pb2 import MESSAGE_KIND_MAIL, MESSAGE_KIND_SMS, DeliveryParameters
from vault.v1.status_pb2 import REASON_EPOCH_NOT_USABLE

DSN = DeliveryParameters(ret="HDRS", envid="x1", notify=["FAILURE", ""], orcpt=["", ""])
ENVELOPE = MailEnvelope(("Ann@Example.org", "bob@example.org"), "carol@example.net", DSN)
LARGE = secrets.token_bytes((KEPT_CHUNKS + 3) * CHUNK_SIZE + 17)
SMALL = b"Subject: hello\r\n\r\n.\r\n"


@pytest.fixture
async def mails() -> AsyncIterator[FakeMail]:
    """A fake vault that listens."""
    fake = FakeMail()
    await fake.start()
    yield fake
    await fake.stop()


@pytest.fixture
async def mail(mails: FakeMail) -> AsyncIterator[MailClient]:
    """A client of it."""
    settings = settings_for(mails)
    async with MailClient(settings, channel=plain(settings.target)) as client:
        yield client


async def pieces(body: bytes, size: int = 10_000) -> AsyncIterator[bytes]:
    """A body in pieces."""
    for start in range(0, len(body), size):
        yield body[start : start + size]


def anew(body: bytes) -> Callable[[], AsyncIterator[bytes]]:
    """A body that can be begun again."""
    return lambda: pieces(body)


async def stored(mail: MailClient, body: bytes = SMALL, **more: Any) -> str:
    """Store; the name."""
    answer = await mail.store("domains/example.org", ENVELOPE, anew(body), **more)
    return answer.record_name


async def fetched(mail: MailClient, name: str, **more: Any) -> bytes:
    """Fetch a whole body."""
    async with mail.fetch(name, **more) as message:
        body = await message.read(1 << 30)
        assert message.verified
        return body


@pytest.mark.parametrize("size", [1, 7, 4096, CHUNK_SIZE - 1, CHUNK_SIZE, CHUNK_SIZE + 1, 1 << 20])
@pytest.mark.parametrize("length", [0, 1, CHUNK_SIZE - 1, CHUNK_SIZE, CHUNK_SIZE + 1, 3 * CHUNK_SIZE])
async def test_any_pieces_become_whole_chunks_and_one_last(size: int, length: int) -> None:
    """All but the last have exactly 65,536 bytes, and only an empty body has an empty one."""
    if size == 1 and length > CHUNK_SIZE + 1:
        length = CHUNK_SIZE
    body = secrets.token_bytes(length)
    found = [(bytes(chunk), last) async for chunk, last in chunked(pieces(body, size))]
    assert b"".join(chunk for chunk, _ in found) == body
    assert [last for _, last in found] == [False] * (len(found) - 1) + [True]
    assert len(found) == max(1, -(-length // CHUNK_SIZE))
    assert all(len(chunk) == CHUNK_SIZE for chunk, _ in found[:-1])


@pytest.mark.parametrize("body", [b"", SMALL, LARGE], ids=["empty", "small", "large"])
async def test_what_is_stored_comes_back(mail: MailClient, mails: FakeMail, body: bytes) -> None:
    """Body and envelope; and nothing of it was sent in plain."""
    name = await stored(mail, body)
    async with mail.fetch(name) as message:
        assert (message.length, message.verified, message.next_chunk) == (len(body), False, 0)
        got = b""
        async for chunk in message.chunks():
            got += chunk
        assert message.verified
        assert message.status.record_name == name
    assert got == body
    assert message.envelope == ENVELOPE
    sent = mails.messages[name]
    assert b"example" not in b"".join([sent.header.sealed[0].SerializeToString(), *sent.chunks])
    assert "carol" not in repr(message.envelope) + repr(ENVELOPE)


async def test_the_null_sender_comes_back_as_it_is(mail: MailClient) -> None:
    """A report has no sender, and no box for one."""
    envelope = MailEnvelope(("ann@example.org",))
    answer = await mail.store("customers/42", envelope, pieces(SMALL), message_id="report")
    assert answer.record_name == "customers/42/messages/report"
    async with mail.fetch(answer.record_name) as message:
        assert message.envelope == envelope


async def test_a_store_says_kind_time_and_tokens(mail: MailClient, mails: FakeMail) -> None:
    """One token for each recipient, that says nothing to who has not the key."""
    due = datetime(2030, 1, 2, tzinfo=UTC)
    name = await stored(mail, kind=MESSAGE_KIND_SMS, due=due, next_hop="relay.example", queue_id=lambda: "4XyZ")
    header, end = mails.messages[name].header, mails.messages[name].end
    assert (header.kind, header.due_time.ToDatetime(UTC)) == (MESSAGE_KIND_SMS, due)
    tokens = Tokens(mails.pairs[MAIL], VAULT_ID)
    hop = tokens.next_hop("RELAY.example")
    want = [(tokens.recipient(address), hop) for address in ("ann@example.org", "bob@example.org")]
    assert [(each.token, each.next_hop) for each in header.recipients] == want
    assert end is not None
    assert (end.length, end.chunks, len(end.dedupe_token)) == (len(SMALL), 1, 32)
    assert header.kind != MESSAGE_KIND_MAIL


def test_tokens_differ_by_kind_key_vault_and_text() -> None:
    """And not by the case of letters."""
    pair = PurposeKeyPair(new_seed())
    tokens = Tokens(pair, VAULT_ID)
    assert tokens.recipient("a@b.example") == tokens.recipient("A@B.Example")
    different = {
        tokens.recipient("a@b.example"),
        tokens.next_hop("a@b.example"),
        tokens.recipient("c@b.example"),
        Tokens(pair, bytes(16)).recipient("a@b.example"),
        Tokens(PurposeKeyPair(new_seed()), VAULT_ID).recipient("a@b.example"),
        tokens.dedupe("q", ["a@b.example"], bytes(32)),
        tokens.dedupe("q", ["a@b.example"], b"1" * 32),
        tokens.dedupe("r", ["a@b.example"], bytes(32)),
        tokens.dedupe("q", ["c@b.example"], bytes(32)),
    }
    assert len(different) == 9
    assert tokens.next_hop("") == tokens.dedupe("", ["a@b.example"], bytes(32)) == b""


# --- sent again ----------------------------------------------------------------------------------------------------


def salts(mails: FakeMail) -> list[bytes]:
    """Of each attempt's stream."""
    return [upload.header.stream.salt for upload in mails.uploads]


def never_twice(mails: FakeMail) -> None:
    """No salt seals two different chunks for one place, nor two ends."""
    seen: dict[tuple[bytes, int], bytes] = {}
    for upload in mails.uploads:
        for at, chunk in enumerate(upload.chunks):
            assert seen.setdefault((upload.header.stream.salt, at), chunk) == chunk
    envelopes: dict[bytes, bytes] = {}
    for upload in mails.uploads:
        for envelope in upload.header.sealed:
            assert envelopes.setdefault(envelope.salt, envelope.SerializeToString()) == envelope.SerializeToString()


@pytest.mark.parametrize("cut", [0, 1, 3, AFTER_END])
async def test_a_small_body_is_sent_again_as_it_was(mail: MailClient, mails: FakeMail, cut: int) -> None:
    """The very bytes, under the same request_id, wherever the line broke; the body itself is read once."""
    body = secrets.token_bytes(3 * CHUNK_SIZE + 5)
    mails.break_store = [cut]
    answer = await mail.store("customers/42", ENVELOPE, pieces(body))
    assert await fetched(mail, answer.record_name) == body
    assert len(mails.uploads) == 2
    assert len(set(salts(mails))) == 1
    assert mails.uploads[0].header == mails.uploads[1].header
    never_twice(mails)


@pytest.mark.parametrize("cut", [KEPT_CHUNKS + 2, AFTER_END])
async def test_a_large_body_is_sealed_again_under_a_fresh_salt(mail: MailClient, mails: FakeMail, cut: int) -> None:
    """If it can be begun anew; an attempt that was done already is known by the name."""
    mails.break_store = [cut]
    name = await stored(mail, LARGE)
    assert await fetched(mail, name) == LARGE
    assert len(mails.uploads) == 2
    assert len(set(salts(mails))) == 2
    assert len({upload.header.request_id for upload in mails.uploads}) == 2
    never_twice(mails)


async def test_a_large_body_that_cannot_be_begun_anew_is_told_of(mail: MailClient, mails: FakeMail) -> None:
    """Before its end nothing is stored; after it nobody knows."""

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield bytes(CHUNK_SIZE)

    mails.break_store = [KEPT_CHUNKS + 2, AFTER_END]
    with pytest.raises(Unavailable):
        await mail.store("customers/42", ENVELOPE, endless())
    with pytest.raises(OutcomeUnknown):
        await mail.store("customers/42", ENVELOPE, pieces(LARGE))


async def test_a_body_that_is_gone_cannot_be_begun_again(mail: MailClient, mails: FakeMail) -> None:
    """By the type itself, whoever asks."""
    sealer = await mail._sealing.stream("customers/42/messages/one", ALL_FIELDS["mail.body"])
    body = SealedBody(sealer, pieces(LARGE))
    assert len([chunk async for chunk in body.chunks()]) == KEPT_CHUNKS + 4
    with pytest.raises(ValueError, match="anew"):
        await anext(body.chunks())
    assert not body.again


async def test_an_epoch_that_is_refused_is_replaced_once(mail: MailClient, mails: FakeMail) -> None:
    """Everything is sealed anew, the body too; a second refusal is the answer."""
    refusal = FailedPrecondition(REASON_EPOCH_NOT_USABLE, "the epoch is not usable")
    left = [refusal]

    def refuse(_: object) -> None:
        if left:
            raise left.pop()

    mails.before["StoreMessage"] = refuse
    assert await fetched(mail, await stored(mail)) == SMALL
    assert len(set(salts(mails))) == 2
    assert len({upload.header.stream.epoch_id for upload in mails.uploads}) == 2
    never_twice(mails)
    left.extend([refusal, refusal])
    with pytest.raises(FailedPrecondition):
        await stored(mail)


async def test_a_refusal_is_raised_as_it_came(mail: MailClient) -> None:
    """A name that is taken is no lost answer, if nothing was lost."""
    await stored(mail, message_id="one")
    with pytest.raises(AlreadyExists):
        await stored(mail, message_id="one")


async def test_a_body_that_fails_stores_nothing(mail: MailClient, mails: FakeMail) -> None:
    """Its error is the caller's own."""

    async def broken() -> AsyncIterator[bytes]:
        yield SMALL
        raise EOFError

    with pytest.raises(EOFError):
        await mail.store("customers/42", ENVELOPE, broken())
    assert not mails.messages


async def test_a_deadline_bounds_all_attempts(mail: MailClient) -> None:
    """A body that never ends stores nothing."""

    async def slow() -> AsyncIterator[bytes]:
        yield SMALL
        await asyncio.sleep(60)

    with pytest.raises(Unavailable):
        await asyncio.wait_for(mail.store("customers/42", ENVELOPE, slow(), deadline=0.3), 30)


@pytest.mark.parametrize(
    ("owner", "message_id", "recipients"),
    [("visitors/42", "", ("a@b.example",)), ("customers/42", "A", ("a@b.example",)), ("customers/42", "", ())],
)
async def test_what_cannot_be_stored_is_refused_here(
    mail: MailClient, mails: FakeMail, owner: str, message_id: str, recipients: tuple[str, ...]
) -> None:
    """Before anything is sent."""
    with pytest.raises(InvalidArgument):
        await mail.store(owner, MailEnvelope(recipients), pieces(SMALL), message_id=message_id)
    assert not mails.uploads


# --- fetched -------------------------------------------------------------------------------------------------------


async def test_a_fetch_goes_on_after_a_broken_line(mail: MailClient, mails: FakeMail) -> None:
    """With the chunk that comes next, however often."""
    name = await stored(mail, LARGE)
    mails.break_fetch = [0, 3, 1, 2]
    assert await fetched(mail, name) == LARGE
    assert mails.first_chunks == [0, 0, 2, 2, 3]


async def test_a_fetch_can_be_taken_up_by_another(mail: MailClient) -> None:
    """`next_chunk` says where."""
    name = await stored(mail, LARGE)
    async with mail.fetch(name) as message, aclosing(message.chunks()) as chunks:  # type: ignore[type-var]
        first = await anext(chunks)
        at = message.next_chunk
        assert not message.verified
    assert first + await fetched(mail, name, first_chunk=at) == LARGE


async def test_a_message_that_is_not_there_is_said_so(mail: MailClient) -> None:
    """Without a second attempt."""
    with pytest.raises(NotFound):
        await fetched(mail, "customers/42/messages/none")


async def test_a_body_that_is_too_large_to_read_at_once_is_refused(mail: MailClient) -> None:
    """Before a chunk is asked for."""
    async with mail.fetch(await stored(mail)) as message:
        with pytest.raises(InvalidArgument):
            await message.read(3)


def part_at(place: int, change: Callable[[api.FetchMessageResponse], object]) -> Callable[[int, Any], Any]:
    """Change one part; dropped if the change says None."""
    return lambda at, part: change(part) if at == place else part


def dropped(_: api.FetchMessageResponse) -> None:
    """It does not come."""


def flipped(part: api.FetchMessageResponse) -> api.FetchMessageResponse:
    """One bit."""
    return api.FetchMessageResponse(chunk=part.chunk[:-1] + bytes([part.chunk[-1] ^ 1]))


LIES: dict[str, Callable[[int, Any], Any]] = {
    "no header": part_at(0, dropped),
    "a chunk in place of the header": part_at(0, lambda _: api.FetchMessageResponse(chunk=b"x" * 16)),
    "no first chunk": part_at(1, dropped),
    "no chunk in the middle": part_at(2, dropped),
    "no last chunk": part_at(KEPT_CHUNKS + 4, dropped),
    "an altered chunk": part_at(3, flipped),
    "an altered last chunk": part_at(KEPT_CHUNKS + 4, flipped),
    "a header in place of a chunk": part_at(3, lambda _: api.FetchMessageResponse(header=api.FetchMessageHeader())),
}


@pytest.mark.parametrize("lie", LIES)
async def test_a_body_that_was_tampered_with_is_never_verified(mail: MailClient, mails: FakeMail, lie: str) -> None:
    """Whatever came before it counts for nothing."""
    name = await stored(mail, LARGE)
    mails.alter = LIES[lie]
    opened: list[FetchedMessage] = []

    async def read() -> None:
        async with mail.fetch(name) as message:
            opened.append(message)
            await message.read(1 << 30)

    with pytest.raises(DataLoss):
        await read()
    assert not any(message.verified for message in opened)


def change_header(**changes: Any) -> Callable[[int, Any], Any]:
    """Another header."""

    def change(part: api.FetchMessageResponse) -> api.FetchMessageResponse:
        altered = api.FetchMessageResponse()
        altered.CopyFrom(part)
        for path, value in changes.items():
            target: Any = altered.header
            *way, last = path.split("__")
            for step in way:
                target = getattr(target, step)
            setattr(target, last, value)
        return altered

    return part_at(0, change)


@pytest.mark.parametrize(
    "changes",
    [
        {"message__record_name": "customers/42/messages/other"},
        {"stream__salt": bytes(32)},
        {"stream__salt": b"short"},
        {"stream__epoch_id": bytes(32)},
        {"stream__step": 2000},
        {"stream__field": 2},
        {"stream__length": 5 * CHUNK_SIZE},
    ],
    ids=lambda changes: next(iter(changes)),
)
async def test_a_header_that_lies_is_data_loss(mail: MailClient, mails: FakeMail, changes: dict[str, Any]) -> None:
    """About the name, the key or the size."""
    name = await stored(mail)
    mails.alter = change_header(**changes)
    with pytest.raises(DataLoss):
        await fetched(mail, name)


async def test_a_message_under_another_name_does_not_open(mail: MailClient, mails: FakeMail) -> None:
    """The name is in every key: whoever moves a row, moves noise."""
    name = await stored(mail)
    mails.messages["domains/example.org/messages/other"] = mails.messages[name]
    with pytest.raises(DataLoss):
        await fetched(mail, "domains/example.org/messages/other")


async def test_a_body_in_a_box_beside_the_stream_is_refused(mail: MailClient, mails: FakeMail) -> None:
    """Or one message would have two."""
    name = await stored(mail)

    def doubled(part: api.FetchMessageResponse) -> api.FetchMessageResponse:
        part.header.message.sealed[0].boxes.add(field=9, ciphertext=bytes(60))
        return part

    mails.alter = part_at(0, doubled)
    with pytest.raises(DataLoss):
        await fetched(mail, name)


async def test_another_message_after_a_broken_line_is_refused(mail: MailClient, mails: FakeMail) -> None:
    """A vault that gives out half of one and half of another."""
    name, other = await stored(mail, LARGE), await stored(mail, LARGE[::-1])
    mails.break_fetch = [3]

    def swapped(at: int, part: Any) -> Any:
        if at == 2:
            mails.messages[name] = mails.messages[other]
        return part

    mails.alter = swapped
    with pytest.raises(DataLoss, match="another"):
        await fetched(mail, name)


async def test_what_follows_the_last_chunk_is_refused(mail: MailClient, mails: FakeMail) -> None:
    """Nothing does."""
    name = await stored(mail)
    mails.messages[name].chunks.append(b"x" * 16)
    with pytest.raises(DataLoss, match="after its last"):
        await fetched(mail, name)


async def test_an_audience_that_the_pins_do_not_list_is_refused(mails: FakeMail) -> None:
    """Of the body as of a box."""
    settings = settings_for(mails)
    async with MailClient(settings, channel=plain(settings.target)) as client:
        name = await stored(client)
    for field in ("mail.body", "mail.sender"):
        pins = replace(settings.pins, fields={**settings.pins.fields, field: FieldPin("account_service")})
        async with MailClient(replace(settings, pins=pins), channel=plain(settings.target)) as client:
            with pytest.raises(PinMismatch):
                await fetched(client, name)


async def test_a_log_that_shrank_is_noticed_at_the_end_of_a_stream(mail: MailClient, mails: FakeMail) -> None:
    """In either direction."""
    name = await stored(mail)
    grown, mails.size = mails.size, 0
    with pytest.raises(RolledBack):
        await fetched(mail, name)
    assert mails.size < grown


async def test_a_client_without_the_key_is_refused(mails: FakeMail) -> None:
    """At once, and by name."""
    settings = settings_for(mails)
    with pytest.raises(ConfigError, match=MAIL):
        MailClient(replace(settings, purpose_keys={BILLING: settings.purpose_keys[BILLING]}))


async def test_a_closed_client_says_so(mail: MailClient) -> None:
    """Before a stream and in the middle of one."""
    name = await stored(mail, LARGE)

    async def slow() -> AsyncIterator[bytes]:
        yield SMALL
        await asyncio.sleep(60)

    async with mail.fetch(name) as message, aclosing(message.chunks()) as chunks:  # type: ignore[type-var]
        await anext(chunks)
        await mail.close()
        with pytest.raises(Unavailable):
            async for _ in chunks:
                pass
    with pytest.raises(Unavailable, match="closed"):
        await fetched(mail, name)
    with pytest.raises(Unavailable, match="closed"):
        await mail.store("customers/42", ENVELOPE, slow())


async def test_streams_over_the_clients_own_limit_wait(mail: MailClient, mails: FakeMail) -> None:
    """In their order, and within their deadline's time."""
    names = await asyncio.gather(*(stored(mail) for _ in range(connections.MAX_STREAMS + 8)))
    assert len(set(names)) == connections.MAX_STREAMS + 8 == len(mails.messages)
