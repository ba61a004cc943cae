"""Messages in transit: stored whole or not at all, leased to one worker, gone with their last recipient."""

import hashlib
from pathlib import Path

import pytest

from tests.service.leftovers import NOTHING, left
from tests.service.mailing import ADDRESSES, MS_PER_DAY, SENDER, Mailer, token
from tests.vaults import OpenVault, new_request_id
from vault.audit.entry import parse
from vault.crypto.stream import CHUNK_SIZE
from vault.errors import AlreadyExists, Conflict, FailedPrecondition, InvalidArgument, NotFound
from vault.store.v1.audit_entry_pb2 import OUTCOME_ALLOWED
from vault.v1 import mail_service_pb2 as v1
from vault.v1.records_pb2 import RecipientList

LARGE = hashlib.shake_256(b"large").digest(20 * CHUNK_SIZE + 7)


@pytest.fixture
async def mailer(vault: OpenVault) -> Mailer:
    """The mail system of an open vault."""
    return await Mailer.of(vault)


@pytest.fixture
def home(vault: OpenVault) -> Path:
    """Where its files are."""
    return vault.home


@pytest.mark.parametrize("size", [0, 1, CHUNK_SIZE, CHUNK_SIZE + 1, 16 * CHUNK_SIZE, 17 * CHUNK_SIZE, len(LARGE)])
async def test_a_body_comes_back_byte_for_byte(mailer: Mailer, size: int) -> None:
    """Of any length, with its envelope, and its size is known beforehand or not."""
    for promise in (True, False):
        sent = await mailer.store(LARGE[:size], promise=promise)
        fetched = await mailer.fetch(sent.name)
        assert mailer.open(sent.name, fetched) == LARGE[:size]
        assert fetched.header.status.size == size
        boxes = mailer.boxes(sent.name, fetched.header.message.sealed)
        assert boxes["sender"].decode() == SENDER
        assert tuple(RecipientList.FromString(boxes["recipients"]).addresses) == ADDRESSES


async def test_a_fetch_goes_on_from_any_chunk(mailer: Mailer) -> None:
    """The rest is opened as if nothing had happened in between."""
    sent = await mailer.store(LARGE)
    whole = await mailer.fetch(sent.name)
    rest = await mailer.fetch(sent.name, first_chunk=18)
    assert rest.chunks == whole.chunks[18:]
    assert mailer.open(sent.name, rest, 18) == LARGE[18 * CHUNK_SIZE :]
    with pytest.raises(InvalidArgument):
        await mailer.fetch(sent.name, first_chunk=21)


@pytest.mark.parametrize("size", [10, len(LARGE)])
async def test_the_last_recipient_takes_the_message_with_it(mailer: Mailer, home: Path, size: int) -> None:
    """Key, record, queue and chunks; before that, recipients are counted one by one."""
    sent = await mailer.store(LARGE[:size])
    (claimed,) = (await mailer.claim()).messages
    assert claimed.message.record_name == sent.name
    first = await mailer.complete(sent.name, claimed.lease_id, 0)
    assert not first.gone
    states = [recipient.state for recipient in first.message.recipients]
    assert states == [v1.RECIPIENT_STATE_DELIVERED, v1.RECIPIENT_STATE_WAITING]
    again = await mailer.complete(sent.name, claimed.lease_id, 0)
    assert not again.gone
    last = await mailer.complete(sent.name, claimed.lease_id, 1, state=v1.RECIPIENT_STATE_BOUNCED)
    assert last.gone
    assert left(home) == NOTHING
    with pytest.raises(NotFound):
        await mailer.get(sent.name)
    with pytest.raises(NotFound):
        await mailer.fetch(sent.name)


async def test_workers_never_get_the_same_message(mailer: Mailer) -> None:
    """Oldest due first, each once, until its lease ends; then another worker takes it over."""
    sent = [await mailer.store(message_id=f"m{at}") for at in range(3)]
    one, two = await mailer.claim(max_messages=2), await mailer.claim(max_messages=2)
    assert [each.message.record_name for each in one.messages] == [each.name for each in sent[:2]]
    assert [each.message.record_name for each in two.messages] == [sent[2].name]
    none = await mailer.claim()
    assert not none.messages
    assert none.HasField("next_due_time")
    mailer.opened.now_shift = 301_000
    taken = await mailer.claim()
    assert len(taken.messages) == 3
    assert {each.message.last_reason for each in taken.messages} == {v1.RELEASE_REASON_LEASE_LOST}
    assert {each.message.attempts for each in taken.messages} == {2}
    with pytest.raises(Conflict):
        await mailer.complete(sent[0].name, one.messages[0].lease_id, 0, 1)
    with pytest.raises(Conflict):
        await mailer.release(sent[0].name, one.messages[0].lease_id, v1.RELEASE_REASON_TEMPORARY_FAILURE)
    with pytest.raises(Conflict):
        await mailer.fetch(sent[0].name, lease_id=one.messages[0].lease_id)


async def test_a_late_result_counts_as_long_as_nobody_took_over(mailer: Mailer) -> None:
    """What a slow worker delivered is delivered: another delivery would be the second."""
    sent = await mailer.store()
    (claimed,) = (await mailer.claim()).messages
    mailer.opened.now_shift = 301_000
    assert (await mailer.complete(sent.name, claimed.lease_id, 0, 1)).gone


async def test_a_released_message_waits_for_its_next_attempt(mailer: Mailer) -> None:
    """Not before its time, and its reason is kept."""
    sent = await mailer.store()
    (claimed,) = (await mailer.claim()).messages
    wanted = v1.ReleaseMessageRequest()
    wanted.next_attempt_time.FromMilliseconds(claimed.message.create_time.ToMilliseconds() + 60_000)
    released = await mailer.release(
        sent.name,
        claimed.lease_id,
        v1.RELEASE_REASON_TEMPORARY_FAILURE,
        status="4.2.1",
        next_attempt_time=wanted.next_attempt_time,
    )
    assert released.message.state == v1.MESSAGE_STATE_WAITING
    assert (released.message.last_reason, released.message.last_status) == (
        v1.RELEASE_REASON_TEMPORARY_FAILURE,
        "4.2.1",
    )
    assert not (await mailer.claim()).messages
    mailer.opened.now_shift = 61_000
    assert len((await mailer.claim()).messages) == 1


async def test_a_lease_is_extended_by_who_has_it(mailer: Mailer) -> None:
    """And by nobody else."""
    sent = await mailer.store()
    (claimed,) = (await mailer.claim(lease_seconds=10)).messages
    await mailer.extend(sent.name, claimed.lease_id)
    mailer.opened.now_shift = 11_000
    assert not (await mailer.claim()).messages
    with pytest.raises(Conflict):
        await mailer.extend(sent.name, bytes(16))


async def test_what_is_not_delivered_in_time_is_returned(mailer: Mailer, home: Path) -> None:
    """A dead letter is claimed as one, still has all that a DSN needs, and goes with its last bounce."""
    sent = await mailer.store()
    mailer.opened.now_shift = 5 * MS_PER_DAY + 1000
    assert not (await mailer.claim()).messages
    assert (await mailer.get(sent.name)).state == v1.MESSAGE_STATE_DEAD
    (dead,) = (await mailer.claim(dead_letters=True)).messages
    fetched = await mailer.fetch(sent.name)
    boxes = mailer.boxes(sent.name, fetched.header.message.sealed)
    assert boxes["sender"].decode() == SENDER
    assert "dsn" in boxes
    assert mailer.open(sent.name, fetched) == b"hello"
    assert (await mailer.complete(sent.name, dead.lease_id, 0, 1, state=v1.RECIPIENT_STATE_BOUNCED)).gone
    assert left(home) == NOTHING


async def test_a_message_that_is_given_up_is_a_dead_letter_at_once(mailer: Mailer) -> None:
    """When the next hop refused all recipients for good."""
    sent = await mailer.store()
    (claimed,) = (await mailer.claim()).messages
    released = await mailer.release(sent.name, claimed.lease_id, v1.RELEASE_REASON_UNDELIVERABLE, status="5.1.1")
    assert released.message.state == v1.MESSAGE_STATE_DEAD
    assert not (await mailer.claim()).messages
    assert len((await mailer.claim(dead_letters=True)).messages) == 1


async def test_past_its_end_nobody_gets_a_message(mailer: Mailer) -> None:
    """Whether it was swept or not."""
    sent = await mailer.store()
    mailer.opened.now_shift = 7 * MS_PER_DAY + 1000
    assert not (await mailer.claim(dead_letters=True)).messages
    for call in (mailer.get(sent.name), mailer.fetch(sent.name)):
        with pytest.raises(NotFound):
            await call
    assert not (await mailer.list()).messages


async def test_the_same_message_again_is_not_stored_again(mailer: Mailer, home: Path) -> None:
    """A crash between the commit and the reply makes its sender repeat it, under another name."""
    first = await mailer.store(dedupe=token("digest"))
    for body in (b"hello", LARGE):
        again = mailer.seal(body, dedupe=token("digest"))
        answer = await mailer.send(again.parts())
        assert (answer.duplicate, answer.record_name) == (True, first.name)
    (claimed,) = (await mailer.claim()).messages
    await mailer.complete(first.name, claimed.lease_id, 0, 1)
    answer = await mailer.send(mailer.seal(dedupe=token("digest")).parts())
    assert answer.duplicate
    assert left(home) == NOTHING


async def test_a_request_has_one_effect(mailer: Mailer) -> None:
    """Sealed again under the same name it is the same request; another is refused."""
    request_id = new_request_id()
    sent = mailer.seal(message_id="m1", request_id=request_id)
    first = await mailer.send(sent.parts())
    again = await mailer.send(mailer.seal(message_id="m1", request_id=request_id).parts())
    assert again == first
    with pytest.raises(InvalidArgument, match="request_id"):
        await mailer.send(mailer.seal(message_id="m2", request_id=request_id).parts())
    with pytest.raises(AlreadyExists):
        await mailer.send(mailer.seal(message_id="m1").parts())
    (claimed,) = (await mailer.claim()).messages
    done = [
        await mailer.complete(sent.name, claimed.lease_id, 0, 1, request_id="6d2bd56c-34d5-4a9d-bd2a-bb5c9c1f9c7b")
        for _ in range(2)
    ]
    assert done[0] == done[1]
    assert done[0].gone


async def test_lists_by_owner_state_recipient_age_and_size(mailer: Mailer) -> None:
    """Without opening anything."""
    small = await mailer.store(b"x", "domains/example.net", addresses=["ann@example.net"])
    large = await mailer.store(LARGE, "domains/example.com", addresses=["bob@example.com"])
    by_age, by_size = await mailer.list(), await mailer.list(order=v1.MESSAGE_ORDER_SIZE)
    assert [each.record_name for each in by_age.messages] == [small.name, large.name]
    assert [each.record_name for each in by_size.messages] == [large.name, small.name]
    assert (by_age.depth.waiting, by_age.depth.size) == (2, 1 + len(LARGE))
    for request, expected in (
        ({"owner": "domains/example.com"}, [large.name]),
        ({"recipient_token": token("ann@example.net")}, [small.name]),
        ({"next_hop": token("hop")}, [small.name, large.name]),
        ({"next_hop": token("other")}, []),
        ({"state": v1.MESSAGE_STATE_WAITING}, [small.name, large.name]),
        ({"state": v1.MESSAGE_STATE_LEASED}, []),
        ({"state": v1.MESSAGE_STATE_DEAD}, []),
    ):
        assert [each.record_name for each in (await mailer.list(**request)).messages] == expected, request
    for order in (v1.MESSAGE_ORDER_UNSPECIFIED, v1.MESSAGE_ORDER_SIZE):
        page = await mailer.list(page_size=1, order=order)
        rest = await mailer.list(page_size=1, order=order, page_token=page.next_page_token)
        assert {page.messages[0].record_name, rest.messages[0].record_name} == {small.name, large.name}
    for bad in ("x", "eA=="):
        with pytest.raises(InvalidArgument):
            await mailer.list(page_token=bad)


async def test_claims_by_kind_and_next_hop(mailer: Mailer) -> None:
    """A worker asks for what it can deliver."""
    await mailer.store()
    assert not (await mailer.claim(kinds=[2])).messages
    assert not (await mailer.claim(next_hop=token("other"))).messages
    assert len((await mailer.claim(kinds=[1, 2], next_hop=token("hop"))).messages) == 1


async def test_a_customer_has_mail_of_its_own(mailer: Mailer) -> None:
    """The customer must be there; the log names the message under the customer's pseudonym."""
    with pytest.raises(NotFound):
        await mailer.store(owner="customers/42")
    await mailer.opened.create("42")
    sent = await mailer.store(owner="customers/42")
    assert mailer.open(sent.name, await mailer.fetch(sent.name)) == b"hello"
    entries = [parse(raw) for raw in await mailer.opened.entries()]
    created = next(e for e in entries if e.action == "CustomerService.CreateCustomer")
    stored = next(e for e in entries if e.action == "MailService.StoreMessage" and e.outcome == OUTCOME_ALLOWED)
    fetched = next(e for e in entries if e.action == "MailService.FetchMessage")
    assert stored.subjects[0] == created.subjects[0] == fetched.subjects[0]
    assert list(stored.records) == [sent.name.split("/", 2)[2]]
    assert "mail.body" in stored.fields
    assert "mail.body" in fetched.fields


async def test_every_act_is_in_the_log(mailer: Mailer) -> None:
    """With the message's name, and with what was written and taken out."""
    sent = await mailer.store()
    (claimed,) = (await mailer.claim()).messages
    await mailer.get(sent.name)
    await mailer.list()
    await mailer.release(sent.name, claimed.lease_id, v1.RELEASE_REASON_WORKER_STOPPED)
    (claimed,) = (await mailer.claim()).messages
    await mailer.extend(sent.name, claimed.lease_id)
    await mailer.complete(sent.name, claimed.lease_id, 0, 1)
    entries = [parse(raw) for raw in await mailer.opened.entries()]
    acts = [e for e in entries if e.action.startswith("MailService.")]
    assert [e.action.split(".")[1] for e in acts] == [
        "StoreMessage",
        "ClaimMessages",
        "GetMessage",
        "ListMessages",
        "ReleaseMessage",
        "ClaimMessages",
        "ExtendLease",
        "CompleteDelivery",
    ]
    assert acts[0].written[0] == acts[-1].replaced[0]
    short = sent.name.split("/", 2)[2]
    assert all(list(e.records) == [short] for e in acts if e.action != "MailService.ListMessages")


class TestRefused:
    """Uploads that are not what they must be leave nothing."""

    async def test_parts_out_of_order(self, mailer: Mailer, home: Path) -> None:
        """Header first and once, then whole chunks, then the end."""
        sent = mailer.seal(LARGE)
        header, *chunks, end = sent.parts()
        small = v1.StoreMessageRequest(chunk=bytes(100))
        for parts in (
            [],
            [end],
            [*chunks, end],
            [header],
            [header, end],
            [header, *chunks],
            [header, header, *chunks, end],
            [header, *chunks, header, end],
            [header, *chunks[:-1], end],
            [header, *chunks, chunks[-1], end],
            [header, small, *chunks, end],
            [header, *chunks[:-1], v1.StoreMessageRequest(chunk=bytes(16)), end],
        ):
            with pytest.raises(InvalidArgument):
                await mailer.send(parts)
        await mailer.opened.vault._upkeep.round()
        assert left(home) == NOTHING

    async def test_headers(self, mailer: Mailer) -> None:
        """Kind, boxes, stream and name are checked before anything is received."""
        for name, other in (("kind", None), ("record_name", "customers/42"), ("sealed", None)):
            sent = mailer.seal()
            sent.header.ClearField(name)  # type: ignore[arg-type]
            if other:
                setattr(sent.header, name, other)
            with pytest.raises(InvalidArgument):
                await mailer.send(sent.parts())
        wrong: dict[str, object] = {"field": 2, "step": 1024, "salt": b"x", "chunks": 7, "length": 1 << 20}
        for attribute, value in wrong.items():
            sent = mailer.seal()
            setattr(sent.header.stream, attribute, value)
            with pytest.raises(InvalidArgument):
                await mailer.send(sent.parts())
        sent = mailer.seal()
        sent.header.stream.epoch_id = bytes(32)
        with pytest.raises(FailedPrecondition):
            await mailer.send(sent.parts())
        sent = mailer.seal()
        sent.header.sealed[0].boxes.add(field=9, ciphertext=bytes(60))
        with pytest.raises(InvalidArgument):
            await mailer.send(sent.parts())

    async def test_a_body_over_the_limit(self, mailer: Mailer, home: Path) -> None:
        """By its promise before anything is received, else with the first byte too many."""
        object.__setattr__(mailer.opened.parts, "largest_message", 18 * CHUNK_SIZE)
        for promise, field in ((True, "header.stream.length"), (False, "chunk")):
            with pytest.raises(InvalidArgument, match="max_message_bytes") as refused:
                await mailer.send(mailer.seal(LARGE, promise=promise).parts())
            assert refused.value.field == field
        await mailer.opened.vault._upkeep.round()
        assert left(home) == NOTHING

    async def test_a_result_of_nobody(self, mailer: Mailer) -> None:
        """A place that the list does not have."""
        sent = await mailer.store()
        (claimed,) = (await mailer.claim()).messages
        with pytest.raises(InvalidArgument):
            await mailer.complete(sent.name, claimed.lease_id, 2)
