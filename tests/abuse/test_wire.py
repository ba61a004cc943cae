"""Bytes on the wire that no client of ours sends (T12): a clear status, no echo, and a server that goes on.

The server is a real process behind mutual TLS; what it says on standard error is read at the end.
"""

import asyncio
import random
import zlib
from collections.abc import Iterator
from pathlib import Path

import grpc
import psutil
import pytest

from tests.abuse.canaries import Scanner, people
from tests.abuse.heist import dial, send
from tests.abuse.test_matrix import BATCHES, READS
from tests.abuse.test_roles import OTHERS
from tests.figures import Figures
from tests.running import RunningVault, make_home, serving
from vault.server.port import descriptor
from vault.v1 import contact_service_pb2 as contacts
from vault.v1 import customer_service_pb2 as customers
from vault.v1.records_pb2 import Contact

PERSON = people(1, seed=12)[0]
CANARY = PERSON.card_number.encode()
METHODS = sorted({*READS, *BATCHES, *OTHERS})
STREAMS = {method for method in METHODS if descriptor(method).server_streaming}
"""Who sends as if there were one answer takes no second one, so such a stream stands until its deadline."""
INVALID, EXHAUSTED = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.RESOURCE_EXHAUSTED
ROLES = ("storefront", "care", "billing", "officer", "auditor", "operator")


@pytest.fixture(scope="module")
def server(quick_disk: Path) -> Iterator[RunningVault]:
    """A vault that answers; at the end it must still be there, and its standard error must hold no value."""
    folder = quick_disk / "wire"
    folder.mkdir()
    home = make_home(folder)
    config = home / "vault.toml"
    config.write_text(config.read_text().replace('level = "info"', 'level = "debug"'))
    with serving(home) as vault:
        yield vault
        assert vault.process.poll() is None
    assert not Scanner(PERSON.values()).hits((folder / "vault.log").read_bytes())


def nested(depth: int) -> bytes:
    """Field 2 in field 2 in field 2."""
    raw = CANARY
    for _ in range(depth):
        raw = b"\x12" + _varint(len(raw)) + raw
    return raw


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def text_field(number: int, raw: bytes) -> bytes:
    """One length-delimited field."""
    return _varint(number << 3 | 2) + _varint(len(raw)) + raw


GET = "ContactService.GetContact"
CREATE = "CustomerService.CreateCustomer"
BAD_BYTES: dict[str, tuple[str, str, bytes, tuple[grpc.StatusCode, ...]]] = {
    "5 MiB": ("care", GET, text_field(1, CANARY * 330_000), (EXHAUSTED,)),
    "text that is no UTF-8": ("care", GET, text_field(1, b"\xff\xfe" + CANARY), (INVALID,)),
    "a surrogate in UTF-8": ("care", GET, text_field(1, b"\xed\xa0\x80" + CANARY), (INVALID,)),
    "an overlong NUL": ("care", GET, text_field(1, b"\xc0\x80" + CANARY), (INVALID,)),
    "a message cut short": ("care", GET, text_field(1, CANARY)[:-1], (INVALID,)),
    "a length beyond the end": ("care", GET, b"\x0a\xff\xff\xff\xff\x0f" + CANARY, (INVALID,)),
    "a varint without end": ("care", GET, b"\x08" + b"\xff" * 11 + CANARY, (INVALID,)),
    "field number 0": ("care", GET, b"\x02" + CANARY, (INVALID,)),
    "an end group without start": ("care", GET, b"\x0c" + CANARY, (INVALID,)),
    "groups in groups": ("care", GET, b"\x63" * 10_000 + CANARY, (INVALID,)),
    "50 levels of nothing": ("storefront", CREATE, nested(50), (INVALID,)),
    "10,000 levels of nothing": ("storefront", CREATE, nested(10_000), (INVALID,)),
    "half a million repeated": ("care", "ContactService.BatchGetContacts", b"\x0a\x01a" * 500_000, (INVALID,)),
    "half a million empty cards": ("storefront", CREATE, b"\x1a\x00" * 500_000, (INVALID,)),
    "half a million unknown fields": ("care", GET, b"\x82\x7d\x00" * 500_000, (INVALID,)),
    "random bytes": ("care", GET, random.Random(12).randbytes(100_000) + CANARY, (INVALID,)),
}


def said(error: grpc.aio.AioRpcError) -> bytes:
    """Everything that came back with an error."""
    metadata = [*(error.initial_metadata() or ()), *(error.trailing_metadata() or ())]
    parts = [error.details() or "", *(value for _, value in metadata)]
    return b"\0".join(part if isinstance(part, bytes) else part.encode() for part in parts)


@pytest.mark.parametrize("bad", BAD_BYTES)
async def test_bytes_that_are_no_request_are_refused(server: RunningVault, bad: str) -> None:
    """With the status that says so, and nothing of the bytes."""
    role, method, raw, codes = BAD_BYTES[bad]
    async with dial(server, role) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await send(channel, method, raw)
        assert refused.value.code() in codes
        assert CANARY not in said(refused.value)
        await _is_well(channel, role)


async def _is_well(channel: grpc.aio.Channel, role: str) -> None:
    """The connection still answers: a method of everybody's."""
    assert await send(channel, "AuditService.GetCheckpoint", b"")


async def test_metadata_of_64_kib_is_refused(server: RunningVault) -> None:
    """By gRPC itself; the next call on the same machine goes on."""
    async with dial(server, "care") as channel:
        call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(
            "/vault.v1.ContactService/GetContact"
        )
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await call(b"", metadata=(("x-large", "4" * 65_536),), timeout=20)
        assert refused.value.code() in (EXHAUSTED, grpc.StatusCode.UNAVAILABLE)
    async with dial(server, "care") as channel:
        await _is_well(channel, "care")


async def test_a_gzip_bomb_is_not_unpacked(server: RunningVault) -> None:
    """A hundred megabytes in a hundred kilobytes: compression is off, so nobody looks inside."""
    before = psutil.Process(server.process.pid).memory_info().rss
    packed = zlib.compress(b"\0" * (100 << 20), 9, wbits=31)
    async with dial(server, "care") as channel:
        call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(
            "/vault.v1.ContactService/GetContact"
        )
        with pytest.raises(grpc.aio.AioRpcError):
            await call(b"\0" * (100 << 20), compression=grpc.Compression.Gzip, timeout=20)
        with pytest.raises(grpc.aio.AioRpcError):
            await call(packed, timeout=20)
        await _is_well(channel, "care")
    assert psutil.Process(server.process.pid).memory_info().rss - before < 64 << 20


@pytest.mark.parametrize(
    "path",
    [
        "/vault.v1.ContactService/NoSuchMethod",
        "/vault.v1.NoSuchService/GetContact",
        "/vault.v1.MailService/NoSuchMethod",
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        f"/vault.v1.ContactService/{CANARY.decode()}",
        "//",
    ],
)
async def test_a_method_that_is_not_served_is_unimplemented(server: RunningVault, path: str) -> None:
    """Neither of services that are there nor of others; and a path that holds a value is not told again."""
    async with dial(server, "care") as channel:
        call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(path)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await call(b"", timeout=20)
        assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
        assert CANARY not in said(refused.value)


async def test_every_method_survives_fuzzed_requests_and_echoes_nothing(server: RunningVault, figures: Figures) -> None:
    """Good messages with bytes changed, each to every method as each role: only codes of ours come back."""
    rng = random.Random(1212)
    person = PERSON
    seeds = [
        customers.CreateCustomerRequest(contact=person.contact(), cards=[person.card()]).SerializeToString(),
        contacts.PutContactRequest(customer_id="c", contact=person.contact()).SerializeToString(),
        contacts.GetContactRequest(
            customer_id=person.card_number, purpose=f"a{person.card_number}"
        ).SerializeToString(),
        contacts.FindContactsRequest(phone=person.phone).SerializeToString(),
        customers.CreateCustomerRequest(contact=Contact(name=person.card_number)).SerializeToString(),
    ]
    codes: dict[str, int] = {}
    scanner = Scanner(person.values())
    for role in ROLES:
        async with dial(server, role) as channel:
            for method in METHODS:
                raws = [_spoil(rng, rng.choice(seeds)) for _ in range(12)]
                for answer in await asyncio.gather(*(_code(channel, method, raw, scanner) for raw in raws)):
                    codes[answer] = codes.get(answer, 0) + 1
    figures(f"{sum(codes.values())} fuzzed calls: {dict(sorted(codes.items()))}")
    assert set(codes) <= {"OK", "INVALID_ARGUMENT", "PERMISSION_DENIED", "NOT_FOUND", "ALREADY_EXISTS", "ABORTED"}


def _spoil(rng: random.Random, raw: bytes) -> bytes:
    """A few bytes changed, dropped or repeated."""
    out = bytearray(raw)
    for _ in range(rng.randint(0, 3)):
        at = rng.randrange(len(out))
        match rng.randrange(4):
            case 0:
                out[at] ^= 1 << rng.randrange(8)
            case 1:
                del out[at : at + rng.randint(1, 4)]
            case 2:
                out[at:at] = out[at : at + 8]
            case _:
                out[at:at] = rng.randbytes(2)
        out = out or bytearray(b"\0")
    return bytes(out)


async def _code(channel: grpc.aio.Channel, method: str, raw: bytes, scanner: Scanner) -> str:
    """The code that came back, or ECHO if a value came back with it."""
    try:
        await send(channel, method, raw)
    except grpc.aio.AioRpcError as error:
        if method in STREAMS and error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
            return "OK"
        return "ECHO" if scanner.hits(said(error)) else error.code().name
    return "OK"
