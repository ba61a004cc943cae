"""Uploads and fetches that end early: nothing of them is left, counted in both files; and nothing stands in plain."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest

from tests.service.leftovers import NOTHING, left
from tests.service.mailing import ADDRESSES, MS_PER_DAY, SENDER, Mailer, token
from tests.vaults import OpenVault, make_home, opened
from vault.crypto.stream import CHUNK_SIZE
from vault.errors import DataLoss, NotFound, ResourceExhausted
from vault.v1 import customer_service_pb2 as customers
from vault.v1 import mail_service_pb2 as v1

LARGE = hashlib.shake_256(b"large").digest(40 * CHUNK_SIZE + 7)


@pytest.fixture
async def mailer(vault: OpenVault) -> Mailer:
    """The mail system of an open vault."""
    return await Mailer.of(vault)


async def settled(home: Path) -> None:
    """Wait for what goes on behind an answer; the counts are what is asserted afterwards."""
    for _ in range(200):
        if left(home) == NOTHING:
            return
        await asyncio.sleep(0.02)


async def ended_early(mailer: Mailer, after: int, *, hang: bool) -> None:
    """An upload whose client says nothing more after so many parts, or goes away."""
    reached = asyncio.Event()

    async def parts() -> AsyncIterator[v1.StoreMessageRequest]:
        for part in mailer.seal(LARGE).parts()[:after]:
            yield part
        reached.set()
        if hang:
            await asyncio.Event().wait()
        raise ConnectionResetError

    vault = mailer.opened.vault
    call = vault.collect(
        "MailService.StoreMessage", "spiffe://vault.example/mail", parts(), now=mailer.now(), correlation=""
    )
    upload = asyncio.create_task(call)
    await reached.wait()
    upload.cancel()
    assert isinstance((await asyncio.gather(upload, return_exceptions=True))[0], BaseException)


@pytest.mark.parametrize("after", [1, 2, 17, 18, 34, 42])
@pytest.mark.parametrize("hang", [True, False])
async def test_a_client_that_goes_away_leaves_nothing(mailer: Mailer, after: int, *, hang: bool) -> None:
    """Before the first chunk is stored, in the middle, and before the end was said."""
    await ended_early(mailer, after, hang=hang)
    await settled(mailer.opened.home)
    assert left(mailer.opened.home) == NOTHING
    assert not mailer.opened.parts.store._running  # type: ignore[attr-defined]


async def test_what_a_kill_leaves_goes_at_the_next_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The mark is durable before the key, and the key before the first chunk."""
    home = await make_home(tmp_path / "home")
    async with opened(home) as vault:
        mailer = await Mailer.of(vault)
        kept = await mailer.store(LARGE)
        before = left(home)
        store = vault.parts.store
        # The discard that follows a broken call never comes: as if the process had ended there.
        monkeypatch.setattr(store, "discard_upload", lambda _upload: asyncio.sleep(0))
        for after in (18, 34):
            await ended_early(mailer, after, hang=True)
        now = left(home)
        assert (now.marks, now.keys) == (before.marks + 2, before.keys + 2)
        assert now.chunks > before.chunks
    async with opened(home) as vault:
        assert left(home) == before
        again = await Mailer.of(vault)
        again.side = mailer.side
        assert again.open(kept.name, await again.fetch(kept.name)) == LARGE


async def test_a_full_disk_leaves_nothing_and_recovers(mailer: Mailer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The caller is told so; the next upload finds room again."""
    store, stored = mailer.opened.parts.store, 0
    real = store.add_chunks

    async def full(*args: object) -> bool:
        nonlocal stored
        stored += 1
        if stored == 2:
            raise ResourceExhausted("a disk of the store is full")
        return await real(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(store, "add_chunks", full)
    with pytest.raises(ResourceExhausted):
        await mailer.store(LARGE)
    await settled(mailer.opened.home)
    assert left(mailer.opened.home) == NOTHING
    sent = await mailer.store(LARGE)
    assert mailer.open(sent.name, await mailer.fetch(sent.name)) == LARGE


async def test_a_retry_uses_another_salt_and_another_key(mailer: Mailer) -> None:
    """An upload that broke off is sealed and locked anew: no key seals two chunks for one place."""
    first, second = mailer.seal(LARGE, message_id="m1"), mailer.seal(LARGE, message_id="m1")
    assert first.header.stream.salt != second.header.stream.salt
    assert {each.salt for each in first.header.sealed}.isdisjoint(each.salt for each in second.header.sealed)
    assert set(first.chunks).isdisjoint(second.chunks)


async def test_a_message_that_goes_while_it_is_fetched_ends_the_fetch(mailer: Mailer) -> None:
    """A slow reader holds nothing: what is delivered meanwhile is gone for it, too."""
    sent = await mailer.store(LARGE)
    (claimed,) = (await mailer.claim()).messages
    request = v1.FetchMessageRequest(record_name=sent.name)
    stream = mailer.opened.vault.stream(
        "MailService.FetchMessage", "spiffe://vault.example/mail", request, now=mailer.now(), correlation=""
    )
    async with aclosing(stream) as parts:
        for _ in range(3):
            await anext(parts)
        assert (await mailer.complete(sent.name, claimed.lease_id, 0, 1)).gone
        with pytest.raises(NotFound):
            async for _ in parts:
                pass


async def test_a_chunk_that_was_altered_ends_the_fetch(mailer: Mailer) -> None:
    """Everything before it was right, and nobody acts on it before the end."""
    sent = await mailer.store(LARGE)

    def alter(stores: object) -> None:
        stores.data.execute("UPDATE mail_chunks SET stored = zeroblob(65569) WHERE idx = 3")  # type: ignore[attr-defined]

    store = mailer.opened.parts.store
    await store._writer.run(alter)  # type: ignore[attr-defined]
    with pytest.raises(DataLoss):
        await mailer.fetch(sent.name)

    def lose(stores: object) -> None:
        stores.data.execute("DELETE FROM mail_chunks WHERE idx = 2")  # type: ignore[attr-defined]

    await store._writer.run(lose)  # type: ignore[attr-defined]
    with pytest.raises(DataLoss):
        await mailer.fetch(sent.name)


async def test_expired_messages_are_swept_with_their_chunks(mailer: Mailer) -> None:
    """By the one sweep of all records, which destroys their keys."""
    await mailer.store(LARGE)
    await mailer.store()
    later = mailer.now() + 7 * MS_PER_DAY + 60_000
    assert (await mailer.opened.parts.retention.sweep(later)).removed == 2
    assert left(mailer.opened.home) == NOTHING


async def test_an_erased_customer_leaves_no_mail(mailer: Mailer) -> None:
    """Not a chunk, and not a token; an upload under way ends."""
    await mailer.opened.create("42")
    await mailer.store(LARGE, "customers/42", dedupe=token("digest"))
    sent = mailer.seal(LARGE, "customers/42")
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def parts() -> AsyncIterator[v1.StoreMessageRequest]:
        for at, part in enumerate(sent.parts()):
            if at == 20:
                begun.set()
                await go_on.wait()
            yield part

    peer = "spiffe://vault.example/mail"
    upload = asyncio.create_task(
        mailer.opened.vault.collect("MailService.StoreMessage", peer, parts(), now=mailer.now(), correlation="")
    )
    await begun.wait()
    request = customers.EraseCustomerRequest(customer_id="42", discard_mail=True)
    await mailer.opened.call("officer", "CustomerService.EraseCustomer", request)
    go_on.set()
    with pytest.raises(NotFound):
        await upload
    await settled(mailer.opened.home)
    assert left(mailer.opened.home) == NOTHING
    assert await mailer.opened.parts.store.duplicate(sent.name.rsplit("/", 2)[0], token("digest")) is None  # type: ignore[arg-type]


async def test_nothing_of_a_message_stands_in_plain(mailer: Mailer) -> None:
    """No address, no word of the body, and no bare digest of it, in any file of the vault."""
    body = b"the quick brown fox " * 50_000
    await mailer.store(body)
    home = mailer.opened.home
    raw = b"".join(path.read_bytes() for folder in ("data", "keys") for path in (home / folder).iterdir())
    for secret in (SENDER, *ADDRESSES, "quick brown"):
        assert secret.encode() not in raw
    for name in ("sha256", "sha1", "md5"):
        digest = hashlib.new(name, body)
        assert digest.digest() not in raw
        assert digest.hexdigest().encode() not in raw
