"""The way out: what the next hop takes is completed, what it takes later comes again, what it never takes is told."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.gateway.fake_store import FakeStore, Kept
from tests.gateway.talk import Hop, next_hop, until
from vault.domain.names import Owner
from vault.errors import Unavailable
from vault.gateway import relay as relays
from vault.gateway.counts import Counts
from vault.gateway.next_hop import Address
from vault.gateway.port import Envelope, Fate, Recipient, Result, Why
from vault.gateway.relay import Relay
from vault.gateway.session import Speech

A, B, C = (Recipient(f"{name}@b.example") for name in "abc")


class Office:
    """A relay between a store and a next hop."""

    def __init__(self, hop: Hop) -> None:
        self.store = FakeStore()
        self.counts = Counts()
        self.hop = hop

    def put(
        self, *recipients: Recipient, sender: str = "s@a.example", text: bytes = b"Subject: x\r\n\r\nhi\r\n"
    ) -> Kept:
        """Leave a message in the store."""
        name = f"domains/b.example/messages/{len(self.store.kept) + len(self.store.gone)}"
        kept = Kept(name, Owner("domains/b.example"), Envelope(sender, recipients or (A,)), text, "")
        self.store.kept[name] = kept
        return kept

    @asynccontextmanager
    async def working(self, *, workers: int = 1, extend_every: float = 60.0) -> AsyncIterator[Relay]:
        """Let it work."""
        host, _, port = self.hop.address.rpartition(":")
        address = Address(host, int(port), Speech.LMTP if self.hop.lmtp else Speech.SMTP)
        relay = Relay(self.store, address, "gw.example.org", self.counts, workers=workers, extend_every=extend_every)
        relay.start()
        try:
            yield relay
        finally:
            await relay.stop(5.0)


async def test_what_the_next_hop_takes_is_gone() -> None:
    """With its parameters, stuffed on the wire and unstuffed at the end."""
    async with next_hop(Hop()) as hop:
        office = Office(hop)
        kept = office.put(Recipient("a@b.example", "NEVER", "rfc822;o@b.example"), text=b".dot\r\n..\r\n\xff\r\n")
        kept.envelope = Envelope(
            "s@a.example", kept.envelope.recipients, "8BITMIME", smtputf8=True, ret="HDRS", envid="e1"
        )
        async with office.working():
            await until(lambda: office.store.gone)
        [got] = hop.got
    assert got.sender == "MAIL FROM:<s@a.example> SIZE=13 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=e1"
    assert got.recipients == ["RCPT TO:<a@b.example> NOTIFY=NEVER ORCPT=rfc822;o@b.example"]
    assert got.text == b"..dot\r\n...\r\n\xff\r\n"
    assert kept.results == {0: Result(Fate.DELIVERED, "2.0.0")}


async def test_a_hop_that_knows_no_parameters_gets_none() -> None:
    """What was not announced is not said."""
    async with next_hop(Hop(extensions=("HELP",))) as hop:
        office = Office(hop)
        kept = office.put(Recipient("a@b.example", "NEVER"))
        kept.envelope = Envelope("s@a.example", kept.envelope.recipients, "8BITMIME", ret="HDRS", envid="e1")
        async with office.working():
            await until(lambda: office.store.gone)
        assert (hop.got[0].sender, hop.got[0].recipients) == ("MAIL FROM:<s@a.example>", ["RCPT TO:<a@b.example>"])


async def test_each_recipient_has_its_own_result() -> None:
    """Taken: completed. Not now: given back, with the other two not tried again. Never: told and completed."""

    def answer(line: str) -> str:
        if "RCPT TO:<b@" in line:
            return "451 4.2.1 mailbox busy"
        return "550 5.1.1 no such user" if "RCPT TO:<c@" in line else "250 2.1.5 fine"

    async with next_hop(Hop(answer=answer)) as hop:
        office = Office(hop)
        kept = office.put(A, B, C)
        async with office.working():
            await until(lambda: kept.released)
        [got, told] = hop.got
        assert kept.results == {0: Result(Fate.DELIVERED, "2.1.5"), 2: Result(Fate.BOUNCED, "5.1.1")}
        [(after, why, status)] = kept.released
        assert (15 <= after <= 30, why, status) == (True, Why.TEMPORARY, "4.2.1")
        assert got.recipients == ["RCPT TO:<a@b.example>"]
        assert told.sender.startswith("MAIL FROM:<> ")
        assert b"Final-Recipient: rfc822; c@b.example" in told.text
        kept.due = 0.0
        hop.answer = lambda _: "250 2.0.0 fine"
        async with office.working():
            await until(lambda: office.store.gone)
        assert hop.got[-1].recipients == ["RCPT TO:<b@b.example>"]


async def test_lmtp_hop_replies_for_each_recipient() -> None:
    """After the text (RFC 2033, 4.2)."""
    answer = lambda line: "452 4.2.2 full" if line.startswith(".RCPT TO:<b@") else "250 2.0.0 fine"  # noqa: E731
    async with next_hop(Hop(answer=answer, lmtp=True)) as hop:
        office = Office(hop)
        kept = office.put(A, B, C)
        async with office.working():
            await until(lambda: kept.released)
        assert {place: r.fate for place, r in kept.results.items()} == {0: Fate.DELIVERED, 2: Fate.DELIVERED}
        assert hop.lines[0].startswith("LHLO")


@pytest.mark.parametrize("verb", ["MAIL", "DATA"])
@pytest.mark.parametrize(("code", "gone"), [("452 4.3.1", False), ("552 5.3.4", True)])
async def test_what_is_refused_as_a_whole_is_refused_for_all(verb: str, code: str, gone: bool) -> None:  # noqa: FBT001
    """The sender, or the text; the report's own sender is taken."""

    def answer(line: str) -> str:
        mine = line.startswith("MAIL FROM:<s@") if verb == "MAIL" else line == "."
        return f"{code} no" if mine and len(hop.got) <= 1 else "250 2.0.0 fine"

    async with next_hop(Hop(answer=answer)) as hop:
        office = Office(hop)
        kept = office.put(A, B)
        async with office.working():
            await until(lambda: office.store.gone if gone else kept.released)
        assert {r.fate for r in kept.results.values()} == ({Fate.BOUNCED} if gone else set())


@pytest.mark.parametrize(
    ("sender", "notify", "fate"),
    [
        ("", "", Fate.DROPPED),
        ("s@a.example", "NEVER", Fate.DROPPED),
        ("s@a.example", "SUCCESS,DELAY", Fate.DROPPED),
        ("s@a.example", "FAILURE", Fate.BOUNCED),
    ],
)
async def test_only_who_wants_to_hear_is_told(sender: str, notify: str, fate: Fate) -> None:
    """A report is never answered with a report."""
    answer = lambda line: "550 5.1.1 no" if "RCPT TO:<a@" in line else "250 2.0.0 fine"  # noqa: E731
    async with next_hop(Hop(answer=answer)) as hop:
        office = Office(hop)
        kept = office.put(Recipient("a@b.example", notify), sender=sender)
        async with office.working():
            await until(lambda: office.store.gone)
        assert kept.results[0].fate is fate
        assert len(hop.got) == (fate is Fate.BOUNCED)


async def test_a_report_that_cannot_be_sent_now_is_sent_later() -> None:
    """Until then the message is kept, and its key with it."""

    def answer(line: str) -> str:
        if "RCPT TO:<a@" in line:
            return "550 5.1.1 no"
        return "250 2.0.0 fine" if line.startswith("MAIL FROM:<s@") or line == "RSET" else "451 4.3.0 later"

    async with next_hop(Hop(answer=answer)) as hop:
        office = Office(hop)
        kept = office.put()
        async with office.working():
            await until(lambda: kept.released)
        assert not kept.results


async def test_a_report_that_nobody_takes_ends() -> None:
    """The sender does not exist: a double bounce."""
    answer = lambda line: "550 5.1.1 no" if line.startswith("RCPT") else "250 2.0.0 fine"  # noqa: E731
    async with next_hop(Hop(answer=answer)) as hop:
        office = Office(hop)
        kept = office.put()
        async with office.working():
            await until(lambda: office.store.gone)
        assert kept.results[0].fate is Fate.DROPPED
        assert office.counts.get("bounced", "none") == 1


async def test_a_message_whose_time_is_over_is_told_of_and_not_tried() -> None:
    """With the last status, and the headers of what was sent."""
    async with next_hop(Hop()) as hop:
        office = Office(hop)
        kept = office.put(A, B)
        kept.dead = True
        async with office.working():
            await until(lambda: office.store.gone)
        [told] = hop.got
        assert told.recipients == ["RCPT TO:<s@a.example> NOTIFY=NEVER"]
        assert b"Status: 4.2.0" in told.text
        assert b"Subject: x\r\n\r\n--" in told.text
        assert b"hi" not in told.text.splitlines()


async def test_a_hop_that_is_away_costs_no_message_an_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is claimed before it answers."""
    monkeypatch.setattr(relays, "_HOP_FIRST_S", 0.05)
    monkeypatch.setattr(relays, "_HOP_LONGEST_S", 0.1)
    async with next_hop(Hop()) as hop:
        pass
    office = Office(hop)
    kept = office.put()
    async with office.working():
        await until(lambda: office.counts.get("next_hop", "unreachable") > 1)
        assert kept.attempts == 0
        host, _, port = hop.address.rpartition(":")
        server = await asyncio.start_server(hop.serve, host, int(port))
        async with server:
            await until(lambda: office.store.gone)


async def test_a_hop_that_greets_with_421_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """As Postfix does when it stops, or has too many connections."""
    monkeypatch.setattr(relays, "_HOP_FIRST_S", 0.05)

    async def closing(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"421 4.3.2 all busy\r\n")
        writer.close()

    server = await asyncio.start_server(closing, "127.0.0.1", 0)
    async with server:
        office = Office(Hop(address=f"127.0.0.1:{server.sockets[0].getsockname()[1]}"))
        kept = office.put()
        async with office.working():
            await until(lambda: office.counts.get("next_hop", "unreachable"))
        assert kept.attempts == 0


async def test_a_connection_that_breaks_in_a_text_is_tried_again() -> None:
    """The same message, over a new connection."""
    async with next_hop(Hop(hang_up_in_text=1)) as hop:
        office = Office(hop)
        kept = office.put(text=b"x" * 60 + b"\r\n")
        async with office.working():
            await until(lambda: kept.released)
            assert kept.released[0][1] is Why.UNREACHABLE
            kept.due = 0.0
            await until(lambda: office.store.gone)
        assert len(hop.got) == 1


async def test_a_damaged_text_never_gets_its_end() -> None:
    """Broken off before the dot: the next server has nothing that it may act on, and the message is kept."""
    async with next_hop(Hop()) as hop:
        office = Office(hop)
        kept = office.put(text=b"x" * 99_998 + b"\r\n")
        office.store.damaged = True
        async with office.working():
            await until(lambda: kept.released)
            await until(lambda: hop.broken_off)
        assert (hop.got, kept.results) == ([], {})


async def test_a_vault_that_is_away_for_a_moment_makes_no_second_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The completion is repeated."""
    monkeypatch.setattr("vault.gateway.errand._SETTLE_FIRST_S", 0.01)
    async with next_hop(Hop()) as hop:
        office = Office(hop)
        office.put()
        office.store.complete_fails = 3
        async with office.working():
            await until(lambda: office.store.gone)
        assert len(hop.got) == 1
        assert office.counts.get("trouble", "settle") == 3


async def test_a_vault_that_is_away_stops_no_worker() -> None:
    """It goes on when the vault is back."""
    async with next_hop(Hop()) as hop:
        office = Office(hop)
        office.store.failing = Unavailable("restarting")
        async with office.working() as relay:
            await until(lambda: office.counts.get("trouble", "claim"))
            office.store.failing = None
            office.put()
            relay.call()
            await until(lambda: office.store.gone)


async def test_a_message_that_does_not_open_holds_up_nobody() -> None:
    """It cannot even be given back here: its lease ends, and meanwhile others go."""
    async with next_hop(Hop()) as hop:
        office = Office(hop)
        kept = office.put()
        office.store.altered = kept.name
        office.put()
        async with office.working():
            await until(lambda: office.store.gone and kept.released)
        assert [got.text for got in hop.got] == [b"Subject: x\r\n\r\nhi\r\n"]


async def test_a_slow_hop_does_not_cost_the_lease() -> None:
    """It is made longer meanwhile."""
    async with next_hop(Hop()) as hop:
        office = Office(hop)
        office.put()
        talk = hop._text

        async def slowly(*args: object) -> None:
            await until(lambda: office.store.extended > 1)
            await talk(*args)  # type: ignore[arg-type]

        hop._text = slowly  # type: ignore[method-assign, assignment]
        async with office.working(extend_every=0.02):
            await until(lambda: office.store.gone)


async def test_workers_share_the_work() -> None:
    """Each message once."""
    async with next_hop(Hop()) as hop:
        office = Office(hop)
        for number in range(40):
            office.put(text=b"%d\r\n" % number)
        async with office.working(workers=4):
            await until(lambda: len(office.store.gone) == 40)
        assert sorted(int(got.text) for got in hop.got) == list(range(40))


async def test_idle_workers_ask_little() -> None:
    """One looks for all, and not before something can be due: each look is an entry in the vault's log."""
    async with next_hop(Hop()) as hop:
        office = Office(hop)
        async with office.working(workers=4) as relay:
            await until(lambda: office.store.claims >= 2)
            await asyncio.sleep(0.3)
            assert office.store.claims == 2  # one for what is due, one for what is over
            kept = office.put()
            relay.call()
            await until(lambda: office.store.gone == [kept])


async def test_what_was_given_back_is_tried_when_it_is_due(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without waiting for the next look."""
    monkeypatch.setattr("vault.gateway.errand.backoff.wait", lambda *_: 0.2)
    async with next_hop(Hop(hang_up_in_text=2)) as hop:
        office = Office(hop)
        office.put()
        async with office.working():
            await until(lambda: office.store.gone)


@pytest.mark.parametrize(
    ("sender", "fate", "reports"), [("s@a.example", Fate.BOUNCED, 1), ("\u00fc@a.example", Fate.DROPPED, 0)]
)
async def test_addresses_beyond_ascii_do_not_go_where_they_cannot_be_read(
    sender: str, fate: Fate, reports: int
) -> None:
    """A hop without SMTPUTF8: the sender is told (RFC 6531, 3.5), by a report that asks for it only if it must."""
    async with next_hop(Hop(extensions=("8BITMIME",))) as hop:
        office = Office(hop)
        kept = office.put()
        kept.envelope = Envelope(sender, (Recipient("\u00e4@b.example"),), smtputf8=True)
        async with office.working():
            await until(lambda: office.store.gone)
        assert kept.results == {0: Result(fate, "5.6.7")}
        assert [got.recipients for got in hop.got] == [["RCPT TO:<s@a.example>"]] * reports
        assert all("Final-Recipient: utf-8; \u00e4@b.example".encode() in got.text for got in hop.got)


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (b"x\r\n\n.\nMAIL FROM:<evil@a.example>\r\nx\r\n", "5.6.11"),
        (b"x\n.\r\nMAIL FROM:<evil@a.example>\r\nx\r\n", "5.6.11"),
        (b"x\r\n" * 30_000 + b"x\r.\r\nMAIL FROM:<evil@a.example>\r\n", "5.6.11"),
        (b"the end is bare\r", "5.6.11"),
        (b"x\0\r\n", "5.6.0"),
    ],
)
async def test_no_text_is_sent_that_means_two_things(text: bytes, status: str) -> None:
    """Another program than ours stored it; none of the dangerous part leaves, and the sender is told soon."""
    async with next_hop(Hop()) as hop:
        office = Office(hop)
        kept = office.put(text=text)
        async with office.working() as relay:
            await until(lambda: kept.released)
            await until(lambda: hop.broken_off)
            assert [(why, said) for _, why, said in kept.released] == [(Why.UNDELIVERABLE, status)]
            assert hop.got == []
            assert not any("evil" in line for line in hop.lines)
            kept.dead, kept.due, relay._next_dead_look = True, 0.0, 0.0
            relay.call()
            await until(lambda: office.store.gone)
        assert [got.recipients for got in hop.got] == [["RCPT TO:<s@a.example> NOTIFY=NEVER"]]
