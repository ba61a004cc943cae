"""A conversation: what is promised is kept, what is in doubt is 451, what is wrong is said."""

import asyncio
import contextlib

import pytest

from tests.gateway.conftest import Serve
from tests.gateway.talk import Client, until
from vault.domain.names import Owner
from vault.errors import InvalidArgument, OutcomeUnknown, Unavailable
from vault.gateway.intake import MOST_OWNERS, MOST_STREAMS
from vault.gateway.port import Envelope, Recipient
from vault.gateway.session import Speech


async def test_a_text_is_stored_with_all_that_was_said(serve: Serve) -> None:
    """Sender, recipients, DSN and declarations, the text byte for byte with its dots."""
    async with serve() as desk, Client(desk.address) as client:
        await client.greet()
        await client.say("MAIL FROM:<a@example.org> BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=x1 SIZE=30")
        await client.say("RCPT TO:<\u00fc@example.net> NOTIFY=FAILURE ORCPT=rfc822;o@example.net")
        assert (await client.say("DATA")).startswith("354")
        client.send(b"Subject: x\r\n\r\n..dots\r\n\xff\r\n.\r\n")
        assert await client.reply() == "250 2.0.0 stored"
        [kept] = desk.store.kept.values()
    assert kept.envelope == Envelope(
        sender="a@example.org",
        recipients=(Recipient("\u00fc@example.net", "FAILURE", "rfc822;o@example.net"),),
        body="8BITMIME",
        smtputf8=True,
        ret="HDRS",
        envid="x1",
    )
    assert kept.body == b"Subject: x\r\n\r\n.dots\r\n\xff\r\n"
    assert desk.called == 1


async def test_lmtp_gives_each_recipient_its_own_reply(serve: Serve) -> None:
    """In their order; one owner whose record cannot be stored leaves the other alone (RFC 2033, 4.2)."""
    async with serve() as desk, Client(desk.address) as client:
        desk.store.refuse[Owner("domains/b.example")] = Unavailable("full")
        await client.greet()
        await client.begin("1@a.example", "2@b.example", "3@a.example", "1@a.example")
        client.send(b"text\r\n.\r\n")
        assert [(await client.reply())[:3] for _ in range(4)] == ["250", "451", "250", "250"]
        [kept] = desk.store.kept.values()
        assert [r.address for r in kept.envelope.recipients] == ["1@a.example", "3@a.example"]
        assert (desk.counts.get("received", "stored"), desk.counts.get("received", "tempfail")) == (3, 1)


async def test_smtp_gives_one_reply_and_it_is_no_promise_if_one_part_fails(serve: Serve) -> None:
    """The mail server keeps all of it, and comes again."""
    async with serve(Speech.SMTP) as desk, Client(desk.address) as client:
        desk.store.refuse[Owner("domains/b.example")] = OutcomeUnknown("died")
        await client.greet("EHLO")
        await client.begin("1@a.example", "2@b.example")
        client.send(b"text\r\n.\r\nNOOP\r\n")
        assert (await client.reply()).startswith("451 4.3.0")
        assert (await client.reply()).startswith("250")


async def test_what_came_in_one_packet_is_answered_in_turn(serve: Serve) -> None:
    """PIPELINING (RFC 2920): up to DATA, and again behind the text."""
    async with serve() as desk, Client(desk.address) as client:
        assert "PIPELINING" in await client.greet()
        client.send(b"MAIL FROM:<a@a.example>\r\nRCPT TO:<b@b.example>\r\nRCPT TO:<>\r\nDATA\r\n")
        assert [(await client.reply())[:3] for _ in range(4)] == ["250", "250", "501", "354"]
        client.send(b"one\r\n.\r\nMAIL FROM:<>\r\nRCPT TO:<c@b.example>\r\nDATA\r\n")
        assert [(await client.reply())[:3] for _ in range(4)] == ["250", "250", "250", "354"]
        client.send(b".\r\nQUIT\r\n")
        assert [(await client.reply())[:3] for _ in range(3)] == ["250", "221", ""]
        assert sorted(kept.body for kept in desk.store.kept.values()) == [b"", b"one\r\n"]


async def test_nothing_is_taken_behind_data_before_its_reply(serve: Serve) -> None:
    """Who sends a text unasked is not the client that speaks: the connection ends, and nothing is stored."""
    async with serve() as desk, Client(desk.address) as client:
        await client.greet()
        client.send(b"MAIL FROM:<>\r\nRCPT TO:<c@b.example>\r\nDATA\r\nhello\r\n.\r\n")
        assert [(await client.reply())[:3] for _ in range(4)] == ["250", "250", "503", ""]
        assert desk.store.begun == 0


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (b"a\nb\r\n", "550 5.6.11"),
        (b"a\rb\r\n", "550 5.6.11"),
        (b"a\0b\r\n", "550 5.6.0"),
        (b"a" * 70_000 + b"\r\n", "550 5.6.0"),
        ((b"a" * 998 + b"\r\n") * 1100, "552 5.3.4"),
        (b"Received: x\r\n" * 101 + b"\r\n", "554 5.4.6"),
    ],
)
async def test_a_text_that_breaks_a_rule_is_refused_for_good(serve: Serve, text: bytes, status: str) -> None:
    """For each recipient, and the conversation goes on; nothing of it is left."""
    async with serve() as desk, Client(desk.address) as client:
        await client.greet()
        await client.begin("1@a.example", "2@b.example")
        client.send(text + b".\r\n")
        assert (await client.reply()).startswith(status)
        assert (await client.reply()).startswith(status)
        await client.begin("1@a.example")
        client.send(b"good\r\n.\r\n")
        assert (await client.reply()).startswith("250")
        assert len(desk.store.kept) == 1
        assert len(desk.store.left) == 2


async def test_a_hundred_received_lines_are_no_circle(serve: Serve) -> None:
    """RFC 5321, 6.3."""
    async with serve() as desk, Client(desk.address) as client:
        await client.greet()
        await client.begin("1@a.example")
        client.send(b"Received: x\r\n" * 100 + b"\r\nReceived: body\r\n.\r\n")
        assert (await client.reply()).startswith("250")


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        (["DATA"], "503"),
        (["RCPT TO:<a@example.org>"], "503"),
        (["MAIL FROM:<>", "MAIL FROM:<>"], "503"),
        (["MAIL FROM:<>", "DATA"], "503"),
        (["MAIL FROM:<a@example.org> SIZE=1048577"], "552"),
        (["MAIL FROM:<>", "RCPT TO:<nobody-knows@example.org>"], "451"),
        (["EHLO client"], "500"),
        (["LHLO"], "501"),
        (["STARTTLS"], "500"),
        (["VRFY a"], "252"),
        (["BDAT 1 LAST"], "500"),
        (["MAIL FROM:<>", "RSET", "MAIL FROM:<>"], "250"),
        (["MAIL FROM:<>", "LHLO again", "MAIL FROM:<>"], "250"),
        (["XFORWARD IDENT=AB12 PROTO=SMTP"], "250"),
    ],
)
async def test_commands_have_their_order(serve: Serve, lines: list[str], code: str) -> None:
    """The last of the lines gets this reply."""
    async with serve() as desk, Client(desk.address) as client:
        await client.greet()
        replies = [await client.say(line) for line in lines]
        assert replies[-1].startswith(code), replies


async def test_who_has_not_said_hello_says_nothing_else(serve: Serve) -> None:
    """And in LMTP not by the words of SMTP."""
    async with serve() as desk, Client(desk.address) as client:
        assert (await client.reply()).startswith("220 gateway.example.org LMTP")
        assert (await client.say("MAIL FROM:<>")).startswith("503")
        assert (await client.say("HELO x")).startswith("500")


@pytest.mark.parametrize("line", [b"NOOP\nMAIL FROM:<>\r\n", b"NO\rOP\r\n", b"x" * 5000])
async def test_a_line_that_is_none_ends_the_conversation(serve: Serve, line: bytes) -> None:
    """Bare line ends and endless lines: nothing behind them is read as a command."""
    async with serve() as desk, Client(desk.address) as client:
        await client.greet()
        client.send(line)
        assert await client.reply() == ""


async def test_too_many_errors_end_the_conversation(serve: Serve) -> None:
    """The one after the twentieth."""
    async with serve() as desk, Client(desk.address) as client:
        await client.greet()
        for _ in range(20):
            assert (await client.say("WHAT")).startswith("500")
        assert (await client.say("WHAT")).startswith("500")
        assert (await client.reply()).startswith("421 4.7.0")


async def test_more_than_a_hundred_recipients_come_in_two_turns(serve: Serve) -> None:
    """RFC 5321, 4.5.3.1.8."""
    async with serve() as desk, Client(desk.address) as client:
        await client.greet()
        await client.say("MAIL FROM:<>")
        replies = [await client.say(f"RCPT TO:<u{i}@a.example>") for i in range(101)]
        assert replies[-2][:3] == "250"
        assert replies[-1].startswith("452 4.5.3")


async def test_a_message_to_more_owners_than_can_be_written_at_once_comes_in_two_turns(serve: Serve) -> None:
    """What is over is asked for again, before the text."""
    async with serve() as desk, Client(desk.address) as client:
        await client.greet()
        await client.say("MAIL FROM:<>")
        replies = [await client.say(f"RCPT TO:<u@d{i}.example>") for i in range(MOST_OWNERS + 1)]
        assert replies[-2][:3] == "250"
        assert replies[-1].startswith("452 4.5.3")
        assert (await client.say("RCPT TO:<v@d0.example>")).startswith("250")


async def test_a_client_that_goes_away_in_a_text_leaves_nothing(serve: Serve) -> None:
    """Half a message is none."""
    async with serve() as desk:
        async with Client(desk.address) as client:
            await client.greet()
            await client.begin("1@a.example", "2@b.example")
            client.send(b"half a message\r\n" * 10_000)
            await until(lambda: desk.store.begun == 2)
        await until(lambda: len(desk.store.left) == 2)
        assert not desk.store.kept


async def test_who_says_nothing_for_too_long_is_hung_up_on(serve: Serve) -> None:
    """Between commands and in a text; nothing of the text is left."""
    async with serve(idle=1.0) as desk, Client(desk.address) as client:
        await client.greet()
        await client.begin("1@a.example")
        client.send(b"half\r\n")
        assert (await client.reply()).startswith("421 4.4.2")
        assert await client.reply() == ""
        assert (len(desk.store.kept), len(desk.store.left)) == (0, 1)


async def test_a_text_has_a_time_even_if_it_drips(serve: Serve) -> None:
    """A byte now and then keeps nobody busy for ever."""
    async with serve(data_seconds=0.3) as desk, Client(desk.address) as client:
        await client.greet()
        await client.begin("1@a.example")
        reply = ""
        while not reply:
            client.send(b"x")
            if client.reader._buffer:  # type: ignore[attr-defined]
                reply = await client.reply()
            await asyncio.sleep(0.02)
        assert reply.startswith("421 4.4.2")
        assert len(desk.store.left) == 1


async def test_too_many_connections_are_asked_to_come_again(serve: Serve) -> None:
    """And are let in when another has left."""
    async with serve(most=1) as desk, Client(desk.address) as first:
        await first.greet()
        async with Client(desk.address) as second:
            assert (await second.reply()).startswith("421 4.3.2")
        assert (await first.say("QUIT")).startswith("221")
        await until(lambda: not desk.front._sessions)
        async with Client(desk.address) as third:
            assert (await third.greet()).startswith("250")


async def test_too_many_records_at_once_are_asked_to_come_again(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the text is sent, after a while."""
    monkeypatch.setattr("vault.gateway.intake._ROOM_S", 0.1)
    async with serve() as desk, Client(desk.address) as client:
        await client.greet()
        await client.say("MAIL FROM:<>")
        await client.say("RCPT TO:<1@a.example>")
        async with desk.intake.room(MOST_STREAMS) as free:
            assert free
            assert (await client.say("DATA")).startswith("451 4.3.2")
        assert (await client.say("DATA")).startswith("354")


async def test_the_name_in_the_queue_is_what_the_server_before_says(serve: Serve) -> None:
    """XFORWARD's before that of the top Received line; none if there is neither."""
    received = (
        b"Received: from x (y [192.0.2.1])\r\n\tby mx.example.org (Postfix) with ESMTP id 4ABC123\r\n\tfor <a>; now\r\n"
    )
    async with serve() as desk, Client(desk.address) as client:
        await client.greet()
        for before, text in (("XFORWARD IDENT=Q1", received), ("NOOP", received), ("NOOP", b"Subject: x\r\n")):
            await client.say(before)
            await client.begin("1@a.example")
            client.send(text + b"\r\nhello\r\n.\r\n")
            assert (await client.reply()).startswith("250")
        assert [kept.queue_id for kept in desk.store.kept.values()] == ["Q1", "4ABC123", ""]


async def test_a_stop_lets_a_text_come_to_its_end(serve: Serve) -> None:
    """Who is between two commands is told to go; who has begun a text gets its reply."""
    async with serve() as desk, Client(desk.address) as idle, Client(desk.address) as busy:
        await idle.greet()
        await busy.greet()
        await busy.begin("1@a.example")
        busy.send(b"begun\r\n")
        await until(lambda: desk.store.begun == 1)
        stopping = asyncio.create_task(desk.front.stop(20.0))
        assert (await idle.reply()).startswith("421 4.3.2")
        busy.send(b"done\r\n.\r\n")
        assert (await busy.reply()).startswith("250")
        busy.send(b"QUIT\r\n")
        await stopping
        assert len(desk.store.kept) == 1


async def test_a_stop_does_not_wait_for_ever(serve: Serve) -> None:
    """What is cut off has no 250, and nothing of it is left."""
    async with serve() as desk, Client(desk.address) as busy:
        await busy.greet()
        await busy.begin("1@a.example")
        busy.send(b"begun\r\n")
        await until(lambda: desk.store.begun == 1)
        await desk.front.stop(0.1)
        assert await busy.reply() == ""
        assert (len(desk.store.kept), len(desk.store.left)) == (0, 1)


async def test_who_takes_no_replies_is_hung_up_on(serve: Serve) -> None:
    """A slow reader: replies wait for it in a bounded place, and its socket is given up when its time is over."""
    async with serve(idle=2.0) as desk:
        async with Client(desk.address) as client:
            await client.greet()
            client.writer.transport.pause_reading()  # type: ignore[attr-defined]
            # The kernel's buffers take some megabytes of replies before any of them waits here.
            with contextlib.suppress(ConnectionError):
                while desk.front._sessions:
                    client.send(b"NOOP\r\n" * 10_000)
                    async with asyncio.timeout(20):
                        await client.writer.drain()
            await until(lambda: not desk.front._sessions)
        async with Client(desk.address) as other:
            assert (await other.greet()).startswith("250")


async def test_a_client_that_sends_no_more_gets_no_promise(serve: Serve) -> None:
    """Half-open: it has closed its side in the middle of a text, or of a line."""
    async with serve() as desk:
        for last in (b"half a message\r\n", b"all but the dot\r\n.", b"a bare end\r\n.\n"):
            async with Client(desk.address) as client:
                await client.greet()
                await client.begin("1@a.example")
                client.send(last)
                client.writer.write_eof()
                assert await client.reply() == ""
        async with Client(desk.address) as client:
            await client.reply()
            client.send(b"LHLO clie")
            client.writer.write_eof()
            assert await client.reply() == ""
        assert (desk.store.kept, len(desk.store.left)) == ({}, 3)


async def test_a_client_that_is_gone_before_its_reply_is_stored_once(serve: Serve) -> None:
    """It comes again under the same name in its queue, and what was stored for nobody to hear is that message."""
    async with serve() as desk:
        desk.store.gate = asyncio.Event()
        for number in (1, 2):
            async with Client(desk.address) as client:
                await client.greet()
                await client.say("XFORWARD IDENT=Q1")
                await client.begin("1@a.example")
                client.send(b"text\r\n.\r\n")
                await until(lambda number=number: desk.store.begun == number)  # type: ignore[misc]
                desk.store.gate.set()
                if number == 2:
                    assert (await client.reply()).startswith("250")
            await until(lambda: not desk.front._sessions)
        assert [kept.body for kept in desk.store.kept.values()] == [b"text\r\n"]


@pytest.mark.parametrize("end", [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r\n.\r", b"\r.\r\n", b"\r\n\0.\r\n"])
async def test_no_second_message_is_smuggled_in(serve: Serve, end: bytes) -> None:
    """What stands behind a false end is text, never commands; the whole is refused at its true end."""
    async with serve() as desk, Client(desk.address) as client:
        await client.greet()
        await client.begin("1@a.example")
        smuggled = b"MAIL FROM:<evil@a.example>\r\nRCPT TO:<2@a.example>\r\nDATA\r\nsmuggled\r\n.\r\n"
        client.send(b"seen" + end + smuggled)
        assert (await client.reply()).startswith("550 5.6.")
        assert (await client.say("NOOP")).startswith("250")
        assert not desk.store.kept


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00" + bytes(600),
        b"\r\n" * 200,
        b"NOOP\nNOOP\r\n",
        b"A" * 100_000,
        b"\xff\xfe\r\n" * 200,
        b"MAIL FROM:<" + b"a" * 4090 + b">\r\n" * 30,
    ],
)
async def test_garbage_ends_a_conversation_and_leaves_nothing(serve: Serve, garbage: bytes) -> None:
    """Sent at once, without reading; a browser that was made to, a TLS client, or nobody that makes sense."""
    async with serve() as desk:
        async with Client(desk.address) as client:
            await client.greet()
            client.send(garbage * 30)
            said = []
            with contextlib.suppress(ConnectionError):
                while reply := await client.reply():
                    said.append(reply[:3])
            assert set(said) <= {"421", "500", "501", "503"}
        await until(lambda: not desk.front._sessions)
        assert desk.store.begun == 0


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("MAIL FROM:<\u00fc@example.org> SMTPUTF8", "250"),
        ("MAIL FROM:<\u00fc@example.org> SMTPUTF8 BODY=8BITMIME", "250"),
        ("MAIL FROM:<\u00fc@example.org>", "553 5.6.7"),
        ("MAIL FROM:<a@example.org> BODY=BINARYMIME", "501"),
        ("MAIL FROM:<a@example.org> SMTPUTF8=yes", "501"),
        ("MAIL FROM:<a@example.org> BODY=7BIT", "250"),
        ("MAIL FROM:<a@example.org> AUTH=<>", "555"),
    ],
)
async def test_what_was_announced_is_taken_and_nothing_else(serve: Serve, line: str, code: str) -> None:
    """RFC 6531, 3.5 (an address beyond ASCII needs the word), RFC 6152, RFC 3030."""
    async with serve() as desk, Client(desk.address) as client:
        hello = await client.greet()
        assert "SMTPUTF8" in hello
        assert "BINARYMIME" not in hello
        assert "CHUNKING" not in hello
        assert (await client.say(line)).startswith(code)


async def test_a_recipient_beyond_ascii_needs_the_word_too(serve: Serve) -> None:
    """In its transaction."""
    async with serve() as desk, Client(desk.address) as client:
        await client.greet()
        await client.say("MAIL FROM:<a@example.org>")
        assert (await client.say("RCPT TO:<\u00fc@example.org>")).startswith("553 5.6.7")
        await client.say("RSET")
        await client.say("MAIL FROM:<\u00fc@example.org> SMTPUTF8")
        assert (await client.say("RCPT TO:<\u00fc@example.org>")).startswith("250")


async def test_what_the_vault_has_no_room_for_by_its_own_limit_is_refused_for_good(serve: Serve) -> None:
    """It would be the same again: the sender is told now, and not after days."""
    async with serve() as desk, Client(desk.address) as client:
        desk.store.refuse[Owner("domains/b.example")] = InvalidArgument("size", "must be at most 65,536 bytes")
        desk.store.refuse[Owner("domains/c.example")] = InvalidArgument("owner", "is odd")
        await client.greet()
        await client.begin("1@a.example", "2@b.example", "3@c.example")
        client.send(b"text\r\n.\r\n")
        assert [(await client.reply())[:9] for _ in range(3)] == ["250 2.0.0", "552 5.3.4", "451 4.3.0"]
        assert desk.counts.get("received", "refused") == 1
