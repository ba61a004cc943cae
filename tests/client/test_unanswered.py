"""What a call fails of when the vault does not answer it, made with real connections and the real server's TLS."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import grpc
import pytest

from tests.server.running import DOMAIN, PROVISIONING, Place, now, place, running
from vault.client import channel
from vault.client.checkpoints import Witness
from vault.client.connection import Connection
from vault.client.pins import Pins
from vault.client.settings import Settings
from vault.client.unanswered import failure_of
from vault.errors import OutcomeUnknown, Unavailable
from vault.pki.authority import DevelopmentCA, IssuedCertificate
from vault.v1.contact_service_pb2 import DeleteContactRequest

LOST = ["UNAVAILABLE", "CANCELLED", "UNKNOWN", "INTERNAL", "DEADLINE_EXCEEDED"]


@pytest.mark.parametrize("code", list(grpc.StatusCode))
def test_what_was_sent_and_not_answered_is_in_doubt(code: grpc.StatusCode) -> None:
    """Of a read the caller learns that it failed, of a write that nobody knows."""
    read, write = (failure_of(code, "Socket closed", write=write) for write in (False, True))
    if code.name not in LOST:
        assert read is write is None
        return
    assert read is not None
    assert write is not None
    assert (type(read.error), type(write.error)) == (Unavailable, OutcomeUnknown)
    assert read.sent
    assert write.sent
    assert read.passing == write.passing == (code.name in {"UNAVAILABLE", "CANCELLED"})


def test_a_text_that_nobody_knows_is_in_doubt() -> None:
    """The safe mistake; also of what only looks like a connection that was never made."""
    for text in ("recvmsg: Connection reset by peer", "x: failed to connect to all addresses", ""):
        failure = failure_of(grpc.StatusCode.UNAVAILABLE, text, write=True)
        assert failure
        assert isinstance(failure.error, OutcomeUnknown)


# --- real connections ------------------------------------------------------------------------------------------------


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """One repetition."""
    monkeypatch.setattr("vault.client.connection.pauses", lambda **_: iter((0.01,)))


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[tuple[Place, str]]:
    """A real server."""
    async with running(place(tmp_path)) as server:
        yield server.place, server.address


def settings(at: Place, target: str, issued: IssuedCertificate) -> Settings:
    """Those of a good caller, if its certificate is."""
    pins = Pins(bytes(16), {}, {}, {})
    return Settings(target, "localhost", issued.cert_pem, issued.key_pem, at.ca.ca_pem, pins)


async def refusal(parts: Settings) -> str:
    """What a write is told; that it is not `OutcomeUnknown` is the point."""
    calls = Connection(channel.connect(parts), parts.pins, Witness({}))
    try:
        with pytest.raises(Unavailable, match="nothing was sent") as refused:
            await calls.call(calls.contacts.DeleteContact, DeleteContactRequest(customer_id="42"))
    finally:
        await calls.close()
    return str(refused.value)


async def test_nobody_listens(tmp_path: Path, quick: None) -> None:
    """The most common of all."""
    made = place(tmp_path)
    async with running(made) as server:
        target = server.address
    assert "see that the server runs" in await refusal(settings(made, target, made.caller()))


async def test_an_expired_certificate(served: tuple[Place, str], quick: None) -> None:
    """TLS 1.3 tells a client nothing but that the server hung up."""
    made, target = served
    old = made.ca.issue(PROVISIONING, now=now() - timedelta(days=5), lifetime=timedelta(days=1))
    assert "`certificate` may have expired" in await refusal(settings(made, target, old))


async def test_a_certificate_of_another_authority(served: tuple[Place, str], quick: None) -> None:
    """The same seen from here."""
    made, target = served
    stranger = DevelopmentCA.create(DOMAIN, now()).issue(PROVISIONING, now=now())
    assert "an authority it does not know" in await refusal(settings(made, target, stranger))


async def test_a_vault_of_another_authority(served: tuple[Place, str]) -> None:
    """A wrong `ca`: said at once, since it does not pass."""
    made, target = served
    parts = replace(settings(made, target, made.caller()), ca=DevelopmentCA.create(DOMAIN, now()).ca_pem)
    assert "the authority in `ca` did not sign it" in await refusal(parts)


async def test_a_vault_of_another_name(served: tuple[Place, str]) -> None:
    """A wrong `server_name`."""
    made, target = served
    parts = replace(settings(made, target, made.caller()), server_name="elsewhere")
    assert "is not for `server_name`" in await refusal(parts)


async def test_a_key_of_another_certificate(served: tuple[Place, str]) -> None:
    """Two files that were mixed up."""
    made, target = served
    parts = replace(settings(made, target, made.caller()), private_key=made.caller().key_pem)
    assert "do not belong together" in await refusal(parts)


async def test_a_name_without_an_address(served: tuple[Place, str], quick: None) -> None:
    """Reserved for that (RFC 6761)."""
    made, _ = served
    assert "no address is known" in await refusal(settings(made, "vault.invalid:7443", made.caller()))
