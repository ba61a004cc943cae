"""The letter that tells a sender what did not arrive: a delivery status notification (RFC 3464).

It is handed to the next hop like any message, with an empty sender, so that it can cause no other. It has three parts:
words for people, fields for machines, and the headers of what was sent. Never its text, even if RET=FULL asks for it:
RFC 3461 (6.2) allows that, and a letter that waits in somebody's queue in plain should hold no more than it must.
"""

import re
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from email.utils import formatdate
from typing import Final

from vault.gateway.port import Envelope, Recipient

_PRINTABLE: Final = re.compile(r"[^ -~]")
_LINE_END: Final = re.compile(rb"\r\n|\r|\n")
_MOST_HEADERS: Final = 16_384


@dataclass(frozen=True, slots=True)
class Failure:
    """A recipient who gets nothing, and why: as the next hop said it, or we."""

    recipient: Recipient
    status: str
    """Enhanced status code."""
    said: str
    """The reply, in one line."""


def to_be_told(envelope: Envelope, failures: Sequence[Failure]) -> list[Failure]:
    """Those of the failures that the sender wants to hear of (RFC 3461, 4.1)."""
    if not envelope.sender:
        return []
    return [f for f in failures if not f.recipient.notify or "FAILURE" in f.recipient.notify.split(",")]


def report(hostname: str, envelope: Envelope, failures: Sequence[Failure], arrived: float, headers: bytes) -> bytes:
    """The letter, ready to be sent from <> to the envelope's sender.

    Args:
        hostname: who reports.
        envelope: of the message.
        failures: what to tell; at least one.
        arrived: seconds since 1970.
        headers: of the message; what is too long is cut.
    """
    boundary = f"report-{secrets.token_hex(12)}"
    utf8 = envelope.smtputf8
    kind = "global-" if utf8 else ""
    head = (
        f"From: Mail delivery <mailer-daemon@{hostname}>",
        f"To: <{envelope.sender}>",
        "Subject: Your message was not delivered",
        f"Date: {formatdate(localtime=False)}",
        f"Message-ID: <{secrets.token_hex(16)}@{hostname}>",
        "Auto-Submitted: auto-replied",
        "MIME-Version: 1.0",
        f'Content-Type: multipart/report; report-type=delivery-status; boundary="{boundary}"',
    )
    parts = (
        _part("text/plain; charset=utf-8", _words(hostname, failures)),
        _part(f"message/{kind}delivery-status", _fields(hostname, envelope, failures, arrived)),
        _part(f"message/{kind}headers" if utf8 else "text/rfc822-headers", _cut(headers)),
    )
    middle = b"".join(f"--{boundary}\r\n".encode() + part for part in parts)
    return "\r\n".join((*head, "", "")).encode() + middle + f"--{boundary}--\r\n".encode()


def _part(content_type: str, content: bytes) -> bytes:
    return f"Content-Type: {content_type}\r\n\r\n".encode() + content + b"\r\n"


def _words(hostname: str, failures: Sequence[Failure]) -> bytes:
    lines = [f"This is the mail gateway at {hostname}.", "", "Your message was not delivered to:", ""]
    for failure in failures:
        lines += [f"  <{failure.recipient.address}>", f"    {_plain(failure.said)}"]
    lines += ["", "It will not be tried again. Its headers are attached."]
    return "\r\n".join((*lines, "")).encode()


def _fields(hostname: str, envelope: Envelope, failures: Sequence[Failure], arrived: float) -> bytes:
    lines = [f"Original-Envelope-Id: {envelope.envid}"] if envelope.envid else []
    lines += [f"Reporting-MTA: dns; {hostname}", f"Arrival-Date: {formatdate(min(arrived, time.time()))}"]
    kind = "utf-8" if envelope.smtputf8 else "rfc822"
    for failure in failures:
        lines += [""]
        lines += [f"Original-Recipient: {failure.recipient.orcpt}"] if failure.recipient.orcpt else []
        lines += [f"Final-Recipient: {kind}; {failure.recipient.address}", "Action: failed"]
        lines += [f"Status: {failure.status}", f"Diagnostic-Code: smtp; {_plain(failure.said)}"]
    return "\r\n".join((*lines, "")).encode()


def _cut(headers: bytes) -> bytes:
    # What another program stored may have line ends that no server may be sent; a report of that must go out itself.
    headers = _LINE_END.sub(b"\r\n", headers).replace(b"\0", b"?").partition(b"\r\n\r\n")[0]
    if len(headers) > _MOST_HEADERS:
        headers = headers[:_MOST_HEADERS].rpartition(b"\r\n")[0]
    return headers + b"\r\n"


def _plain(text: str) -> str:
    """What a stranger's server said, in one line of printable ASCII."""
    return _PRINTABLE.sub("?", text)[:400]
