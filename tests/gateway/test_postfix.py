"""A real Postfix hands mail over and takes it back: what goes in comes out, byte for byte."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.gateway import odd
from tests.gateway.chain import Chain, chain, unstuffed, without_trace
from tests.gateway.fake_store import FakeStore
from tests.gateway.postfix import Ports, Postfix, free_ports, postfix
from tests.gateway.talk import Client, until
from vault.domain.names import Owner
from vault.errors import Unavailable

pytestmark = [pytest.mark.needs("postfix"), pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def server() -> Iterator[Postfix]:
    """One Postfix for this file."""
    with postfix(Ports(*free_ports(4))) as running:
        yield running


async def _through(running: Chain, text: bytes, *, as_sent: bool = True, **words: Any) -> None:
    """Send a text, and check that the gateway got it, and that it went on unchanged.

    `as_sent` also checks what the gateway got against what was sent: Postfix leaves our own messages as they are, and
    in strangers' drops a Return-Path, or makes a header of an mbox line.
    """
    await running.send(text, **words)
    [got] = await running.arrived(1)
    [(_, _, brought)] = running.witness.brought
    assert not as_sent or brought.endswith(text)
    assert without_trace(unstuffed(got.text)) == brought


@pytest.mark.parametrize("name", odd.MESSAGES)
async def test_what_goes_in_comes_out(server: Postfix, name: str) -> None:
    """Through smtpd, content_filter, the gateway, and smtpd again."""
    async with chain(server, FakeStore()) as running:
        await _through(running, odd.canonical(odd.MESSAGES[name]), words=" BODY=8BITMIME")
        assert running.sink.got[0].sender.startswith("MAIL FROM:<a@example.org>")


@pytest.mark.parametrize("name", odd.folder())
async def test_what_goes_in_of_a_folder_comes_out(server: Postfix, name: str) -> None:
    """Anybody's messages: CUSTOMER_VAULT_MAIL_FOLDER names where they are."""
    async with chain(server, FakeStore()) as running:
        await _through(running, odd.canonical(odd.folder()[name]), as_sent=False, words=" BODY=8BITMIME")


async def test_twenty_five_mebibytes_come_out(server: Postfix) -> None:
    """The same, large."""
    async with chain(server, FakeStore()) as running:
        await _through(running, odd.large())


async def test_nul_is_refused_and_the_sender_is_told(server: Postfix) -> None:
    """By Postfix, which has the refusal."""
    async with chain(server, FakeStore()) as running:
        await running.send(b"Subject: x\r\n\r\na\0b\r\n")
        [told] = await running.arrived(1)
        assert [line.split()[1] for line in told.recipients] == ["TO:<a@example.org>"]
        assert b"Diagnostic-Code: smtp; 550 5.6.0" in told.text
        assert running.witness.brought == []


async def test_each_owner_has_a_record_and_each_recipient_gets_a_copy(server: Postfix) -> None:
    """Two domains, three recipients, with their wishes."""
    async with chain(server, FakeStore()) as running:
        await running.send(
            b"Subject: x\r\n\r\nhi\r\n", "1@a.example", "2@b.example", "3@a.example", words=" RET=HDRS ENVID=E+3D1"
        )
        await until(lambda: sum(len(got.recipients) for got in running.sink.got) == 3)
        by_owner = {owner: [r.address for r in envelope.recipients] for owner, envelope, _ in running.witness.brought}
        assert by_owner == {"domains/a.example": ["1@a.example", "3@a.example"], "domains/b.example": ["2@b.example"]}
        assert {(envelope.ret, envelope.envid) for _, envelope, _ in running.witness.brought} == {("HDRS", "E+3D1")}
        assert all({"RET=HDRS", "ENVID=E+3D1"} <= set(got.sender.split()) for got in running.sink.got)


async def test_the_name_in_the_queue_comes_along(server: Postfix) -> None:
    """So that a message that is handed over twice is stored once."""
    store = FakeStore()
    async with chain(server, store) as running:
        await running.send(b"Subject: x\r\n\r\nhi\r\n")
        await running.arrived(1)
        await until(lambda: store.gone)
        assert store.gone[0].queue_id in server.log


async def test_addresses_beyond_ascii_come_through(server: Postfix) -> None:
    """SMTPUTF8, on both sides."""
    async with chain(server, FakeStore()) as running:
        await running.send(
            "Subject: \u00fc\r\n\r\nhi\r\n".encode(),
            "\u00fc@b.example",
            sender="\u00e4@a.example",
            words=" SMTPUTF8 BODY=8BITMIME",
        )
        [got] = await running.arrived(1)
        assert got.sender.startswith("MAIL FROM:<\u00e4@a.example>")
        assert "SMTPUTF8" in got.sender.split()
        assert got.recipients[0].startswith("RCPT TO:<\u00fc@b.example>")


async def test_a_vault_that_is_away_makes_postfix_come_again(server: Postfix) -> None:
    """451, and the message stays in Postfix's queue until it is stored; then it arrives once."""
    store = FakeStore()
    store.refuse[Owner("domains/b.example")] = Unavailable("restarting")
    async with chain(server, store) as running:
        await running.send(b"Subject: x\r\n\r\nhi\r\n", "1@b.example")
        await until(lambda: store.begun)
        assert server.queue()
        store.refuse.clear()
        server.flush()
        await running.arrived(1)
        await until(lambda: not server.queue())
        assert len(running.sink.got) == 1


@pytest.mark.parametrize("end", [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r\n.\r", b"\r.\r\n"])
async def test_one_message_comes_in_and_one_goes_out(server: Postfix, end: bytes) -> None:
    """SMTP smuggling (CVE-2023-51764): what stands behind a false end goes along as text, or is refused."""
    smuggled = b"MAIL FROM:<evil@a.example>\r\nRCPT TO:<c@b.example>\r\nDATA\r\nsmuggled\r\n"
    async with chain(server, FakeStore()) as running:
        async with Client(f"127.0.0.1:{server.ports.submit}") as client:
            await client.greet("EHLO")
            await client.begin("b@b.example")
            client.send(b"Subject: x\r\n\r\nseen" + end + smuggled + b".\r\n")
            assert (await client.reply()).startswith("250")
            assert (await client.say("NOOP")).startswith("250")
        [got] = await running.arrived(1)
        await until(lambda: not server.queue())
        assert got.recipients[0].startswith("RCPT TO:<b@b.example>")
        assert b"smuggled" in got.text
        assert len(running.sink.got) == 1
        assert b"\n" not in got.text.replace(b"\r\n", b"")
