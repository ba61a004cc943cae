"""The lines of a client, read strictly: verb, path, parameters (RFC 5321, 4.1).

Mail is judged by its bytes, so nothing is repaired here: a line with a bare CR or LF, a control character or bytes that
are no UTF-8 is no command. Source routes (`<@a,@b:user@c>`) are read and dropped, as RFC 5321 (appendix C) asks.

An address is kept as the client wrote it; only who compares addresses (`owners`) folds them. The parameters that must
come out again at the other end (DSN, RFC 3461; BODY, RFC 6152; SMTPUTF8, RFC 6531) are kept as they were written, too.
"""

import re
from dataclasses import dataclass
from typing import Final

from vault.gateway.reply import Reply

MAX_COMMAND: Final = 4096
"""Bytes of a line: 512 (RFC 5321, 4.5.3.1.4) and what the extensions add to it, rounded up."""
_MAX_PATH: Final = 320
"""Bytes of an address: 64 for the local part, 255 for the domain and the @ (RFC 5321, 4.5.3.1)."""

_BAD = Reply(501, "5.5.4", "the arguments cannot be read")
_QUOTED: Final = r'"(?:[^"\\\x00-\x1f\x7f]|\\[^\x00-\x1f\x7f])*"'
_ATOMS: Final = r"[^\s\"<>()\[\]\\,;:@\x00-\x1f\x7f]+"
_PATH: Final = re.compile(rf"<(?:@[^\s:<>]+:)?((?:{_QUOTED}|{_ATOMS})(?:@(?:\[[^\s\]<>]+\]|{_ATOMS}))?|)>(?: +(.*))?$")
_PARAMETER: Final = re.compile(r"([A-Za-z0-9][A-Za-z0-9-]*)(?:=([^\s=\x00-\x1f\x7f]+))?")

MAIL_PARAMETERS: Final = frozenset({"SIZE", "BODY", "SMTPUTF8", "RET", "ENVID"})
RCPT_PARAMETERS: Final = frozenset({"NOTIFY", "ORCPT"})
_VALUES: Final = {
    "SIZE": re.compile(r"\d{1,20}"),
    "BODY": re.compile(r"7BIT|8BITMIME", re.IGNORECASE),
    "RET": re.compile(r"FULL|HDRS", re.IGNORECASE),
    "ENVID": re.compile(r"[!-~]{1,100}"),
    "NOTIFY": re.compile(r"NEVER|(?:SUCCESS|FAILURE|DELAY)(?:,(?:SUCCESS|FAILURE|DELAY)){0,2}", re.IGNORECASE),
    "ORCPT": re.compile(r"[A-Za-z0-9-]+;\S{1,500}"),
}


class Refused(Exception):  # noqa: N818 - it is a reply on its way, not an error of ours
    """A command is answered with a refusal; never leaves the session."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(str(reply))
        self.reply = reply


@dataclass(frozen=True, slots=True)
class Path:
    """What stands behind MAIL FROM or RCPT TO."""

    address: str
    """Empty for <>."""
    parameters: dict[str, str]
    """By name in capitals; the value as written, empty for a parameter that has none."""


def split(line: bytes) -> tuple[str, str]:
    """A line without its CRLF as verb, in capitals, and arguments.

    Raises:
        Refused: it cannot be a command.
    """
    try:
        text = line.decode()
    except UnicodeDecodeError:
        raise Refused(Reply(500, "5.5.2", "not UTF-8")) from None
    if any(c < " " or c == "\x7f" for c in text):
        raise Refused(Reply(500, "5.5.2", "a control character"))
    verb, _, arguments = text.partition(" ")
    return verb.upper(), arguments.strip(" ")


def path(arguments: str, word: str, known: frozenset[str], *, utf8: bool) -> Path:
    """The arguments of MAIL (`word` is FROM) or RCPT (TO).

    Args:
        arguments: what stands behind the verb.
        word: what must stand before the colon.
        known: the parameters that this command takes.
        utf8: whether SMTPUTF8 was asked for in this transaction; MAIL may ask for it itself.

    Raises:
        Refused: they break the grammar, or name a parameter that was not announced.
    """
    head, colon, tail = arguments.partition(":")
    found = _PATH.match(tail.strip(" ")) if colon and head.strip().upper() == word else None
    if found is None or len(found[1].encode()) > _MAX_PATH:
        raise Refused(_BAD)
    parameters = _parameters(found[2] or "", known)
    if not (utf8 or "SMTPUTF8" in parameters) and not (found[1] + (found[2] or "")).isascii():
        raise Refused(Reply(553, "5.6.7", "an address beyond ASCII needs SMTPUTF8"))
    return Path(found[1], parameters)


def _parameters(text: str, known: frozenset[str]) -> dict[str, str]:
    parameters: dict[str, str] = {}
    for word in text.split():
        found = _PARAMETER.fullmatch(word)
        name = found[1].upper() if found else ""
        if found is None or name not in known:
            raise Refused(Reply(555, "5.5.4", "a parameter that was not announced"))
        rule = _VALUES.get(name)
        value = found[2] or ""
        if name in parameters or (rule.fullmatch(value) is None if rule else value != ""):
            raise Refused(_BAD)
        parameters[name] = value
    return parameters
