"""Streams: the known answers, and the refusals that make a body whole or nothing."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings
from hypothesis import strategies as st

from vault.crypto import epoch, record_lock, stream
from vault.crypto.envelope import Step
from vault.crypto.record_lock import Header, KeyId
from vault.crypto.vault_key import VaultKey
from vault.domain.fields import ALL_FIELDS
from vault.domain.secret import Secret
from vault.errors import OpenError
from vault.store.v1.record_pb2 import StoredRecord
from vault.v1.envelope_pb2 import Stream

V: dict[str, Any] = json.loads((Path(__file__).parent.parent / "vectors" / "format-1.json").read_text())
VAULT_ID = bytes.fromhex(V["vault_id"])
BODY = ALL_FIELDS["mail.body"]
CASES = {case["case"]: case for case in V["streams"]}
NAME = "customers/42/messages/m1"
KEY = VaultKey(VAULT_ID, 1, Secret(bytes(32)))


def step_of(number: int) -> Step:
    """A step of the vectors' epoch of mail."""
    known = V["mail_epoch"]
    key = epoch.step_key(Secret(bytes.fromhex(known["E"])), number)
    return Step(known["audience"], epoch.EpochId(bytes.fromhex(known["epoch_id"])), number, key)


def opener(header: Stream, first: int = 0, name: str = NAME) -> stream.Opener:
    """Opens what is sealed under step 3."""
    return stream.Opener(VAULT_ID, step_of(3), name, BODY, header, first_chunk=first)


def sealed(body: bytes) -> tuple[Stream, list[bytes]]:
    """A body sealed under step 3."""
    sealer = stream.Sealer(VAULT_ID, step_of(3), NAME, BODY)
    parts = [body[at : at + stream.CHUNK_SIZE] for at in range(0, len(body), stream.CHUNK_SIZE)] or [b""]
    chunks = [sealer.seal(part, last=at == len(parts) - 1) for at, part in enumerate(parts)]
    return sealer.stream, chunks


def body_of(known: dict[str, Any]) -> bytes:
    """The body of a case, by the recipe that the file gives."""
    prefix = b"customer-vault test vector "
    if known["case"] == "empty":
        return b""
    body = hashlib.shake_256(prefix + b"body").digest(stream.CHUNK_SIZE)
    return body + b"tail" if known["case"] == "two chunks" else body


@pytest.mark.parametrize("case", sorted(CASES))
def test_known_streams(case: str) -> None:
    """Key, chunks, stored chunks and header are the known ones, and open to the known body."""
    known = CASES[case]
    name, salt = known["record_name"], bytes.fromhex(known["salt"])
    header = Stream.FromString(bytes.fromhex(known["Stream"]))
    assert (header.salt, header.step, header.field) == (salt, known["step"], BODY.number)
    assert stream.stream_key(VAULT_ID, step_of(3), name, salt, BODY.policy_name).hex() == known["stream_key"]
    body = body_of(known)
    assert hashlib.sha256(body).hexdigest() == known["body_sha256"]
    sealer = stream.Sealer(VAULT_ID, step_of(3), name, BODY)
    sealer._aead = AESGCM(bytes.fromhex(known["stream_key"]))
    lock = stream.ChunkLock(VAULT_ID, name, bytes.fromhex(known["key_id"]), BODY.policy_name, bytes.fromhex(known["R"]))
    opens = opener(header, name=name)
    for at in range(header.chunks):
        last = at == header.chunks - 1
        part = body[at * stream.CHUNK_SIZE : (at + 1) * stream.CHUNK_SIZE]
        chunk = sealer.seal(part, last=last)
        assert hashlib.sha256(chunk).hexdigest() == known["chunk_i_sha256"][at]
        stored = lock.lock(at, chunk, last=last)
        assert hashlib.sha256(stored).hexdigest() == known["stored_i_sha256"][at]
        assert lock.unlock(at, stored, last=last) == chunk
        assert opens.open(chunk) == part
    opens.finish()
    if known["last_chunk"]:
        assert chunk.hex() == known["last_chunk"]
    assert (sealer.stream.chunks, sealer.stream.length) == (header.chunks, header.length)


def test_known_message() -> None:
    """The record of the two chunks opens under their R, and names their stream."""
    known, chunks = V["message"], CASES["two chunks"]
    header = Header(
        known["record_name"],
        KeyId(bytes.fromhex(chunks["key_id"])),
        known["version"],
        known["written_at"],
        known["expires_at"],
    )
    record_key, written = bytes.fromhex(chunks["R"]), bytes.fromhex(known["stored"])
    body = record_lock.unlock(record_key, VAULT_ID, header, written)
    assert body.hex() == known["StoredRecord"]
    assert record_lock.seal_body(record_key, VAULT_ID, header, body) == written
    assert StoredRecord.FromString(body).stream.SerializeToString().hex() == chunks["Stream"]


@settings(max_examples=30, deadline=None)
@given(st.sampled_from([0, 1, 65_535, 65_536, 65_537, 131_072, 131_073]), st.integers(0, 2))
def test_a_body_of_any_length_opens_from_any_chunk_on(length: int, first: int) -> None:
    """Also where chunks are just full: no empty last chunk follows."""
    body = hashlib.shake_256(b"body").digest(length)
    header, chunks = sealed(body)
    assert len(chunks) == header.chunks == stream.chunks_of(length)
    if first < len(chunks):
        opens = opener(header, first)
        assert b"".join(map(opens.open, chunks[first:])) == body[first * stream.CHUNK_SIZE :]
        opens.finish()


def test_two_sealings_share_no_salt() -> None:
    """The same body again is another stream: a retry can never use a key twice."""
    (one, chunks), (two, others) = sealed(b"body"), sealed(b"body")
    assert one.salt != two.salt
    assert chunks != others


class TestRefused:
    """What is not exactly the sealer's."""

    header, chunks = sealed(bytes(2 * stream.CHUNK_SIZE + 1))

    def test_without_the_last_chunk(self) -> None:
        """What was opened so far is nobody's to act on."""
        opens = opener(self.header)
        for chunk in self.chunks[:-1]:
            opens.open(chunk)
        with pytest.raises(OpenError):
            opens.finish()

    def test_swapped_chunks(self) -> None:
        """The place is in the nonce."""
        with pytest.raises(OpenError):
            opener(self.header).open(self.chunks[1])

    def test_a_chunk_too_many(self) -> None:
        """The number of chunks is known before."""
        opens = opener(self.header)
        for chunk in self.chunks:
            opens.open(chunk)
        with pytest.raises(OpenError):
            opens.open(self.chunks[-1])

    def test_a_body_that_was_cut_and_says_so(self) -> None:
        """Whoever shortens the header as well meets the last chunk's mark."""
        cut = Stream()
        cut.CopyFrom(self.header)
        cut.chunks, cut.length = 2, 2 * stream.CHUNK_SIZE
        opens = opener(cut)
        opens.open(self.chunks[0])
        with pytest.raises(OpenError):
            opens.open(self.chunks[1])

    def test_a_chunk_of_another_size(self) -> None:
        """Before any decryption."""
        with pytest.raises(OpenError):
            opener(self.header).open(self.chunks[0][:-1])

    @pytest.mark.parametrize(
        "change",
        [
            {"epoch_id": b"short"},
            {"salt": b"short"},
            {"step": 1024},
            {"field": 2},
            {"chunks": 2},
            {"chunks": 4},
            {"length": 1},
            {"length": 0},
            {"step": 4},
            {"epoch_id": bytes(32)},
        ],
    )
    def test_a_header_that_no_sealer_makes(self, change: dict[str, Any]) -> None:
        """Sizes, step, field, counts, and the step or epoch of another."""
        bad = Stream()
        bad.CopyFrom(self.header)
        for name, value in change.items():
            setattr(bad, name, value)
        with pytest.raises(OpenError):
            opener(bad)

    @pytest.mark.parametrize("first", [-1, 3])
    def test_a_beginning_outside_of_the_stream(self, first: int) -> None:
        """There is no such chunk."""
        with pytest.raises(OpenError):
            opener(self.header, first)

    def test_another_record(self) -> None:
        """The record's name is in the key."""
        with pytest.raises(OpenError):
            opener(self.header, name="customers/43/messages/m1").open(self.chunks[0])


class TestSealer:
    """What a sealer does not seal."""

    @pytest.mark.parametrize(
        ("sizes", "last"),
        [([1], False), ([stream.CHUNK_SIZE + 1], True), ([stream.CHUNK_SIZE, 0], True), ([0], False)],
    )
    def test_chunks_of_the_wrong_size(self, sizes: list[int], *, last: bool) -> None:
        """Too small before the end, too large, or empty after others."""
        sealer = stream.Sealer(VAULT_ID, step_of(3), NAME, BODY)
        for size in sizes[:-1]:
            sealer.seal(bytes(size), last=False)
        with pytest.raises(ValueError, match="chunks"):
            sealer.seal(bytes(sizes[-1]), last=last)

    def test_nothing_after_the_last(self) -> None:
        """A key seals one body."""
        sealer = stream.Sealer(VAULT_ID, step_of(3), NAME, BODY)
        sealer.seal(b"x", last=True)
        with pytest.raises(ValueError, match="chunks"):
            sealer.seal(b"y", last=True)


class TestMessageLock:
    """R of a message: drawn for one attempt, spent in one order."""

    def test_chunks_and_body_open_under_the_wrapped_key(self) -> None:
        """The key that was stored before the first chunk opens all."""
        lock = stream.MessageLock(KEY.wrapping, NAME, BODY)
        stored = [lock.chunk(b"a", last=False), lock.chunk(b"b", last=True)]
        assert [index for index, _ in stored] == [0, 1]
        locked = lock.body(5, 9, b"body")
        record_key = KEY.wrapping.unwrap(lock.wrapped, lock.key_id, NAME)
        assert record_lock.unlock(record_key, VAULT_ID, locked.header, locked.stored) == b"body"
        chunks = stream.ChunkLock(VAULT_ID, NAME, lock.key_id, BODY.policy_name, record_key)
        assert chunks.unlock(0, stored[0][1], last=False) == b"a"
        assert chunks.unlock(1, stored[1][1], last=True) == b"b"
        for index, last, data in (
            (1, False, stored[0][1]),
            (0, True, stored[0][1]),
            (0, False, b""),
            (0, False, b"\1"),
        ):
            with pytest.raises(OpenError):
                chunks.unlock(index, data, last=last)

    def test_every_attempt_draws_its_own_key(self) -> None:
        """Fixed nonces are safe because of this."""
        one, two = (stream.MessageLock(KEY.wrapping, NAME, BODY) for _ in range(2))
        assert one.key_id != two.key_id
        assert one.chunk(b"a", last=True) != two.chunk(b"a", last=True)

    def test_it_is_spent_in_order_and_once(self) -> None:
        """No body before the last chunk, none after another, no chunk after the last."""
        lock = stream.MessageLock(KEY.wrapping, NAME, BODY)
        with pytest.raises(ValueError, match="once"):
            lock.body(5, 9, b"body")
        lock.chunk(b"a", last=True)
        with pytest.raises(ValueError, match="last"):
            lock.chunk(b"b", last=True)
        lock.body(5, 9, b"body")
        with pytest.raises(ValueError, match="once"):
            lock.body(5, 9, b"body")
