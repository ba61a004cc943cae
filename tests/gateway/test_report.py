"""A report is a message that mail programs read: in three parts, without the text that did not arrive."""

import email
import email.policy
from email.message import EmailMessage
from typing import cast

from vault.gateway.body import Stuffing
from vault.gateway.port import Envelope, Recipient
from vault.gateway.report import Failure, report

BOB = Recipient("bob@b.example", orcpt="rfc822;robert@b.example")
SAID = "550 5.1.1 no such user \u00fc\r\nX-Injected: yes"


def _read(envelope: Envelope, headers: bytes = b"Subject: x\r\nFrom: a@a.example") -> EmailMessage:
    letter = report("gw.example.org", envelope, [Failure(BOB, "5.1.1", SAID)], 1_700_000_000.0, headers)
    assert letter.count(b"\r") == letter.count(b"\n") == letter.count(b"\r\n")
    return email.message_from_bytes(letter, policy=email.policy.default)


def test_a_report_has_the_fields_of_rfc_3464() -> None:
    """For the message, and for each recipient."""
    letter = _read(Envelope("a@a.example", (BOB,), envid="E1"))
    assert letter.get_content_type() == "multipart/report"
    assert letter["To"] == "a@a.example"
    assert letter["Auto-Submitted"] == "auto-replied"
    words, status, headers = letter.iter_parts()
    assert "<bob@b.example>" in cast("EmailMessage", words).get_content()
    message, recipient = cast("list[EmailMessage]", status.get_payload())
    assert (message["Reporting-MTA"], message["Original-Envelope-Id"]) == ("dns; gw.example.org", "E1")
    assert recipient["Original-Recipient"] == "rfc822;robert@b.example"
    assert recipient["Final-Recipient"] == "rfc822; bob@b.example"
    assert (recipient["Action"], recipient["Status"]) == ("failed", "5.1.1")
    assert headers.get_content_type() == "text/rfc822-headers"


def test_a_strangers_words_make_no_field() -> None:
    """Line ends and bytes beyond ASCII in a reply are replaced."""
    _, status, _ = _read(Envelope("a@a.example", (BOB,))).iter_parts()
    _, recipient = cast("list[EmailMessage]", status.get_payload())
    assert recipient["Diagnostic-Code"] == "smtp; 550 5.1.1 no such user ???X-Injected: yes"
    assert recipient["X-Injected"] is None


def test_a_report_beyond_ascii_says_so() -> None:
    """RFC 6533."""
    _, status, headers = _read(Envelope("\u00fc@a.example", (BOB,), smtputf8=True)).iter_parts()
    assert status.get_content_type() == "message/global-delivery-status"
    assert headers.get_content_type() == "message/global-headers"


def test_long_headers_are_cut_at_a_line() -> None:
    """A report is small."""
    letter = report("gw.example.org", Envelope("a@a.example", (BOB,)), [Failure(BOB, "5.0.0", "no")], 0.0,
                    b"X-A: b\r\n" * 5000)  # fmt: skip
    assert len(letter) < 20_000
    assert b"X-A: b\r\n\r\n--" in letter


def test_what_is_quoted_has_the_line_ends_that_a_server_may_be_sent() -> None:
    """Of a message that another program stored with others; and its text is no header for that."""
    headers = b"X-A: b\nX-C: d\0\rX-E: f\n\nthe text"
    letter = report("gw.example.org", Envelope("a@a.example", (BOB,)), [Failure(BOB, "5.6.11", "no")], 0.0, headers)
    assert b"X-A: b\r\nX-C: d?\r\nX-E: f\r\n\r\n--" in letter
    stuffing = Stuffing()
    stuffing.feed(letter)
    stuffing.end()
    assert stuffing.fault is None
